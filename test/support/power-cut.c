/*
 * What a power cut leaves of Postgres's write-ahead log.
 *
 * Preloaded, it keeps a second copy of every segment in the directory that POWER_CUT_SHADOW names,
 * brought up to date only when fsync or fdatasync of that segment has really succeeded. What was written
 * and never synced is not in it, as it would not be on a disk that lost its power.
 *
 * The bytes are taken before the sync: what another process writes while it runs is promised to nobody.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_NAME 24

/* The name of the segment a descriptor stands for, in `path`; null when it stands for something else. */
static const char *segment_of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length < 0) return NULL;
  path[length] = 0;
  const char *name = strrchr(path, '/');
  if (!name || strlen(name + 1) != SEGMENT_NAME) return NULL;
  if (name - path < 7 || strncmp(name - 7, "/pg_wal", 7) != 0) return NULL;
  return strspn(name + 1, "0123456789ABCDEF") == SEGMENT_NAME ? name + 1 : NULL;
}

static char *contents(int fd, size_t size) {
  char *bytes = malloc(size);
  for (size_t done = 0; bytes && done < size;) {
    ssize_t got = pread(fd, bytes + done, size - done, done);
    if (got <= 0) {
      free(bytes);
      return NULL;
    }
    done += got;
  }
  return bytes;
}

static int keep(const char *name, const char *bytes, size_t size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("POWER_CUT_SHADOW"), name);
  int copy = open(path, O_CREAT | O_WRONLY, 0600);
  size_t done = 0;
  while (copy >= 0 && done < size) {
    ssize_t put = pwrite(copy, bytes + done, size - done, done);
    if (put <= 0) break;
    done += put;
  }
  if (copy >= 0) close(copy);
  return done == size ? 0 : -1;
}

static int sync_and_keep(int fd, int (*really)(int)) {
  char path[4096];
  struct stat file;
  const char *name = segment_of(fd, path, sizeof path);
  if (!name) return really(fd);
  char *bytes = fstat(fd, &file) == 0 ? contents(fd, file.st_size) : NULL;
  int result = bytes ? really(fd) : -1;
  /* Without its copy nothing may count as synced: Postgres panics, and the test fails aloud. */
  if (result == 0 && keep(name, bytes, file.st_size) != 0) result = -1;
  if (result != 0 && errno == 0) errno = EIO;
  free(bytes);
  return result;
}

int fsync(int fd) {
  static int (*really)(int);
  if (!really) really = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  return sync_and_keep(fd, really);
}

int fdatasync(int fd) {
  static int (*really)(int);
  if (!really) really = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  return sync_and_keep(fd, really);
}
