/* replay_corpus.c - runs a fuzz target over files and folders of inputs, without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/scoped.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    scoped(buf_free) struct buf input = {.limit = 64 << 20};
    struct error err = {0};

    if (file_read(path, &input, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    /* Exact size, so that the sanitizer sees one byte too many. */
    uint8_t *exact = xrealloc(NULL, input.len);

    if (input.len)
        memcpy(exact, input.data, input.len);
    LLVMFuzzerTestOneInput(exact, input.len);
    free(exact);
    return 1;
}

static int replay(const char *path)
{
    struct stat status;
    int total = 0;

    if (stat(path, &status) < 0) {
        perror(path);
        return -1;
    }
    if (!S_ISDIR(status.st_mode))
        return replay_file(path);
    DIR *directory = opendir(path);

    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        scoped(free_text) char *name = xasprintf("%s/%s", path, entry->d_name);
        int count = entry->d_name[0] == '.' ? 0 : replay(name);

        if (count < 0)
            exit(1);
        total += count;
    }
    if (directory)
        closedir(directory);
    return total;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        int count = replay(argv[i]);

        if (count < 0)
            return 1;
        total += count;
    }
    printf("%d inputs\n", total);
    return total > 0 ? 0 : 1; /* an empty corpus tests nothing */
}
