/* settings.cc - the text of settings that fake_cuda.h documents, read by one table. */
#include "device.h"
#include "schedule.h"
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

static long long number(const std::string &text, const char *setting)
{
    char *end;
    errno = 0;
    const long long n = strtoll(text.c_str(), &end, 10);
    if (text.empty() || *end || errno || n < 0) breach("setting %s: '%s' is no number", setting, text.c_str());
    return n;
}

static void set_seed(const std::string &value)
{
    the_device.settings.seed = static_cast<uint64_t>(number(value, "seed"));
    the_device.random = the_device.settings.seed * 0x2545f4914f6cdd1du;
}

static void set_device(const std::string &value)
{
    static const struct { const char *name; device_presence presence; } rows[] = {
        {"there", DEVICE_THERE}, {"none", DEVICE_NO_DRIVER},  {"old", DEVICE_OLD_DRIVER},
        {"absent", DEVICE_ABSENT}, {"broken", DEVICE_BROKEN},
    };
    for (const auto &row : rows)
        if (value == row.name) {
            the_device.settings.presence = row.presence;
            return;
        }
    breach("setting device: '%s' is none of there, none, old, absent, broken", value.c_str());
}

static void set_memory(const std::string &value)
{
    the_device.settings.memory = static_cast<size_t>(number(value, "memory"));
}
static void set_wrong(const std::string &value)
{
    the_device.settings.wrong_product = static_cast<long>(number(value, "wrong"));
}
static void set_clock(const std::string &value) { the_device.settings.counted_clock = number(value, "clock") != 0; }

static void set_leaks(const std::string &value)
{
    if (value != "fatal") breach("setting leaks: '%s' is not 'fatal'", value.c_str());
    the_device.settings.leaks_are_fatal = true;
}

/* CALL:N or CALL:N:CODE */
static void inject(injection_kind kind, const std::string &value)
{
    const size_t first = value.find(':'), second = first == std::string::npos ? first : value.find(':', first + 1);
    const bool   coded = kind != INJECT_HANG;
    if (first == std::string::npos || (second != std::string::npos) != coded)
        breach("setting fail, late or hang: '%s' is not CALL:N%s", value.c_str(), coded ? ":CODE" : "");
    injection i = {kind, call_of(value.substr(0, first).c_str()), 0, 0};
    i.left = static_cast<long>(number(value.substr(first + 1, second - first - 1), "fail, late or hang"));
    if (coded) i.code = static_cast<int>(number(value.substr(second + 1), "fail or late"));
    if (i.call == CALL_NONE)
        breach("setting fail, late or hang: there is no call '%s'", value.substr(0, first).c_str());
    if (i.left == 0 || (coded && i.code == 0))
        breach("setting fail, late or hang: '%s': N and CODE count from 1", value.c_str());
    the_device.injections.push_back(i);
}

static void set_fail(const std::string &value) { inject(INJECT_FAIL, value); }
static void set_late(const std::string &value) { inject(INJECT_LATE, value); }
static void set_hang(const std::string &value) { inject(INJECT_HANG, value); }

void settings_apply(const char *text)
{
    static const struct { const char *name; void (*set)(const std::string &value); } rows[] = {
        {"seed", set_seed}, {"device", set_device}, {"memory", set_memory}, {"fail", set_fail},   {"late", set_late},
        {"hang", set_hang}, {"wrong", set_wrong},   {"clock", set_clock},   {"leaks", set_leaks},
    };
    std::string rest = text ? text : "";
    while (!rest.empty()) {
        const size_t      end = rest.find(';');
        const std::string one = rest.substr(0, end);
        rest = end == std::string::npos ? "" : rest.substr(end + 1);
        if (one.empty()) continue;
        const size_t equals = one.find('=');
        bool         known = false;
        for (const auto &row : rows)
            if (equals != std::string::npos && one.substr(0, equals) == row.name) {
                row.set(one.substr(equals + 1));
                known = true;
            }
        if (!known) breach("there is no setting '%s'", one.c_str());
    }
}
