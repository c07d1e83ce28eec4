/* Disk faults, and another time, for a real process: LD_PRELOAD this, and name the page of orders in MILLSTREAM_FAULTS (see faults.py).
 *
 * Only files of the log are meddled with, told apart by their names. Nothing here knows how the log works. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Shared with the test. Its layout is that of `Page` in faults.py. */
struct page {
    int32_t which;              /* files meant: 1 WAL, 2 segments, 4 checkpoints */
    int32_t write_errno;        /* what writes fail with */
    int32_t sync_errno;         /* what syncs fail with */
    int32_t fail_next;          /* so many failures, then all is well; -1 for ever */
    int32_t hold;               /* syncs wait while this is so */
    int32_t failed_writes;      /* what happened */
    int32_t failed_syncs;
    int32_t syncs_after;        /* syncs and writes of a file of which a sync had failed */
    int32_t writes_after;
    int32_t syncs;
    int32_t clock_ahead_s;      /* the wall clock's lead over the real one */
};

static struct page nothing;
static volatile struct page *page = &nothing;

/* Files of which a sync failed. A handle of each is kept, or its number could become another file's. */
static struct { dev_t device; ino_t inode; } failed[64];
static volatile int failed_count;

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    real_pwrite = (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
    real_pwritev = (ssize_t (*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, "pwritev64");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *name = getenv("MILLSTREAM_FAULTS");
    int file = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) page = mapped;
}

static int is_meant(int file) {
    if (!page->which) return 0;
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0) return 0;
    name[length] = 0;
    return ((page->which & 1) && strstr(name, "/wal/")) || ((page->which & 2) && strstr(name, "/segments/"))
        || ((page->which & 4) && strstr(name, "/checkpoint/"));
}

static int known(int file, int remember) {
    struct stat status;
    if (fstat(file, &status)) return 0;
    for (int i = 0; i < failed_count; i++)
        if (failed[i].device == status.st_dev && failed[i].inode == status.st_ino) return 1;
    if (remember && failed_count < 64 && fcntl(file, F_DUPFD_CLOEXEC, 0) >= 0) {
        failed[failed_count].device = status.st_dev;
        failed[failed_count].inode = status.st_ino;
        failed_count++;
    }
    return 0;
}

/* Whether this call is to fail. */
static int strikes(int file, int error) {
    if (!error || !is_meant(file)) return 0;
    for (;;) {
        int32_t left = page->fail_next;
        if (left == 0) return 0;
        if (left < 0 || __sync_bool_compare_and_swap(&page->fail_next, left, left - 1)) return 1;
    }
}

static int fails_to_write(int file) {
    if (failed_count && known(file, 0)) __sync_fetch_and_add(&page->writes_after, 1);
    int error = page->write_errno;
    if (!strikes(file, error)) return 0;
    __sync_fetch_and_add(&page->failed_writes, 1);
    errno = error;
    return 1;
}

static int fails_to_sync(int file) {
    if (failed_count && known(file, 0)) __sync_fetch_and_add(&page->syncs_after, 1);
    int error = page->sync_errno;
    while (page->hold && is_meant(file)) {
        struct timespec time = {0, 5000000L};
        nanosleep(&time, NULL);
    }
    __sync_fetch_and_add(&page->syncs, 1);
    if (!strikes(file, error)) return 0;
    known(file, 1);
    __sync_fetch_and_add(&page->failed_syncs, 1);
    errno = error;
    return 1;
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset) {
    return fails_to_write(file) ? -1 : real_pwrite(file, bytes, length, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset) {
    return pwrite64(file, bytes, length, offset);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t offset) {
    return fails_to_write(file) ? -1 : real_pwritev(file, parts, count, offset);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    return pwritev64(file, parts, count, offset);
}

int fdatasync(int file) {
    return fails_to_sync(file) ? -1 : real_fdatasync(file);
}

int fsync(int file) {
    return fails_to_sync(file) ? -1 : real_fsync(file);
}

/* May be called before `begin`: by whoever is loaded earlier. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!real_clock_gettime)
        real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock_gettime(clock, time);
    if (!result && clock == CLOCK_REALTIME) time->tv_sec += page->clock_ahead_s;
    return result;
}
