/* handles.h - objects that the program holds by handle.
 *
 * A handle is a number that no other object ever had and no memory is at: using one after its end, or one of another
 * kind, or looking behind it is seen for certain. */
#ifndef TESTS_FAKE_CUDA_HANDLES_H
#define TESTS_FAKE_CUDA_HANDLES_H
#include <memory>
#include <unordered_map>
#include "device.h"

inline uintptr_t handle_next() /* within the first pages, which no process maps */
{
    static uintptr_t last = 0x100;
    return ++last;
}

template <class handle, class object> class handles
{
  public:
    explicit handles(const char *kind_) : kind(kind_) {}
    object *add(std::unique_ptr<object> o, handle *out)
    {
        *out = reinterpret_cast<handle>(handle_next());
        object *raw = o.get();
        objects[*out] = std::move(o);
        return raw;
    }
    object *get(handle h)
    {
        const auto found = objects.find(h);
        if (found == objects.end())
            breach("%p is no %s, or no longer one", reinterpret_cast<const void *>(h), kind);
        return found->second.get();
    }
    std::unique_ptr<object> take(handle h)
    {
        get(h);
        std::unique_ptr<object> o = std::move(objects[h]);
        objects.erase(h);
        return o;
    }
    void clear() { objects.clear(); }
    std::unordered_map<handle, std::unique_ptr<object>> objects;

  private:
    const char *kind;
};
#endif
