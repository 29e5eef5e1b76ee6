/* A disk that counts the steps a process takes on it, and a process that dies at one of them.
 *
 * Preloaded, and told by steps_begin() which directory is the disk. A step is a write, a sync, a truncation, a new
 * directory, a new name or a removal. At each sync of a file its content is copied, at each sync of a directory its
 * names, both under the number of the inode: so there lies at any moment what a disk must still hold after a power
 * cut, and not even a name more. Nothing ever goes to the real disk: a process that is killed does not need it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char disk[PATH_MAX], copies[PATH_MAX];
static long die_at, pretend_at, step;
static int dies_halfway, trace = -1;
static pthread_mutex_t alone = PTHREAD_MUTEX_INITIALIZER;

/* From now on; die before step die (or in the middle of it), and only pretend to do the sync that is step pretend.
 * Of each step a line goes to the file descriptor. */
void steps_begin(const char *of, const char *to, long die, int halfway, long pretend, int lines) {
    snprintf(copies, sizeof copies, "%s", to);
    die_at = die, dies_halfway = halfway, pretend_at = pretend, trace = lines, step = 0;
    snprintf(disk, sizeof disk, "%s", of);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether this is a step; then no other one begins before left(). */
static int entered(char kind, const char *path) {
    size_t prefix = strlen(disk);
    if (!prefix || strncmp(path, disk, prefix) || (path[prefix] && path[prefix] != '/')) return 0;
    pthread_mutex_lock(&alone);
    step++;
    if (trace >= 0) {
        char line[PATH_MAX + 8];
        int length = snprintf(line, sizeof line, "%c %s\n", kind, path[prefix] ? path + prefix + 1 : ".");
        syscall(SYS_write, trace, line, length);
    }
    if (step == die_at && !dies_halfway) die();
    return 1;
}

static int entered_file(char kind, int fd) {
    char link[64], path[PATH_MAX];
    if (!disk[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return entered(kind, path);
}

static long left(int ours, long result) {
    if (ours) {
        if (step == die_at) die();
        pthread_mutex_unlock(&alone);
    }
    return result;
}

static size_t cut(int ours, size_t size) { return ours && step == die_at && dies_halfway ? size / 2 : size; }

static int wrote(int to, const char *data, size_t size) {
    return syscall(SYS_write, to, data, size) == (ssize_t)size ? 0 : -1;
}

static int copied_names(int fd, int to) {
    char path[64], line[NAME_MAX + 32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    DIR *names = opendir(path);
    if (!names) return -1;
    int result = 0;
    for (struct dirent *each; (each = readdir(names));) {
        if (!strcmp(each->d_name, ".") || !strcmp(each->d_name, "..")) continue;
        int length = snprintf(line, sizeof line, "%lu %c %s\n", (unsigned long)each->d_ino,
                              each->d_type == DT_DIR ? 'd' : 'f', each->d_name);
        result |= wrote(to, line, length);
    }
    closedir(names);
    return result;
}

static int copied_bytes(int fd, int to) {
    char block[1 << 16];
    off_t place = 0;
    ssize_t got;
    while ((got = pread(fd, block, sizeof block, place)) > 0) {
        if (wrote(to, block, got)) return -1;
        place += got;
    }
    return got < 0 ? -1 : 0;
}

static int copied(int fd) {
    struct stat what;
    char copy[PATH_MAX + 32], half[PATH_MAX + 40];
    if (fstat(fd, &what)) return -1;
    snprintf(copy, sizeof copy, "%s/%lu", copies, (unsigned long)what.st_ino);
    snprintf(half, sizeof half, "%s.half", copy);
    int to = open(half, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0) return -1;
    int result = S_ISDIR(what.st_mode) ? copied_names(fd, to) : copied_bytes(fd, to);
    close(to);
    return result ? -1 : (int)syscall(SYS_rename, half, copy);
}

static int synced(int fd) {
    int ours = entered_file('s', fd);
    return (int)left(ours, ours && step != pretend_at ? copied(fd) : 0);
}

int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }

ssize_t write(int fd, const void *data, size_t size) {
    int ours = entered_file('w', fd);
    return left(ours, syscall(SYS_write, fd, data, cut(ours, size)));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    int ours = entered_file('w', fd);
    return left(ours, syscall(SYS_pwrite64, fd, data, cut(ours, size), at));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    int ours = entered_file('w', fd);
    return left(ours, syscall(SYS_writev, fd, parts, cut(ours, count)));
}

int ftruncate64(int fd, off64_t size) {
    int ours = entered_file('t', fd);
    return (int)left(ours, syscall(SYS_ftruncate, fd, size));
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int mkdir(const char *path, mode_t mode) {
    int ours = entered('d', path);
    return (int)left(ours, syscall(SYS_mkdir, path, mode));
}

/* What loses its name stays open, lest a new file get its inode, and so its copy. */
static void kept(int ours, const char *path) {
    if (ours) (void)!open(path, O_RDONLY | O_CLOEXEC);
}

int unlink(const char *path) {
    int ours = entered('u', path);
    kept(ours, path);
    return (int)left(ours, syscall(SYS_unlink, path));
}

int rename(const char *from, const char *to) {
    int ours = entered('r', from);
    kept(ours, to);
    return (int)left(ours, syscall(SYS_rename, from, to));
}
