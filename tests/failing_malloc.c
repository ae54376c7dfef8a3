/* The C library's allocation, which fails where a test asks for it: to be loaded in front of the C library. Only for the
 * thread that asks: those `many` that follow the next `first`. It begins with a call of getppid and ends with another:
 * Python code can call that without an allocation before it. */
#include <errno.h>
#include <stddef.h>
#include <stdbool.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static _Thread_local long asked_before __attribute__((tls_model("initial-exec")));
static _Thread_local long asked_left __attribute__((tls_model("initial-exec")));
static _Thread_local long before __attribute__((tls_model("initial-exec")));
static _Thread_local long left __attribute__((tls_model("initial-exec")));

void
failing_malloc(long first, long many)
{
    asked_before = first;
    asked_left = many;
}

int
getppid(void)
{
    before = asked_before;
    left = asked_left;
    asked_before = asked_left = 0;
    return 1;
}

static bool
fails(void)
{
    if (left == 0) {
        return false;
    }
    if (before > 0) {
        before--;
        return false;
    }
    left--;
    errno = ENOMEM;
    return true;
}

void *
malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}
