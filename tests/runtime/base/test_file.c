/* test_file.c - a directory under way: what may be opened, what is read, what the digest says. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "runtime/base/file.h"
#include "tests/support/tiny_model.h"

enum { ROOM = 1 << 20 };

static directory *open_directory(const char *folder)
{
    directory *d;
    error err;
    CU_ASSERT_EQUAL_FATAL(directory_open(&d, folder, &err), OK);
    return d;
}

static status try_read(const char *folder, const char *name, error *err)
{
    directory *d = open_directory(folder);
    file_bytes f = {.bytes = (char *)folder, .size = 1}; /* so that a failure that forgets it is seen */
    *err = (error){""};
    status rc = directory_read(d, name, ROOM, &f, err);
    if (rc != OK) CU_ASSERT(f.bytes == NULL && f.size == 0);
    file_free(&f);
    directory_close(d);
    return rc;
}

static void refused(const char *folder, const char *name, status why, const char *part)
{
    error err;
    status rc = try_read(folder, name, &err);
    CU_ASSERT_EQUAL(rc, why);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    if (rc != why || !strstr(err.text, part))
        printf("\n    %s: %d \"%s\", wanted %d \"%s\"", name, rc, err.text, why, part);
}

static void what_is_no_file(void)
{
    char *outside = tiny_folder_make(), *folder = tiny_path(outside, "model"), *path;
    tiny_file_text(outside, "secret", "secret");
    tiny_file_text(outside, "model/dir/file", "inside");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    static const struct { const char *name, *target; } links[] = {
        {"out", "../secret"}, {"absolute", "/etc/passwd"}, {"up", ".."}, {"within", "dir/file"}, {"loop", "loop"},
        {"null", "/dev/null"}, {"nowhere", "dir/none"},
    };
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        path = tiny_path(folder, links[i].name);
        CU_ASSERT_EQUAL(symlink(links[i].target, path), 0);
        free(path);
    }
    path = tiny_path(folder, "fifo");
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
    free(path);

    refused(folder, "out", BAD_INPUT, "out: a link");
    refused(folder, "absolute", BAD_INPUT, "absolute: a link");
    refused(folder, "null", BAD_INPUT, "null: a link");
    refused(folder, "up/secret", BAD_INPUT, "up/secret: a link");
    refused(folder, "loop", BAD_INPUT, "loop: a link");
    refused(folder, "fifo", BAD_INPUT, "fifo: a FIFO, wanted a file");
    refused(folder, "socket", BAD_INPUT, "socket: a socket");
    refused(folder, "dir", BAD_INPUT, "dir: a directory, wanted a file");
    refused(folder, "dir/", BAD_INPUT, "dir/: a directory, wanted a file");
    refused(folder, "dir/file/x", IO_FAILED, "dir/file/x: ");
    refused(folder, "none", NOT_FOUND, "none: no such file");
    refused(folder, "none/none", NOT_FOUND, "none/none: no such file");
    refused(folder, "../secret", BAD_INPUT, "leaves the directory");
    refused(folder, "dir/../dir/file", BAD_INPUT, "leaves the directory");
    refused(folder, "dir/..", BAD_INPUT, "leaves the directory");
    refused(folder, "..", BAD_INPUT, "leaves the directory");
    refused(folder, "/etc/passwd", BAD_INPUT, "must not begin with '/'");
    refused(folder, "", BAD_INPUT, "file name of 0 bytes");
    free(folder);
    tiny_folder_remove(outside);
}

/* From here on this process has no openat2, as in an older container runtime. */
static bool forbid_openat2(int answer)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof *rules, .filter = rules};
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* In a child of its own, because a filter cannot be taken back; 0 when all is as it should be. */
static int answers_without_openat2(const char *folder, int answer)
{
    static const char *const refused_names[] = {"out",  "up/secret", "within", "loop",
                                                "fifo", "dir",       "none",   "linked/file"};
    pid_t child = fork();
    if (child == 0) {
        directory *d;
        error err;
        file_bytes f;
        int wrong = !forbid_openat2(answer) || directory_open(&d, folder, &err) != OK;
        if (wrong) _exit(99);
        for (size_t i = 0; i < sizeof refused_names / sizeof *refused_names; i++)
            wrong += directory_read(d, refused_names[i], ROOM, &f, &err) == OK;
        wrong += directory_read(d, "dir/file", ROOM, &f, &err) != OK;
        _exit(wrong);
    }
    int how = -1;
    waitpid(child, &how, 0);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

static void without_openat2(void)
{
    static const struct { const char *name, *target; } links[] = {
        {"out", "../secret"}, {"up", ".."}, {"within", "dir/file"}, {"loop", "loop"}, {"linked", "dir"},
    };
    char *outside = tiny_folder_make(), *folder = tiny_path(outside, "model"), *path;
    tiny_file_text(outside, "secret", "secret");
    tiny_file_text(outside, "model/dir/file", "inside");
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        path = tiny_path(folder, links[i].name);
        CU_ASSERT_EQUAL(symlink(links[i].target, path), 0);
        free(path);
    }
    path = tiny_path(folder, "fifo");
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
    free(path);
    CU_ASSERT_EQUAL(answers_without_openat2(folder, ENOSYS), 0);
    CU_ASSERT_EQUAL(answers_without_openat2(folder, EPERM), 0);
    free(folder);
    tiny_folder_remove(outside);
}

static void names_that_are_too_long(void)
{
    char *folder = tiny_folder_make(), name[5000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    refused(folder, name, BAD_INPUT, "file name of 4999 bytes");
    name[1023] = 0;
    error err;
    CU_ASSERT_NOT_EQUAL(try_read(folder, name, &err), OK);
    CU_ASSERT(strlen(err.text) < sizeof err.text);
    tiny_folder_remove(folder);
}

static void unreadable_files(void)
{
    char *folder = tiny_folder_make(), *path = tiny_path(folder, "closed");
    error err;
    tiny_file_text(folder, "closed", "x");
    CU_ASSERT_EQUAL(chmod(path, 0), 0);
    if (geteuid() == 0) { /* root reads everything */
        CU_ASSERT_EQUAL(try_read(folder, "closed", &err), OK);
    } else {
        refused(folder, "closed", IO_FAILED, "closed: Permission denied");
    }
    free(path);
    tiny_folder_remove(folder);
}

static void files_are_read_whole(void)
{
    char *folder = tiny_folder_make();
    const size_t n = 700001; /* some chunks and a rest */
    char *bytes = malloc(n);
    error err;
    file_bytes f;
    for (size_t i = 0; i < n; i++) bytes[i] = (char)(i * 31 >> 3);
    tiny_file_write(folder, "a/b/c", bytes, n);
    tiny_file_text(folder, "empty", "");
    directory *d = open_directory(folder);
    CU_ASSERT_STRING_EQUAL(directory_path(d), folder);
    CU_ASSERT_EQUAL_FATAL(directory_read(d, "a/b/c", ROOM, &f, &err), OK);
    CU_ASSERT_EQUAL(f.size, n);
    CU_ASSERT_EQUAL(memcmp(f.bytes, bytes, n), 0);
    CU_ASSERT_EQUAL(f.bytes[n], 0);
    file_free(&f);
    file_free(&f);
    CU_ASSERT_EQUAL(directory_read(d, "a/b/c", n, &f, &err), OK);
    file_free(&f);
    CU_ASSERT_EQUAL(directory_read(d, "a/b/c", n - 1, &f, &err), BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "a/b/c: 700001 bytes, at most 700000 are read");
    CU_ASSERT_EQUAL_FATAL(directory_read(d, "empty", 0, &f, &err), OK);
    CU_ASSERT(f.size == 0 && f.bytes && f.bytes[0] == 0);
    file_free(&f);
    directory_close(d);
    free(bytes);
    tiny_folder_remove(folder);
}

static void a_file_shortened_later(void)
{
    char *folder = tiny_folder_make(), *path = tiny_path(folder, "weights");
    const size_t n = 1 << 16;
    char *bytes = calloc(1, n);
    error err;
    file_bytes f;
    memset(bytes, 7, n);
    tiny_file_write(folder, "weights", bytes, n);
    directory *d = open_directory(folder);
    CU_ASSERT_EQUAL_FATAL(directory_read(d, "weights", ROOM, &f, &err), OK);
    CU_ASSERT_EQUAL(truncate(path, 0), 0);
    CU_ASSERT_EQUAL(memcmp(f.bytes, bytes, n), 0); /* a mapping would raise SIGBUS here */
    file_free(&f);
    CU_ASSERT_EQUAL(directory_read(d, "weights", ROOM, &f, &err), IO_FAILED); /* and is not the same any more */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "weights: changed between two reads"));
    directory_close(d);
    free(bytes);
    free(path);
    tiny_folder_remove(folder);
}

static void digest_of(const char *folder, const char *const *names, size_t n, char out[65])
{
    directory *d = open_directory(folder);
    error err;
    file_bytes f;
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL_FATAL(directory_read(d, names[i], ROOM, &f, &err), OK);
        file_free(&f);
    }
    CU_ASSERT_EQUAL(directory_digest(d, out, &err), OK);
    directory_close(d);
}

/* SHA-256 of "abc" is FIPS 180's own example; the digest is that of the list, recomputed here by hand. */
static void the_digest_is_of_sorted_lines(void)
{
    static const char list[] =
        "a 3 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
        "b/c 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
    static const char *const forth[] = {"a", "b/c"}, *const back[] = {"b/c", "a", "b/c"};
    char *folder = tiny_folder_make(), digest[65], again[65], wanted[65];
    unsigned char sha[32];
    SHA256((const unsigned char *)list, sizeof list - 1, sha);
    for (int i = 0; i < 32; i++) snprintf(wanted + 2 * i, 3, "%02x", sha[i]);
    tiny_file_text(folder, "a", "abc");
    tiny_file_text(folder, "b/c", "");
    tiny_file_text(folder, "unread", "not part of it");
    digest_of(folder, forth, 2, digest);
    digest_of(folder, back, 3, again); /* the order of reading and reading twice make no difference */
    CU_ASSERT_STRING_EQUAL(digest, wanted);
    CU_ASSERT_STRING_EQUAL(again, wanted);
    tiny_file_text(folder, "a", "abd");
    digest_of(folder, forth, 2, again);
    CU_ASSERT_STRING_NOT_EQUAL(again, wanted);
    tiny_folder_remove(folder);
}

static void directories_that_cannot_be_opened(void)
{
    char *folder = tiny_folder_make(), *path = tiny_path(folder, "file");
    directory *d = (directory *)folder;
    error err;
    CU_ASSERT_EQUAL(directory_open(&d, "/tmp/beeline-test-there-is-no-such-folder", &err), NOT_FOUND);
    CU_ASSERT_PTR_NULL(d);
    tiny_file_text(folder, "file", "x");
    CU_ASSERT_EQUAL(directory_open(&d, path, &err), IO_FAILED);
    CU_ASSERT_PTR_NULL(d);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    directory_close(NULL);
    free(path);
    tiny_folder_remove(folder);
}

static void beneath_a_root(void)
{
    static const char *const names[] = {"", ".", "..", "a/b", "/tmp", ".hidden", "-x", "a b"};
    char *root = tiny_folder_make(), *link = tiny_path(root, "link"), *model = tiny_path(root, "1.0");
    char long_name[DIRECTORY_NAME_MAX + 2];
    directory *d;
    error err;
    tiny_file_text(root, "1.0/file", "x");
    tiny_file_text(root, "plain", "x");
    CU_ASSERT_EQUAL(symlink("1.0", link), 0);
    CU_ASSERT_EQUAL_FATAL(directory_open_beneath(&d, root, "1.0", &err), OK);
    CU_ASSERT_STRING_EQUAL(directory_path(d), model);
    directory_close(d);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CU_ASSERT_EQUAL(directory_open_beneath(&d, root, names[i], &err), BAD_INPUT);
        CU_ASSERT_PTR_NULL(d);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no name of a version"));
    }
    memset(long_name, 'a', sizeof long_name);
    long_name[DIRECTORY_NAME_MAX + 1] = 0;
    CU_ASSERT_EQUAL(directory_open_beneath(&d, root, long_name, &err), BAD_INPUT);
    long_name[DIRECTORY_NAME_MAX] = 0;
    CU_ASSERT_EQUAL(directory_open_beneath(&d, root, long_name, &err), NOT_FOUND);
    CU_ASSERT_EQUAL(directory_open_beneath(&d, root, "link", &err), BAD_INPUT);
    CU_ASSERT_EQUAL(directory_open_beneath(&d, root, "plain", &err), BAD_INPUT);
    free(link);
    free(model);
    tiny_folder_remove(root);
}

static void a_file_aside(void)
{
    char *folder = tiny_folder_make();
    error err;
    file_bytes f;
    tiny_file_text(folder, "a", "abc");
    tiny_file_text(folder, "about", "it");
    directory *d = open_directory(folder);
    CU_ASSERT_EQUAL(directory_read(d, "a", ROOM, &f, &err), OK);
    file_free(&f);
    CU_ASSERT_EQUAL(directory_read_aside(d, "about", ROOM, &f, &err), OK);
    CU_ASSERT_STRING_EQUAL(f.bytes, "it");
    file_free(&f);
    CU_ASSERT_EQUAL(directory_read_aside(d, "none", ROOM, &f, &err), NOT_FOUND);
    CU_ASSERT_EQUAL_FATAL(directory_files(d), 1);
    const directory_file a = directory_file_at(d, 0);
    CU_ASSERT(a.size == 3 && !strcmp(a.name, "a") && !strncmp(a.sha256, "ba7816bf", 8));
    directory_close(d);
    tiny_folder_remove(folder);
}

static void a_file_is_replaced(void)
{
    char *folder = tiny_folder_make(), *path = tiny_path(folder, "f"), *beside = tiny_path(folder, "f.new"), *seen;
    error err;
    size_t n;
    struct stat st;
    CU_ASSERT_EQUAL(file_replace(path, "one", 3, &err), OK);
    CU_ASSERT(!stat(path, &st) && (st.st_mode & 0777) == 0600);
    CU_ASSERT_EQUAL(chmod(path, 0640), 0);
    tiny_file_text(folder, "f.new", "left by one that was killed");
    CU_ASSERT_EQUAL(file_replace(path, "second", 6, &err), OK);
    CU_ASSERT(!stat(path, &st) && (st.st_mode & 0777) == 0640);
    seen = tiny_file_read(folder, "f", &n);
    CU_ASSERT_STRING_EQUAL(seen, "second");
    CU_ASSERT_NOT_EQUAL(access(beside, F_OK), 0);
    free(seen);
    CU_ASSERT_EQUAL(unlink(path) || mkdir(path, 0700), 0);
    CU_ASSERT_EQUAL(file_replace(path, "third", 5, &err), IO_FAILED); /* a folder is no file */
    CU_ASSERT_NOT_EQUAL(access(beside, F_OK), 0);
    free(path);
    free(beside);
    tiny_folder_remove(folder);
}

void file_suite(CU_pSuite s)
{
    CU_add_test(s, "M60 bytes once read survive the file being cut", a_file_shortened_later);
    CU_add_test(s, "M63 links out, FIFOs, sockets, folders and names that leave are refused by name", what_is_no_file);
    CU_add_test(s, "M63 without openat2 every link is refused, plain files are read", without_openat2);
    CU_add_test(s, "M63 an unreadable file is refused with the reason", unreadable_files);
    CU_add_test(s, "names longer than the limit are refused", names_that_are_too_long);
    CU_add_test(s, "a file is read whole, up to the limit, and a NUL follows", files_are_read_whole);
    CU_add_test(s, "the digest is SHA-256 over sorted lines of what was read", the_digest_is_of_sorted_lines);
    CU_add_test(s, "a directory that cannot be opened is refused by path", directories_that_cannot_be_opened);
    CU_add_test(s, "beneath a root one plain name is opened, no link, no path", beneath_a_root);
    CU_add_test(s, "a file read aside is none of the directory's files", a_file_aside);
    CU_add_test(s, "a file is replaced whole, keeps its mode, leaves nothing beside it", a_file_is_replaced);
}
