/* Makes a disk as slow as block storage in a data centre: a flush takes a
 * millisecond at least. Preloaded into PostgreSQL by the benchmark. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_NS 1000000L

static int slow_flush(const char *name, int fd) {
    int (*flush)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += FLUSH_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec += 1;
    }
    int result = flush(fd);
    int error = errno;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
    errno = error;
    return result;
}

int fdatasync(int fd) { return slow_flush("fdatasync", fd); }

int fsync(int fd) { return slow_flush("fsync", fd); }
