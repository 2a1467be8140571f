#include "commands.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/hash.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "recorded_text.h"
#include "redacted_argv.h"

#define INVOCATION_BYTES 24
#define EXECUTABLE_BYTES_MAX ((uint64_t)1 << 30) /* of a larger one no hash is recorded */

/* The hash of a program, as long as its file is the same. Hashing kubectl takes as long as running
 * it, so once per session must do. */
struct executable {
    struct executable *next;
    struct stat status;
    char hex[SHA256_HEX_BYTES];
};

struct open_command {
    struct open_command *next;
    char invocation[INVOCATION_BYTES];
};

struct commands {
    uv_loop_t *loop;
    struct recording *home;
    struct executable *executables;
    struct open_command *open;
    struct commands_counts counts;
};

/* One announced command on its way: executable hashed, event recorded, answer given. */
struct announcement {
    uv_work_t work;
    struct commands *commands;
    struct control_request *request;
    json_object *payload; /* owned until it is recorded */
    char *path;           /* of the executable */
    struct stat status;
    bool is_hashed;
    char hex[SHA256_HEX_BYTES];
    char invocation[INVOCATION_BYTES];
    bool is_start;
};

struct commands *commands_new(uv_loop_t *loop, struct recording *home)
{
    struct commands *commands = xcalloc(1, sizeof *commands);

    commands->loop = loop;
    commands->home = home;
    return commands;
}

static void announcement_free(struct announcement **announcement)
{
    jsondoc_free(&(*announcement)->payload);
    free((*announcement)->path);
    free(*announcement);
    *announcement = NULL;
}

/* Once the event is on disk, or cannot be. */
static void on_durable(void *context, bool lost)
{
    scoped(announcement_free) struct announcement *announcement = context;
    struct error err = {0};

    if (lost) {
        recording_problem(announcement->commands->home, &err);
        error_wrap(&err, "cannot record");
        err.kind = ERROR_STORAGE;
        error_fix(&err, "free space where the recordings are, then run it again");
        control_refuse(announcement->request, &err);
        return;
    }
    json_object *answer = json_object_new_object();

    if (announcement->is_start) {
        struct open_command *open = xcalloc(1, sizeof *open);

        memcpy(open->invocation, announcement->invocation, sizeof open->invocation);
        open->next = announcement->commands->open;
        announcement->commands->open = open;
        jsondoc_put_string(answer, "invocation", announcement->invocation);
    }
    control_answer(announcement->request, answer);
}

static void record(struct announcement *announcement, const char *type)
{
    struct commands *commands = announcement->commands;
    uint64_t number = recorder_event(commands->home, type, str_from(announcement->invocation),
                                     take(announcement->payload));

    recorder_when_durable(commands->home, number, on_durable, announcement);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Only a file has an end: the announcement is the client's, and may name a device or a pipe. */
static int open_file(const char *path)
{
    scoped(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        (uint64_t)status.st_size > EXECUTABLE_BYTES_MAX)
        return -1;
    return fd_take(&fd);
}

static void hash_file(uv_work_t *work)
{
    struct announcement *announcement = work->data;
    scoped(fd_close) int fd = open_file(announcement->path);
    scoped(sha256_free) struct sha256 *hash = sha256_new();
    unsigned char digest[SHA256_BYTES];
    static const size_t step_bytes = 256 * 1024;
    scoped(free_text) char *step = xrealloc(NULL, step_bytes);
    uint64_t left = EXECUTABLE_BYTES_MAX; /* it may grow while it is read */
    ssize_t got = -1;

    while (fd >= 0 && left && (got = read(fd, step, min_of((size_t)left, step_bytes))) > 0) {
        sha256_add(hash, step, (size_t)got);
        left -= (uint64_t)got;
    }
    if (got != 0)
        return; /* unreadable: the event says nothing of it */
    sha256_peek(hash, digest);
    encode_hex(digest, sizeof digest, announcement->hex);
    announcement->is_hashed = true;
}

static void record_start(struct announcement *announcement)
{
    if (announcement->is_hashed)
        jsondoc_put_string(announcement->payload, "executableSHA256", announcement->hex);
    record(announcement, "command.start");
}

static void on_hashed(uv_work_t *work, int status)
{
    struct announcement *announcement = work->data;

    if (announcement->is_hashed) {
        struct executable *known = xcalloc(1, sizeof *known);

        known->status = announcement->status;
        memcpy(known->hex, announcement->hex, sizeof known->hex);
        known->next = announcement->commands->executables;
        announcement->commands->executables = known;
    }
    record_start(announcement);
}

static bool find_hash(struct announcement *announcement)
{
    if (stat(announcement->path, &announcement->status) < 0)
        return true; /* nothing to hash */
    for (struct executable *known = announcement->commands->executables; known; known = known->next)
        if (is_same(&known->status, &announcement->status)) {
            memcpy(announcement->hex, known->hex, sizeof known->hex);
            announcement->is_hashed = true;
            return true;
        }
    return false;
}

/* What readers count on to be a number is one, whatever the client says. */
static void copy_number(json_object *payload, json_object *message, const char *from,
                        const char *to)
{
    json_object *value = NULL;

    if (json_object_object_get_ex(message, from, &value) &&
        json_object_is_type(value, json_type_int))
        json_object_object_add(payload, to, json_object_get(value));
}

/* A path, redacted like an argument. */
static void copy_text(json_object *payload, json_object *message, const char *key)
{
    json_object *value = NULL;

    if (json_object_object_get_ex(message, key, &value) &&
        json_object_is_type(value, json_type_string))
        recorded_text_put(payload, key, json_object_get_string(value));
}

static struct announcement *announce(struct commands *commands, struct control_request *request)
{
    struct announcement *announcement = xcalloc(1, sizeof *announcement);

    announcement->commands = commands;
    announcement->request = request;
    announcement->payload = json_object_new_object();
    announcement->work.data = announcement;
    return announcement;
}

void commands_start(struct commands *commands, struct control_request *request,
                    json_object *message)
{
    struct announcement *announcement = announce(commands, request);
    const char *executable = jsondoc_string(message, "/executable");
    bool is_outside = jsondoc_bool(message, "/outside", false);

    announcement->is_start = true;
    announcement->path = xstrdup(executable ? executable : "");
    snprintf(announcement->invocation, sizeof announcement->invocation, "c%llu",
             (unsigned long long)++commands->counts.started);
    redacted_argv_put(announcement->payload, jsondoc_at(message, "/argv"));
    copy_text(announcement->payload, message, "cwd");
    recorded_environment_put(announcement->payload, "env", jsondoc_at(message, "/env"));
    copy_number(announcement->payload, message, "pid", "pid");
    copy_number(announcement->payload, message, "ppid", "ppid");
    copy_text(announcement->payload, message, "executable");
    jsondoc_put_string(announcement->payload, "source", "client");
    if (is_outside) {
        commands->counts.outside++;
        jsondoc_put_bool(announcement->payload, "outside", true);
    }
    if (find_hash(announcement) ||
        uv_queue_work(commands->loop, &announcement->work, hash_file, on_hashed) < 0)
        record_start(announcement);
}

static void close_command(struct commands *commands, const char *invocation)
{
    for (struct open_command **at = &commands->open; *at; at = &(*at)->next)
        if (strcmp((*at)->invocation, invocation) == 0) {
            struct open_command *closed = *at;

            *at = closed->next;
            free(closed);
            return;
        }
}

void commands_exit(struct commands *commands, struct control_request *request, json_object *message)
{
    const char *invocation = jsondoc_string(message, "/invocation");
    struct error err = {0};

    if (!invocation || !commands_is_open(commands, str_from(invocation))) {
        error_set(&err, ERROR_PROTOCOL, "command.exit: no such open command");
        control_refuse(request, &err);
        return;
    }
    struct announcement *announcement = announce(commands, request);

    snprintf(announcement->invocation, sizeof announcement->invocation, "%s", invocation);
    copy_number(announcement->payload, message, "code", "code");
    copy_number(announcement->payload, message, "signal", "signal");
    copy_number(announcement->payload, message, "duration_us", "durationUs");
    copy_number(announcement->payload, message, "user_us", "userUs");
    copy_number(announcement->payload, message, "system_us", "systemUs");
    copy_number(announcement->payload, message, "maxrss_kb", "maxrssKb");
    jsondoc_put_string(announcement->payload, "source", "client");
    close_command(commands, invocation);
    record(announcement, "command.exit");
}

bool commands_is_open(const struct commands *commands, struct str invocation)
{
    for (const struct open_command *open = commands->open; open; open = open->next)
        if (str_is(invocation, open->invocation))
            return true;
    return false;
}

struct commands_counts commands_counts(const struct commands *commands)
{
    struct commands_counts counts = commands->counts;

    for (const struct open_command *open = commands->open; open; open = open->next)
        counts.open++;
    return counts;
}

void commands_free(struct commands **owner)
{
    struct commands *commands = *owner;

    *owner = NULL;
    if (!commands)
        return;
    while (commands->open) {
        struct open_command *open = commands->open;

        commands->open = open->next;
        free(open);
    }
    while (commands->executables) {
        struct executable *known = commands->executables;

        commands->executables = known->next;
        free(known);
    }
    free(commands);
}
