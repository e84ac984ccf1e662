/* Makes system calls on a database fail as the file FAULT_FILE says: "call error end", as in "pwrite EIO .db-wal". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ends_with(const char *name, const char *end) {
  size_t n = strlen(name), e = strlen(end);
  return n >= e && strcmp(name + n - e, end) == 0;
}

/* The error that a call on this file is to meet, -1 for the end of the file, 0 for none. */
static int fault(const char *call, const char *name) {
  const char *path = getenv("FAULT_FILE");
  if (path == NULL) return 0;
  char text[128] = {0}, wanted[32], error[32], end[32];
  int file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
  if (file < 0) return 0;
  ssize_t length = syscall(SYS_read, file, text, sizeof text - 1);
  syscall(SYS_close, file);
  if (length <= 0 || sscanf(text, "%31s %31s %31s", wanted, error, end) != 3) return 0;
  if (strcmp(wanted, call) != 0 || !ends_with(name, end)) return 0;
  if (strcmp(error, "SHORT") == 0) return -1;
  return strcmp(error, "ENOSPC") == 0 ? ENOSPC : strcmp(error, "EACCES") == 0 ? EACCES : EIO;
}

static int fault_of(const char *call, int fd) {
  char link[64], name[512] = {0};
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return readlink(link, name, sizeof name - 1) > 0 ? fault(call, name) : 0;
}

#define FAIL(call, fd) \
  int error = fault_of(call, fd); \
  if (error > 0) { errno = error; return -1; }

ssize_t pread64(int fd, void *to, size_t n, off_t at) {
  FAIL("pread", fd)
  return error < 0 ? 0 : syscall(SYS_pread64, fd, to, n, at);
}
ssize_t pread(int fd, void *to, size_t n, off_t at) { return pread64(fd, to, n, at); }
ssize_t pwrite64(int fd, const void *from, size_t n, off_t at) {
  FAIL("pwrite", fd)
  return syscall(SYS_pwrite64, fd, from, n, at);
}
ssize_t pwrite(int fd, const void *from, size_t n, off_t at) { return pwrite64(fd, from, n, at); }
int fdatasync(int fd) {
  FAIL("sync", fd)
  return syscall(SYS_fdatasync, fd);
}
int fsync(int fd) {
  FAIL("sync", fd)
  return syscall(SYS_fsync, fd);
}
int open64(const char *name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  int error = fault("open", name);
  if (error > 0) { errno = error; return -1; }
  return syscall(SYS_openat, AT_FDCWD, name, flags, mode);
}
int open(const char *name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  return open64(name, flags, mode);
}
