/* recorder_thread.h - the recorder's own thread: takes all that is queued, appends it to its
 * journals, commits each once, publishes, wakes the loop. */
#pragma once

#include <pthread.h>

/* For timed waits on a clock that does not jump. */
void recorder_thread_init_condition(pthread_cond_t *condition);

/* `recorder` until it is stopped. For pthread_create. */
void *recorder_thread_run(void *recorder);
