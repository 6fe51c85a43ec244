/* door.c - the checks in their order: whose name, which key, who asks.  Keys are read again under a lock that the
 * operator's port alone takes. */
#include "door.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_LEAST = 16, KEY_MOST = 256, KEYS_MOST = 64, FILE_MOST = 32 << 10, DIGEST = 32, WHO = 80 };

typedef struct { unsigned char digest[DIGEST]; } key;

struct door {
    char host[256];     /* "": a unix socket */
    const char *file;   /* "": no keys */
    pthread_mutex_t lock; /* of the two below */
    key keys[KEYS_MOST];
    int n;
};

/* ---- keys ---- */

static bool digest_of(key *k, const char *p, size_t n)
{
    return EVP_Digest(p, n, k->digest, NULL, EVP_sha256(), NULL) == 1;
}

static bool is_printable(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] <= ' ' || p[i] >= 0x7f) return false;
    return true;
}

static status take_key(door *d, const char *line, size_t n, int number, error *err)
{
    if (n == 0 || *line == '#') return OK;
    if (n < KEY_LEAST || n > KEY_MOST || !is_printable(line, n))
        return fail(err, BAD_INPUT, "%.100s: line %d is no key: %d to %d printable characters without blanks", d->file,
                    number, KEY_LEAST, KEY_MOST);
    if (d->n == KEYS_MOST) return fail(err, BAD_INPUT, "%.100s: more than %d keys", d->file, KEYS_MOST);
    if (!digest_of(&d->keys[d->n], line, n)) return fail(err, NO_MEMORY, "no memory for a key's digest");
    d->n++;
    return OK;
}

static status take_keys(door *d, const char *text, error *err)
{
    status rc = OK;
    int number = 1;
    for (const char *line = text; rc == OK && *line; number++) {
        const size_t n = strcspn(line, "\n");
        rc = take_key(d, line, n && line[n - 1] == '\r' ? n - 1 : n, number, err);
        line += n + (line[n] == '\n');
    }
    if (rc == OK && d->n == 0) rc = fail(err, BAD_INPUT, "%.100s holds no key", d->file);
    return rc;
}

static status read_keys(door *d, error *err)
{
    char text[FILE_MOST + 1];
    struct stat is;
    const int fd = open(d->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    status rc = OK;
    ssize_t n = 0;
    d->n = 0;
    if (fd < 0 || fstat(fd, &is)) rc = fail(err, BAD_INPUT, "%.100s: %s", d->file, strerror(errno));
    else if (!S_ISREG(is.st_mode)) rc = fail(err, BAD_INPUT, "%.100s is no file", d->file);
    else if (is.st_mode & 077)
        rc = fail(err, BAD_INPUT, "%.100s has mode %04o: keys are for their owner's eyes, wanted 0400 or 0600", d->file,
                  (unsigned)(is.st_mode & 07777));
    else if (is.st_uid && is.st_uid != geteuid())
        rc = fail(err, BAD_INPUT, "%.100s is another user's (%u)", d->file, (unsigned)is.st_uid);
    else if ((n = read(fd, text, sizeof text)) < 0) rc = fail(err, BAD_INPUT, "%.100s: %s", d->file, strerror(errno));
    else if (n > FILE_MOST) rc = fail(err, BAD_INPUT, "%.100s has more than %d bytes", d->file, FILE_MOST);
    if (fd >= 0) close(fd);
    text[n > 0 && n <= FILE_MOST ? n : 0] = 0;
    if (rc == OK && strlen(text) != (size_t)n) rc = fail(err, BAD_INPUT, "%.100s holds a NUL", d->file);
    if (rc == OK) rc = take_keys(d, text, err);
    OPENSSL_cleanse(text, sizeof text);
    return rc;
}

status door_open(door **opened, door_options o, error *err)
{
    door *d = calloc(1, sizeof *d);
    *opened = NULL;
    if (!d) return fail(err, NO_MEMORY, "no memory for the door");
    snprintf(d->host, sizeof d->host, "%s", o.host);
    d->file = o.key_file;
    pthread_mutex_init(&d->lock, NULL);
    const status rc = *d->file ? read_keys(d, err) : OK;
    if (rc == OK) *opened = d;
    else door_close(d);
    return rc;
}

void door_close(door *d)
{
    if (!d) return;
    pthread_mutex_destroy(&d->lock);
    free(d);
}

status door_reload(door *d, error *err)
{
    door *next;
    if (!*d->file) return OK;
    const status rc = door_open(&next, (door_options){d->host, d->file}, err);
    if (rc != OK) return rc;
    pthread_mutex_lock(&d->lock);
    memcpy(d->keys, next->keys, sizeof d->keys);
    d->n = next->n;
    pthread_mutex_unlock(&d->lock);
    door_close(next);
    return OK;
}

/* ---- who may come in ---- */

static bool is_literal(const char *name)
{
    unsigned char address[16];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* Without the port, and an IPv6 literal without its brackets. */
static bool host_allowed(const door *d, http_slice host)
{
    char name[256];
    const bool bracket = host.n && *host.p == '[';
    const char *from = host.p + bracket, *end = host.p + host.n;
    const char *stop = host.n ? memchr(from, bracket ? ']' : ':', (size_t)(end - from)) : NULL;
    const size_t n = (size_t)((stop ? stop : end) - from);
    if (!*d->host) return true;
    if (n == 0 || n >= sizeof name) return false;
    memcpy(name, from, n);
    name[n] = 0;
    return is_literal(name) || !strcasecmp(name, "localhost") || !strcasecmp(name, d->host);
}

static bool needs_key(const door *d, const http_request *head)
{
    static const char health[] = "/health/";
    return *d->file && (head->path.n < sizeof health - 1 || memcmp(head->path.p, health, sizeof health - 1));
}

/* Each is compared with each to its end, so that time says nothing. */
static bool key_right(door *d, http_slice authorization)
{
    static const char scheme[] = "Bearer ";
    const size_t skip = sizeof scheme - 1;
    if (authorization.n <= skip || strncasecmp(authorization.p, scheme, skip)) return false;
    key given;
    int right = 0;
    if (!digest_of(&given, authorization.p + skip, authorization.n - skip)) return false;
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < d->n; i++) right |= !CRYPTO_memcmp(given.digest, d->keys[i].digest, DIGEST);
    pthread_mutex_unlock(&d->lock);
    return right;
}

static bool says_who(http_slice who)
{
    for (size_t i = 0; i < who.n; i++)
        if (who.p[i] < ' ' || who.p[i] >= 0x7f) return false;
    return who.n > 0 && who.n < WHO;
}

static int refuse(error *why, int code, const char *text, http_slice seen)
{
    (void)!fail(why, BAD_INPUT, text, seen.n < 80 ? (int)seen.n : 80, seen.n ? seen.p : "");
    return code;
}

int door_admits(door *d, const http_request *head, error *why)
{
    const http_slice host = http_field(head, "host"), who = http_field(head, "x-operator"), none = {NULL, 0};
    if (!host_allowed(d, host))
        return refuse(why, 421, "host is \"%.*s\", wanted an address, localhost or the name in --ops", host);
    if (needs_key(d, head) && !key_right(d, http_field(head, "authorization")))
        return refuse(why, 401, "authorization: Bearer KEY is wanted, with a key of --ops-keys%.*s", none);
    if (head->method.n != 4 || memcmp(head->method.p, "POST", 4)) return 0;
    if (!says_who(who))
        return refuse(why, 403, "x-operator is \"%.*s\", wanted who asks, 1 to 79 printable characters", who);
    return 0;
}

void door_operator(const call *c, char who[WHO])
{
    char room[1024];
    struct passwd entry, *found = NULL;
    const http_slice said = http_field(&c->head, "x-operator");
    snprintf(who, WHO, "%.*s", (int)said.n, said.n ? said.p : "");
    if (c->peer_uid < 0) return;
    if (!getpwuid_r((uid_t)c->peer_uid, &entry, room, sizeof room, &found) && found)
        snprintf(who, WHO, "%s", found->pw_name);
    else snprintf(who, WHO, "uid %lld", (long long)c->peer_uid);
}
