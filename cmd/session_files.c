#include "session_files.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "proxy/session_dir.h"

#define KUBECONFIG_BYTES_MAX ((size_t)64 << 20)

static int write_one(const char *directory, const char *name, struct str text, struct error *err)
{
    scoped(free_text) char *path = session_dir_path(directory, name);

    return file_write(path, text, 0600, err);
}

/* Read by every bash that is not interactive, after its profile: the user's own first, then the
 * shims go back to the front of PATH. The directory holds no quote: it is made of a checked path,
 * but a runtime directory may hold anything, so it is quoted for the shell. */
static void append_quoted(struct buf *out, const char *text)
{
    buf_append_char(out, '\'');
    for (; *text; text++)
        if (*text == '\'')
            buf_append_text(out, "'\\''");
        else
            buf_append_char(out, *text);
    buf_append_char(out, '\'');
}

static void append_path(struct buf *text, const char *directory)
{
    buf_append_text(text, "khoop_bin=");
    append_quoted(text, directory);
    buf_append_text(text, "/bin\ncase \"$PATH\" in \"$khoop_bin\":*) ;; *) "
                          "export PATH=\"$khoop_bin:$PATH\" ;; esac\nunset khoop_bin\n");
}

static int write_bash_env(const char *directory, struct error *err)
{
    scoped(buf_free) struct buf text = {0};

    buf_append_text(&text, "if [ -n \"${KHOOP_BASH_ENV-}\" ] && [ -r \"$KHOOP_BASH_ENV\" ]; then . "
                           "\"$KHOOP_BASH_ENV\"; fi\n");
    append_path(&text, directory);
    return write_one(directory, "bash_env", buf_str(&text), err);
}

/* Read by the bash that exec starts when no command is given, in place of ~/.bashrc. */
static int write_bashrc(const char *directory, struct error *err)
{
    scoped(buf_free) struct buf text = {0};

    buf_append_text(&text, "if [ -r ~/.bashrc ]; then . ~/.bashrc; fi\n");
    append_path(&text, directory);
    buf_append_text(&text, "export KUBECONFIG=");
    append_quoted(&text, directory);
    buf_append_text(&text, "/kubeconfig\n");
    return write_one(directory, "bashrc", buf_str(&text), err);
}

static int link_shims(const char *directory, const char *binary, struct error *err)
{
    for (size_t i = 0; session_dir_tools[i]; i++) {
        scoped(free_text) char *path = xasprintf("%s/bin/%s", directory, session_dir_tools[i]);

        if (symlink(binary, path) < 0)
            return error_errno(err, ERROR_STORAGE, "link %s", path);
    }
    return 0;
}

int session_files_write(const char *directory, const struct kubeconfig *kubeconfig,
                        const struct kubeconfig_private *with, struct error *err)
{
    scoped(secret_buf_free) struct buf text = {.limit = KUBECONFIG_BYTES_MAX};

    kubeconfig_write_private(&text, kubeconfig, with);
    if (text.overflow)
        return error_set(err, ERROR_CONFIG, "kubeconfig: too large");
    if (write_one(directory, "kubeconfig", buf_str(&text), err) < 0 ||
        write_one(directory, "ca.crt", str_from(with->ca_pem), err) < 0 ||
        write_bash_env(directory, err) < 0 || write_bashrc(directory, err) < 0)
        return -1;
    return link_shims(directory, with->binary, err);
}
