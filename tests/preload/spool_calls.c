/* spool_calls.c - preloaded into the real program by end-to-end tests: what it writes to the spool
 * and what it has synced is told to a shared file, syncs can be slowed, and calls can be made to
 * fail.
 *
 *   KHOOP_TEST_SPOOL_LOG=FILE          a table of struct entry, one per open segment
 *   KHOOP_TEST_SYNC_DELAY_US=N         each fdatasync takes that much longer
 *   KHOOP_TEST_FAIL=write:5:28         the 5th write to the spool fails with errno 28
 *   KHOOP_TEST_FAIL=fdatasync:3:5
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES 64

struct entry {
    _Atomic uint64_t inode;
    _Atomic uint64_t written; /* bytes, as write(2) returned */
    _Atomic uint64_t synced;  /* bytes that were there when the last good fdatasync began */
};

static struct entry *table;
static const char *failing_call;
static unsigned long failing_number, delay_us;
static int failing_errno;
static atomic_ulong writes, syncs;

__attribute__((constructor)) static void begin(void)
{
    const char *log = getenv("KHOOP_TEST_SPOOL_LOG");
    const char *delay = getenv("KHOOP_TEST_SYNC_DELAY_US");
    const char *fail = getenv("KHOOP_TEST_FAIL");

    if (delay)
        delay_us = strtoul(delay, NULL, 10);
    if (fail && strchr(fail, ':')) {
        char *end;

        failing_call = fail;
        failing_number = strtoul(strchr(fail, ':') + 1, &end, 10);
        failing_errno = *end ? atoi(end + 1) : EIO;
    }
    int fd = log ? open(log, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return;
    if (ftruncate(fd, sizeof(struct entry) * ENTRIES) == 0) {
        void *memory =
            mmap(NULL, sizeof(struct entry) * ENTRIES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        table = memory == MAP_FAILED ? NULL : memory;
    }
    close(fd);
}

static int is_segment(int fd, struct stat *status)
{
    char link[64], path[PATH_MAX];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);

    if (len <= 0)
        return 0;
    path[len] = '\0';
    /* A segment keeps the name under which it was made, until it was linked to its own. */
    return strstr(path, "/kubectl-hoop/spool/") && !strstr(path, "/.reserve") &&
           fstat(fd, status) == 0;
}

static struct entry *entry_of(uint64_t inode)
{
    for (int i = 0; table && i < ENTRIES; i++) {
        uint64_t none = 0;

        if (atomic_load(&table[i].inode) == inode ||
            atomic_compare_exchange_strong(&table[i].inode, &none, inode))
            return &table[i];
    }
    return NULL;
}

static int must_fail(const char *call, unsigned long number)
{
    size_t len = strlen(call);

    if (!failing_call || number != failing_number || strncmp(failing_call, call, len) != 0 ||
        failing_call[len] != ':')
        return 0;
    errno = failing_errno;
    return 1;
}

ssize_t write(int fd, const void *data, size_t len)
{
    static ssize_t (*real)(int, const void *, size_t);
    struct stat status;

    if (!real)
        real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (!is_segment(fd, &status))
        return real(fd, data, len);
    if (must_fail("write", atomic_fetch_add(&writes, 1) + 1))
        return -1;
    ssize_t done = real(fd, data, len);
    struct entry *entry = entry_of(status.st_ino);

    if (done > 0 && entry && fstat(fd, &status) == 0)
        atomic_store(&entry->written, (uint64_t)status.st_size);
    return done;
}

int fdatasync(int fd)
{
    static int (*real)(int);
    struct stat status;

    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    if (!is_segment(fd, &status))
        return real(fd);
    if (must_fail("fdatasync", atomic_fetch_add(&syncs, 1) + 1))
        return -1;
    if (delay_us)
        usleep((useconds_t)delay_us);
    int result = real(fd);
    struct entry *entry = entry_of(status.st_ino);

    if (result == 0 && entry)
        atomic_store(&entry->synced, (uint64_t)status.st_size);
    return result;
}
