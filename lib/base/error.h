/* error.h - one line that says what failed and what to do about it.
 * A value: start from {0}, nothing to free. Each layer adds what only it knows, once. */
#pragma once

#define must_use __attribute__((warn_unused_result))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))

/* For a result that is deliberately dropped; gcc warns on a cast to void. */
#define ignore(call)                                                                               \
    do {                                                                                           \
        __typeof__(call) ignored_ = (call);                                                        \
        (void)ignored_;                                                                            \
    } while (0)

#define unreachable() __builtin_unreachable()

/* What a caller can branch on; cmd/main.c maps it to the exit status. */
enum error_kind {
    ERROR_NONE = 0,
    ERROR_INTERNAL,       /* 1: nothing more specific */
    ERROR_USAGE,          /* 2: the command line is wrong */
    ERROR_CONFIG,         /* 2: kubeconfig, config file, environment */
    ERROR_AUTH,           /* 4: a login is needed, or was refused */
    ERROR_NETWORK,        /* 5: unreachable, reset, timed out */
    ERROR_PROTOCOL,       /* 1: a peer, or a file, does not follow its format */
    ERROR_STORAGE,        /* 5: it cannot be recorded: stop forwarding */
    ERROR_NOT_FOUND,      /* 6: no such session, or an ambiguous prefix; a program: 127 */
    ERROR_NOT_EXECUTABLE, /* a program that is there and cannot be run: 126 */
    ERROR_UNVERIFIABLE,   /* 7: unknown key, unknown version, unreadable store */
};

struct error {
    enum error_kind kind;
    char text[512]; /* "outer: inner: cause" */
    char fix[256];  /* what the reader can do now, or "" */
};

/* Not ready is no error: what non-blocking input and output answer. */
enum io { IO_FAILED = -1, IO_OK, IO_AGAIN, IO_EOF };

/* All of these return -1, so that `return error_set(…);` ends a failing path. A text that is too
 * long is cut at the end. */
int error_set(struct error *err, enum error_kind kind, const char *fmt, ...) printf_like(3, 4);
/* Sets `err` from errno: "fmt: strerror". */
int error_errno(struct error *err, enum error_kind kind, const char *fmt, ...) printf_like(3, 4);
/* Puts "fmt: " before the text that is there. */
int error_wrap(struct error *err, const char *fmt, ...) printf_like(2, 3);
int error_fix(struct error *err, const char *fmt, ...) printf_like(2, 3);
