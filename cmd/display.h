/* display.h - where text for people goes: as it is into a pipe or a file; to a terminal in colours,
 * and through a pager. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/str.h"

enum colour { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };
extern const char *const colour_choices[]; /* for OPTION_CHOICE, by enum colour */

/* Automatic: stdout is a terminal, TERM is not "dumb", NO_COLOR is not set. */
bool display_is_coloured(int choice);

/* Of the terminal; 0 when stdout is none. */
size_t display_columns(void);

/* All zero is none. */
struct pager {
    pid_t pid;
    int terminal; /* what stdout was; valid with a pid */
};

/* What is written to stdout from here on goes to $KHOOP_PAGER, else `configured` (may be NULL),
 * else $PAGER, else less(1), when all three standard streams are a terminal that can do it and
 * nobody but a person is there. Else, or when it cannot be started, nothing happens. */
void pager_start(struct pager *pager, const char *configured);

/* Waits until the person has left it; stdout is the terminal again. That he left before the end is
 * no error. */
void pager_finish(struct pager *pager);

/* To stdout; nothing once that has failed. main.c says so. */
void display_write(void *context, struct str text);
