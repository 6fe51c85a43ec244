/* device.h - the fake device as a whole: its settings, its errors, its lock, and what every call passes through.
 *
 *   program --call--> [lock, count, hang, dead?, fail?, serving?, capturing?] --> memory, stream, graph, cublasLt
 *
 * One lock for everything: work runs inside the calls that may make progress, one piece at a time.  A call that never
 * returns lets go of it first.  All state is made once and never destroyed, so that exit needs no order. */
#ifndef TESTS_FAKE_CUDA_DEVICE_H
#define TESTS_FAKE_CUDA_DEVICE_H
#include <cstdint>
#include <vector>
#include <cublasLt.h>

#define CALL_NUMBER(result, name, arguments, when) CALL_##name,
enum call_id {
    CALLS_cuda(CALL_NUMBER) CALLS_cublasLt(CALL_NUMBER) CALL_cudaLaunchKernel,
    CALL_work,
    CALL_NONE,
    CALLS = CALL_NONE
};

struct origin { call_id call; long number; }; /* "the 3rd cudaMalloc" */
const char *call_name(call_id id);
call_id     call_of(const char *name); /* CALL_NONE: there is none */

enum injection_kind { INJECT_FAIL, INJECT_LATE, INJECT_HANG };
struct injection { injection_kind kind; call_id call; long left; int code; };

enum device_presence { DEVICE_THERE, DEVICE_NO_DRIVER, DEVICE_OLD_DRIVER, DEVICE_ABSENT, DEVICE_BROKEN };

struct device_settings {
    uint64_t        seed;
    device_presence presence;
    size_t          memory;
    long            wrong_product; /* 0: none; 1: the next one, and all after it */
    bool            counted_clock;
    bool            leaks_are_fatal;
};

struct device_state {
    device_settings        settings;
    std::vector<injection> injections;
    uint64_t               random;
    long                   counts[CALLS];
    cudaError_t            sticky;     /* cudaSuccess, or what every call says from now on */
    cudaError_t            unreported; /* of work that failed and left the device usable: said once, by a later wait */
    bool                   serving;
    bool                   stuck;      /* hang=work: what is queued from now on never completes */
    double                 clock_us;   /* counted */
    int                    overlap;
    unsigned               generation; /* raised by a reset */
    origin                 current;    /* the call that runs, or the call that queued the work that runs */
    bool                   working;    /* the latter */
};
extern device_state &the_device;

bool     error_is_sticky(int code);
uint64_t device_random(uint64_t below); /* 0 where the seed is 0 */
double   device_now_us();

/* One line, and the end: the program broke a rule. */
[[noreturn]] void breach(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One line: a documented error is about to be returned for this reason. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
[[noreturn]] void device_hang(); /* lets go of the lock */
/* Counts one more of these; the injections whose turn it is. */
std::vector<injection> device_injected(call_id id);
/* What failed, once: the sticky error, or that of the last work that failed and left the device usable. */
cudaError_t device_take_failure();

/* Holds the lock from its birth to its death; `refused` is what the call must return at once if it is not 0: for a
 * cuBLASLt call the status, for others the cudaError_t. */
class call
{
  public:
    explicit call(call_id id);
    ~call();
    call(const call &) = delete;
    call &operator=(const call &) = delete;
    cudaError_t    answer(cudaError_t rc); /* rc, remembered as this thread's last error */
    cudaError_t    no() { return answer(static_cast<cudaError_t>(refused)); }
    cublasStatus_t no_blas() const { return static_cast<cublasStatus_t>(refused); }
    /* For a call that gives something back: refused, and it stays the program's.  A dead device takes back what it is
     * given while it says that it is dead, so that a test may go on to the next. */
    bool           keeps() const { return refused && !dead; }
    int            refused = 0;
    bool           dead = false;
    cudaError_t    late = cudaSuccess; /* for the work that this call queues */
};

cudaError_t device_last_error(bool forget); /* of this thread, or the sticky one */

/* settings.cc: adds to the device's settings; a text that means nothing is a breach. */
void settings_apply(const char *text);

/* What the program must give back.  Each object that it holds derives from this. */
struct held {
    held(const char *kind_, size_t bytes_);
    ~held();
    held(const held &) = delete;
    held &operator=(const held &) = delete;
    const char *kind;
    size_t      bytes;
    origin      made;
    held       *before, *after; /* in the ledger */
};
int  ledger_count();
void ledger_print();
#endif
