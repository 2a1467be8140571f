/* help_topics.h - what `kubectl hoop help TOPIC` prints about no single command. */
#pragma once

struct help_topic {
    const char *name;
    const char *help; /* one line */
    void (*print)(void);
};

/* Ends with one that has no name. */
extern const struct help_topic help_topics[];
