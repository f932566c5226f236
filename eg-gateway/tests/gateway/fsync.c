/* Loaded before the C library. While the file named by EG_BROKEN_DISK exists, syncing fails with an I/O error. While the
 * file named by EG_FULL_DISK exists, no file can be written. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int is_on(const char *name) {
    const char *file = getenv(name);
    return file && access(file, F_OK) == 0;
}

static int sync_or_fail(long call, int fd) {
    if (is_on("EG_BROKEN_DISK")) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, fd);
}

int fsync(int fd) { return sync_or_fail(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_or_fail(SYS_fdatasync, fd); }

/* Sockets and pipes are not on the disk. */
static int is_full(int fd) {
    struct stat status;
    if (is_on("EG_FULL_DISK") && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    return is_full(fd) ? -1 : syscall(SYS_write, fd, bytes, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    return is_full(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    return is_full(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, at);
}
