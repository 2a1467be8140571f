/* version.c - kubectl hoop version */
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <uv.h>
#include <yaml.h>
#include <zlib.h>
#include <zstd.h>

#include "base/jsondoc.h"
#include "base/scoped.h"

#include "command.h"
#include "commit.h"
#include "options.h"

#define RECORDING_FORMAT 1 /* man hoop-session, "v" */

static int print_json(void)
{
    scoped(jsondoc_free) json_object *root = json_object_new_object();
    scoped(buf_free) struct buf out = {0};

    jsondoc_put_string(root, "apiVersion", "kubectl-hoop/v1");
    jsondoc_put_string(root, "kind", "Version");
    jsondoc_put_string(root, "version", HOOP_VERSION);
    jsondoc_put_string(root, "commit", HOOP_COMMIT[0] ? HOOP_COMMIT : NULL);
    jsondoc_put_int(root, "recordingFormat", RECORDING_FORMAT);
    json_object *libraries = jsondoc_put_adopt(root, "libraries", json_object_new_object());
    jsondoc_put_string(libraries, "json-c", json_c_version());
    jsondoc_put_string(libraries, "libuv", uv_version_string());
    jsondoc_put_string(libraries, "libyaml", yaml_get_version_string());
    jsondoc_put_string(libraries, "nghttp2", nghttp2_version(0)->version_str);
    jsondoc_put_string(libraries, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
    jsondoc_put_string(libraries, "zlib", zlibVersion());
    jsondoc_put_string(libraries, "zstd", ZSTD_versionString());
    jsondoc_write(&out, root);
    printf("%.*s\n", STR_ARG(buf_str(&out)));
    return EXIT_OK;
}

enum { FORMAT_TEXT, FORMAT_JSON };
static const char *const formats[] = {"text", "json", NULL};

struct version_flags {
    struct options options;
    int format;
};

static const struct option_spec specs[] = {
    {"output", 'o', OPTION_CHOICE, offsetof(struct version_flags, format), "FORMAT", "text or json",
     .choices = formats},
    {0},
};

static const struct usage usage = {
    "version [-o text|json]",
    "Prints the version of kubectl-hoop, of the recording format that it writes, and\n"
    "of the libraries that it uses.",
    specs,
};

static void version_flags_free(struct version_flags *flags)
{
    options_free(&flags->options);
}

static int run(int argc, char **argv, struct error *err)
{
    scoped(version_flags_free) struct version_flags flags = {0};
    int ready = options_parse(&flags.options, &usage, &flags, argc, argv, err);

    if (ready <= 0)
        return ready;
    if (options_expect(&flags.options, &usage, 0, 0, err) < 0)
        return -1;
    if (flags.format == FORMAT_JSON)
        return print_json();
    printf("kubectl-hoop %s (recording format %d%s%s)\n", HOOP_VERSION, RECORDING_FORMAT,
           HOOP_COMMIT[0] ? ", commit " : "", HOOP_COMMIT);
    return EXIT_OK;
}

const struct command command_version = {
    .name = "version",
    .group = GROUP_OTHER,
    .help = "print the version",
    .usage = &usage,
    .run = run,
};
