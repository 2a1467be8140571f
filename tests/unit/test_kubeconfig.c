#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "kube/kubeconfig.h"

/* --- every field, and what it may not be */

static const char everything[] = "apiVersion: v1\n"
                                 "kind: Config\n"
                                 "preferences: {}\n"
                                 "current-context: dev\n"
                                 "clusters:\n"
                                 "- name: main\n"
                                 "  cluster:\n"
                                 "    server: https://api.example:6443/k8s/clusters/c-x/\n"
                                 "    tls-server-name: inner.example\n"
                                 "    insecure-skip-tls-verify: true\n"
                                 "    certificate-authority: pki/ca.crt\n"
                                 "    certificate-authority-data: Q0E=\n"
                                 "    proxy-url: socks5://localhost:1080\n"
                                 "    disable-compression: true\n"
                                 "    extensions: [{name: x, extension: {deep: [1, 2]}}]\n"
                                 "users:\n"
                                 "- name: alice\n"
                                 "  user:\n"
                                 "    client-certificate: /abs/client.crt\n"
                                 "    client-certificate-data: |\n"
                                 "      Q0VS\n"
                                 "      VA==\n"
                                 "    client-key: ../client.key\n"
                                 "    client-key-data: S0VZ\n"
                                 "    token: 'secret'\n"
                                 "    tokenFile: token\n"
                                 "    username: \"alice\"\n"
                                 "    password: !!str 12345\n"
                                 "    as: bob\n"
                                 "    as-uid: '7'\n"
                                 "    as-groups: [a, 'b c']\n"
                                 "    as-user-extra: {scope: [read, write], other: []}\n"
                                 "    auth-provider: {name: oidc, config: {}}\n"
                                 "    exec: {command: ./bin/login, args: [x], apiVersion: v1}\n"
                                 "contexts:\n"
                                 "- name: dev\n"
                                 "  context: {cluster: main, user: alice, namespace: team-a}\n";

static void load_reads_each_field(void **state)
{
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    struct error err = {0};

    assert_int_equal(0,
                     kubeconfig_add(&config, "/home/a/.kube/config", str_from(everything), &err));

    assert_int_equal(1, config.cluster_count);
    const struct kubeconfig_cluster *cluster = &config.clusters[0];
    const struct kubeconfig_user *user = &config.users[0];
    const struct {
        const char *expected, *actual;
    } rows[] = {
        {"main", cluster->name},
        {"main", cluster->id},
        {"https://api.example:6443/k8s/clusters/c-x/", cluster->server},
        {"inner.example", cluster->tls_server_name},
        {"/home/a/.kube/pki/ca.crt", cluster->ca_file},
        {"CA", cluster->ca_pem},
        {"socks5://localhost:1080", cluster->proxy_url},
        {"alice", user->name},
        {"/abs/client.crt", user->client_cert_file},
        {"CERT", user->client_cert_pem},
        {"/home/a/.kube/../client.key", user->client_key_file},
        {"KEY", user->client_key_pem},
        {"secret", user->token},
        {"/home/a/.kube/token", user->token_file},
        {"alice", user->username},
        {"12345", user->password},
        {"bob", user->as},
        {"7", user->as_uid},
        {"a", user->as_groups[0]},
        {"b c", user->as_groups[1]},
        {"scope", user->as_extra[0].key},
        {"read", user->as_extra[0].values[0]},
        {"write", user->as_extra[0].values[1]},
        {"other", user->as_extra[1].key},
        {"oidc", user->auth_provider},
        {"/home/a/.kube/./bin/login", user->exec->command},
        {"dev", config.contexts[0].name},
        {"main", config.contexts[0].cluster},
        {"alice", config.contexts[0].user},
        {"team-a", config.contexts[0].namespace},
        {"dev", config.current_context},
        {"/home/a/.kube/config", config.files},
    };

    for (size_t i = 0; i < count_of(rows); i++)
        assert_string_equal(rows[i].expected, rows[i].actual);
    assert_true(cluster->is_insecure);
    assert_null(user->as_groups[2]);
    assert_null(user->as_extra[0].values[2]);
    assert_null(user->as_extra[1].values[0]);
    assert_int_equal(2, user->as_extra_count);
}

static void add_leaves_the_rest_empty(void **state)
{
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    struct error err = {0};
    struct str text =
        STR("{\"clusters\": [{\"name\": \"a\"}], \"users\": [{\"name\": \"u\", \"user\": "
            "{\"token\": \"\", \"exec\": null}}], \"contexts\": null, \"unknown\": 1}");

    assert_int_equal(0, kubeconfig_add(&config, "config", text, &err));
    assert_null(config.clusters[0].server);
    assert_null(config.users[0].token);
    assert_null(config.users[0].exec);
    assert_int_equal(0, config.context_count);
    assert_null(config.current_context);
}

static void add_accepts_what_kubectl_does(void **state)
{
    static const char *const texts[] = {
        "",
        "# nothing\n",
        "---\n...\n",
        "apiVersion: v1\nkind: Config\n",
        ("\xef\xbb\xbf"
         "kind: Config\n"),
        "clusters: []\nusers: ~\ncontexts:\n",
        "x: &a [1]\ny: *a\nclusters: [{name: a, cluster: {<<: {server: 'https://b'}}}]\n",
        "kind: Config\r\nclusters:\r\n- name: a\r\n",
        "{\"kind\": \"Config\",\t\"users\":\t[]}",
        "users: [{name: '', user: {}}]\n",
    };

    for (size_t i = 0; i < count_of(texts); i++) {
        scoped(kubeconfig_free) struct kubeconfig config = {0};
        struct error err = {0};

        if (kubeconfig_add(&config, "config", str_from(texts[i]), &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void add_refuses_with_file_and_line(void **state)
{
    static const struct {
        const char *text, *error, *fix;
    } rows[] = {
        {"a: [\n", "f:2: did not find expected node content", ""},
        {"a: b\n---\nc: d\n", "f:2: a second document begins; only one is allowed", ""},
        {"a: b\nc: d\na: e\n", "f:3: \"a\" stands twice in the same map", ""},
        {"- a\n", "f:1: is a list, not a kubeconfig", ""},
        {"text", "f:1: is text, not a kubeconfig", ""},
        {"kind: Pod\napiVersion: v1\n", "f:1: is a \"v1 Pod\", not a kubeconfig (\"v1 Config\")",
         ""},
        {"clusters: {}\n", "f:1: \"clusters\" must be a list, not a map", ""},
        {"clusters: [a]\n", "f:1: \"clusters\" must be a list of maps, not text", ""},
        {"clusters:\n- name: a\n  cluster: b\n", "f:3: \"cluster\" must be a map, not text", ""},
        {"clusters:\n- name: a\n- name: a\n", "f:3: the cluster \"a\" stands twice in this file",
         ""},
        {"clusters:\n- name: no\n", "f:2: \"name\" must be text, not a yes or no",
         "put it in quotes"},
        {"clusters:\n- name: 1.30\n", "f:2: \"name\" must be text, not a number",
         "put it in quotes"},
        {"users: [{name: a, user: {token: 0x1F}}]\n", "f:1: \"token\" must be text, not a number",
         "put it in quotes"},
        {"users: [{name: a, user: {token: 1_000}}]\n", "f:1: \"token\" must be text, not a number",
         "put it in quotes"},
        {"users: [{name: a, user: {token: {}}}]\n", "f:1: \"token\" must be text, not a map", ""},
        {"users: [{name: a, user: {as-groups: a}}]\n",
         "f:1: \"as-groups\" must be a list of texts, not text", ""},
        {"users: [{name: a, user: {as-groups: [1]}}]\n",
         "f:1: \"as-groups\" must be a list of texts, not a number", "put it in quotes"},
        {"users: [{name: a, user: {as-user-extra: []}}]\n",
         "f:1: \"as-user-extra\" must be a map, not a list", ""},
        {"users: [{name: a, user: {exec: login}}]\n", "f:1: \"exec\" must be a map, not text", ""},
        {"users: [{name: a, user: {auth-provider: x}}]\n",
         "f:1: \"auth-provider\" must be a map, not text", ""},
        {"clusters: [{name: a, cluster: {insecure-skip-tls-verify: 'true'}}]\n",
         "f:1: \"insecure-skip-tls-verify\" must be true or false, not text", ""},
        {"clusters: [{name: a, cluster:\n {certificate-authority-data: '***'}}]\n",
         "f:2: \"certificate-authority-data\" is not base64 of PEM text",
         "encode the file with 'base64 -w0'"},
        {"clusters: [{name: a, cluster: {certificate-authority-data: AAAA}}]\n",
         "f:1: \"certificate-authority-data\" is not base64 of PEM text",
         "encode the file with 'base64 -w0'"},
        {"a: *b\n", "f:1: an alias of nothing", ""},
        {"a: &b\n- *b\n", "f:2: an alias of what it stands in", ""},
        {"a: !!binary Q0E=\n", "f:1: a tag that has no meaning here", ""},
        {"{a: b}: c\n", "f:1: a key must be text", ""},
        {"a: \"\\0\"\n", "f:1: a NUL character in a text", ""},
        {"a: \"\xff\"\n", "f:1: invalid leading UTF-8 octet", ""},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(kubeconfig_free) struct kubeconfig config = {0};
        struct error err = {0};

        assert_int_equal(-1, kubeconfig_add(&config, "f", str_from(rows[i].text), &err));
        assert_string_equal(rows[i].error, err.text);
        assert_string_equal(rows[i].fix, err.fix);
        assert_int_equal(ERROR_CONFIG, err.kind);
        assert_null(config.files);
        assert_int_equal(0, config.cluster_count + config.user_count);
    }
}

static void add_never_tells_a_secret(void **state)
{
    static const char *const texts[] = {
        "users: [{name: a, user: {token: 4711471147114711}}]\n",
        "users: [{name: a, user: {client-key-data: 4711471147114711}}]\n",
        "users: [{name: a, user: {client-key-data: '4711471147114711*'}}]\n",
        "users: [{name: a, user: {password: [4711471147114711]}}]\n",
        "users: [{name: a, user: {token: \"4711471147114711\\q\"}}]\n",
    };

    for (size_t i = 0; i < count_of(texts); i++) {
        scoped(kubeconfig_free) struct kubeconfig config = {0};
        struct error err = {0};

        assert_int_equal(-1, kubeconfig_add(&config, "f", str_from(texts[i]), &err));
        assert_null(strstr(err.text, "4711"));
        assert_null(strstr(err.fix, "4711"));
    }
}

/* --- bombs */

static void refuse_bomb(const struct buf *text, const char *reason)
{
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    struct error err = {0};

    assert_false(text->overflow);
    assert_int_equal(-1, kubeconfig_add(&config, "f", buf_str(text), &err));
    if (!strstr(err.text, reason))
        fail_msg("%s", err.text);
}

static void add_refuses_bombs(void **state)
{
    scoped(buf_free) struct buf deep = {.limit = KUBECONFIG_FILE_BYTES_MAX};
    scoped(buf_free) struct buf wide = {.limit = KUBECONFIG_FILE_BYTES_MAX};
    scoped(buf_free) struct buf keys = {.limit = KUBECONFIG_FILE_BYTES_MAX};
    scoped(buf_free) struct buf aliases = {.limit = KUBECONFIG_FILE_BYTES_MAX};
    scoped(buf_free) struct buf copies = {.limit = KUBECONFIG_FILE_BYTES_MAX};

    for (int i = 0; i < 100000; i++)
        buf_append_char(&deep, '[');
    refuse_bomb(&deep, "nested too deep");

    for (int i = 0; i < 300000; i++)
        buf_append_text(&wide, "- a\n");
    refuse_bomb(&wide, "too large");

    for (int i = 0; i < 50000; i++)
        buf_printf(&keys, "k%d: a\n", i);
    refuse_bomb(&keys, "too many keys in one map");

    buf_append_text(&aliases, "a: &a [x]\nb:\n");
    for (int i = 0; i < 2000; i++)
        buf_append_text(&aliases, "- *a\n");
    refuse_bomb(&aliases, "too many aliases");

    buf_append_text(&copies, "t: &t \"");
    for (int i = 0; i < 200000; i++)
        buf_append_text(&copies, "0123456789");
    buf_append_text(&copies, "\"\nusers:\n");
    for (int i = 0; i < 500; i++)
        buf_printf(&copies, "- {name: u%d, user: {token: *t}}\n", i);
    refuse_bomb(&copies, "too large");
}

/* --- files */

struct folder {
    char path[64];
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);

    strcpy(folder->path, "/tmp/test_kubeconfig.XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    static const char *const names[] = {"a", "b", "big", ".kube/config", ".kube", ""};

    for (size_t i = 0; i < count_of(names); i++) {
        scoped(buf_free) struct buf path = {0};

        buf_printf(&path, "%s/%s%c", folder->path, names[i], 0);
        ignore(remove(path.data));
    }
    free(folder);
    return 0;
}

static void write_text(const struct folder *folder, const char *name, const char *text)
{
    scoped(buf_free) struct buf path = {0};
    struct error err = {0};

    buf_printf(&path, "%s/%s%c", folder->path, name, 0);
    assert_int_equal(0, file_write(path.data, str_from(text), 0600, &err));
}

static void load_merges_as_client_go(void **state)
{
    const struct folder *folder = *state;
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    scoped(buf_free) struct buf list = {0};
    scoped(buf_free) struct buf path = {0};
    struct error err = {0};

    write_text(folder, "a",
               "clusters: [{name: red, cluster: {server: 'https://a'}}]\n"
               "users: [{name: u, user: {token: a}}]\n"
               "contexts: [{name: c, context: {cluster: red}}]\n");
    write_text(folder, "b",
               "current-context: d\n"
               "clusters: [{name: red, cluster: {server: 'https://b', tls-server-name: b}},\n"
               "  {name: blue, cluster: {server: 'https://b', certificate-authority: ca}}]\n"
               "users: [{name: u, user: {token: b, username: b}}]\n"
               "contexts: [{name: d, context: {cluster: blue, user: u}}]\n");
    buf_printf(&list, ":%s/missing:%s/a::%s/b:%c", folder->path, folder->path, folder->path, 0);

    assert_int_equal(0, kubeconfig_load(&config, list.data, "/nowhere", &err));
    assert_int_equal(2, config.cluster_count);
    assert_string_equal("https://a", config.clusters[0].server);
    assert_null(config.clusters[0].tls_server_name); /* whole entries, not fields */
    buf_printf(&path, "%s/ca%c", folder->path, 0);
    assert_string_equal(path.data, config.clusters[1].ca_file);
    assert_int_equal(1, config.user_count);
    assert_string_equal("a", config.users[0].token);
    assert_null(config.users[0].username);
    assert_int_equal(2, config.context_count);
    assert_string_equal("d", config.current_context);
}

static void load_takes_the_file_in_home_without_a_list(void **state)
{
    const struct folder *folder = *state;
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    scoped(buf_free) struct buf path = {0};
    struct error err = {0};

    buf_printf(&path, "%s/.kube%c", folder->path, 0);
    assert_int_equal(0, mkdir(path.data, 0700));
    write_text(folder, ".kube/config", "current-context: home\n");
    assert_int_equal(0, kubeconfig_load(&config, "", folder->path, &err));
    assert_string_equal("home", config.current_context);
}

static void load_says_what_is_missing(void **state)
{
    const struct folder *folder = *state;
    struct kubeconfig config = {0};
    scoped(buf_free) struct buf expected = {0};
    struct error err = {0};

    buf_printf(&expected, "no kubeconfig: there is no %s/.kube/config%c", folder->path, 0);
    assert_int_equal(-1, kubeconfig_load(&config, NULL, folder->path, &err));
    assert_string_equal(expected.data, err.text);
    assert_int_equal(ERROR_CONFIG, err.kind);
    assert_non_null(strstr(err.fix, "set KUBECONFIG"));

    assert_int_equal(-1, kubeconfig_load(&config, "/nowhere/x", folder->path, &err));
    assert_string_equal("no kubeconfig: there is no /nowhere/x", err.text);

    assert_int_equal(-1, kubeconfig_load(&config, folder->path, NULL, &err)); /* a directory */
    assert_non_null(strstr(err.text, "kubeconfig: "));
    assert_null(config.files);
}

static void load_names_the_file_that_is_wrong(void **state)
{
    const struct folder *folder = *state;
    struct kubeconfig config = {0};
    scoped(buf_free) struct buf path = {0};
    scoped(buf_free) struct buf expected = {0};
    struct error err = {0};

    write_text(folder, "a", "\nclusters: 1\n");
    buf_printf(&path, "%s/a%c", folder->path, 0);
    buf_printf(&expected, "kubeconfig: %s:2: \"clusters\" must be a list, not a number%c",
               path.data, 0);
    assert_int_equal(-1, kubeconfig_load(&config, path.data, NULL, &err));
    assert_string_equal(expected.data, err.text);
    assert_null(config.files);
}

/* --- choosing */

static void choose_finds_or_lists(void **state)
{
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    struct error err = {0};

    assert_int_equal(0, kubeconfig_add(&config, "f",
                                       STR("clusters: [{name: a}]\n"
                                           "contexts: [{name: x, context: {cluster: a}},\n"
                                           "  {name: w, context: {cluster: gone}}]\n"),
                                       &err));
    assert_null(kubeconfig_choose(&config, NULL, &err));
    assert_string_equal("no context is chosen: current-context is not set in f", err.text);
    assert_string_equal("use one of: x, w", err.fix);
    assert_null(kubeconfig_choose(&config, "z", &err));
    assert_string_equal("there is no context \"z\" in f", err.text);
    assert_string_equal("use one of: x, w", err.fix);
    assert_null(kubeconfig_choose(&config, "w", &err));
    assert_string_equal("the context \"w\" names a cluster that is not there: gone", err.text);
    assert_ptr_equal(&config.contexts[0], kubeconfig_choose(&config, "x", &err));
    config.current_context = strdup("x");
    assert_ptr_equal(&config.contexts[0], kubeconfig_choose(&config, NULL, &err));
    assert_ptr_equal(&config.clusters[0], kubeconfig_find_cluster_id(&config, STR("a")));
    assert_null(kubeconfig_find_cluster_id(&config, STR("b")));
}

static void check_refuses_what_kubectl_would(void **state)
{
    static const struct {
        const char *cluster, *user; /* YAML */
        const char *what;           /* NULL: nothing */
    } rows[] = {
        {"insecure-skip-tls-verify: true", "token: t", NULL},
        {"insecure-skip-tls-verify: true, certificate-authority: ca", "token: t",
         "the cluster \"a\" of the kubeconfig has a CA and insecure-skip-tls-verify"},
        {"proxy-url: 'http://p'", "username: u, password: p", NULL},
        {"", "auth-provider: {name: oidc}", "the user \"u\" of the kubeconfig uses auth-provider"},
        {"", "auth-provider: {name: x}, exec: {command: z}", "an exec plugin and an auth-provider"},
        {"", "token: t, password: p", "has a token and a password"},
        {"", "client-certificate: c", "a client certificate without its key"},
        {"", "client-certificate: c, client-key-data: aw==", NULL},
        {"", "as-groups: [g]", "without as, whom"},
        {"", "as: a, as-groups: [g]", NULL},
        {"", "exec: {apiVersion: client.authentication.k8s.io/v1}", "without a command"},
        {"", "exec: {command: aws}", "of the apiVersion \"\""},
        {"", "exec: {command: aws, apiVersion: client.authentication.k8s.io/v1alpha1}",
         "of the apiVersion \"client.authentication.k8s.io/v1alpha1\""},
        {"", "exec: {command: aws, apiVersion: client.authentication.k8s.io/v1}",
         "without interactiveMode"},
        {"", "exec: {command: aws, apiVersion: client.authentication.k8s.io/v1beta1}", NULL},
        {"",
         "exec: {command: aws, apiVersion: client.authentication.k8s.io/v1, interactiveMode: "
         "Always}",
         "insists on a terminal"},
        {"",
         "exec: {command: aws, apiVersion: client.authentication.k8s.io/v1, interactiveMode: A}",
         "unknown interactiveMode"},
        {"",
         "exec: {command: aws, apiVersion: client.authentication.k8s.io/v1beta1, env: [{value: "
         "a}]}",
         "an environment variable without a name"},
        {"",
         "exec: {command: aws, apiVersion: client.authentication.k8s.io/v1, interactiveMode: "
         "Never}",
         NULL},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(kubeconfig_free) struct kubeconfig config = {0};
        scoped(buf_free) struct buf text = {0};
        struct error err = {0};

        buf_printf(&text, "clusters: [{name: a, cluster: {%s}}]\nusers: [{name: u, user: {%s}}]\n",
                   rows[i].cluster, rows[i].user);
        if (kubeconfig_add(&config, "f", buf_str(&text), &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        int status = kubeconfig_check(&config.clusters[0], &config.users[0], &err);

        if (!rows[i].what) {
            if (status < 0)
                fail_msg("row %zu: %s", i, err.text);
            continue;
        }
        if (status == 0 || !strstr(err.text, rows[i].what))
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(ERROR_CONFIG, err.kind);
        assert_true(err.fix[0]);
    }
}

static void exec_is_read_as_it_stands(void **state)
{
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    struct error err = {0};
    struct str text =
        STR("users: [{name: u, user: {exec: {command: aws, args: [eks, --x], installHint: get it, "
            "apiVersion: v1, interactiveMode: Never, provideClusterInfo: true,\n"
            "  env: [{name: A, value: b}, {name: E}]}}}]\n");

    assert_int_equal(0, kubeconfig_add(&config, "/d/config", text, &err));
    const struct kubeconfig_exec *exec = config.users[0].exec;
    const struct {
        const char *expected, *actual;
    } rows[] = {
        {"aws", exec->command},         {"v1", exec->api_version},
        {"eks", exec->args[0]},         {"--x", exec->args[1]},
        {"A=b", exec->env[0]},          {"E=", exec->env[1]},
        {"get it", exec->install_hint}, {"Never", exec->interactive_mode},
    };

    for (size_t i = 0; i < count_of(rows); i++)
        assert_string_equal(rows[i].expected, rows[i].actual);
    assert_null(exec->args[2]);
    assert_null(exec->env[2]);
    assert_true(exec->provides_cluster_info);
}

static void extensions_are_kept_but_the_one_for_plugins(void **state)
{
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    scoped(buf_free) struct buf out = {0};
    struct error err = {0};
    struct str text =
        STR("clusters:\n- name: a\n  cluster:\n    disable-compression: true\n    extensions:\n"
            "    - {name: minikube, extension: {n: 1, b: yes, t: '1', l: [~, {k: v}]}}\n"
            "    - {name: client.authentication.k8s.io/exec, extension: {audience: hidden}}\n"
            "users:\n- {name: u, user: {extensions: [{name: x, extension: 1}]}}\n"
            "contexts:\n- {name: c, context: {extensions: [{name: y, extension: z}]}}\n"
            "extensions: [{name: root, extension: {}}]\npreferences: {colors: true}\n");

    if (kubeconfig_add(&config, "f", text, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(config.clusters[0].has_no_compression);
    assert_string_equal("{\"audience\":\"hidden\"}", config.clusters[0].exec_config);
    assert_string_equal("[{\"name\":\"minikube\",\"extension\":{\"n\":1,\"b\":true,\"t\":\"1\","
                        "\"l\":[null,{\"k\":\"v\"}]}}]",
                        config.clusters[0].extensions);
    kubeconfig_write_private(&out, &config,
                             &(struct kubeconfig_private){.base_url = "https://127.0.0.1:1",
                                                          .ca_pem = "CA",
                                                          .binary = "/b",
                                                          .session_dir = "/s"});
    scoped(jsondoc_free) json_object *root = jsondoc_parse(buf_str(&out), &err);

    assert_true(jsondoc_bool(root, "/clusters/0/cluster/disable-compression", false));
    assert_int_equal(1, jsondoc_count(root, "/clusters/0/cluster/extensions"));
    assert_string_equal("minikube", jsondoc_string(root, "/clusters/0/cluster/extensions/0/name"));
    assert_string_equal("x", jsondoc_string(root, "/users/0/user/extensions/0/name"));
    assert_string_equal("z", jsondoc_string(root, "/contexts/0/context/extensions/0/extension"));
    assert_string_equal("root", jsondoc_string(root, "/extensions/0/name"));
    assert_true(str_find(buf_str(&out), STR("hidden")) < 0);
}

static void load_refuses_ids_that_are_not_one_clusters(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"clusters: [{name: none}]\n", "a cluster of the kubeconfig is called \"none\""},
        /* the second is what the first becomes */
        {"clusters: [{name: '...'}, {name: -x}, {name: 'arn:x/y'}, {name: arn-x-y-32c32824}]\n",
         "the clusters \"arn:x/y\" and \"arn-x-y-32c32824\" of the kubeconfig have the same short "
         "name, arn-x-y-32c32824"},
    };
    char path[] = "/tmp/test_kubeconfig.XXXXXX";

    close(mkstemp(path));
    for (size_t i = 0; i < count_of(rows); i++) {
        struct kubeconfig config = {0};
        struct error err = {0};

        assert_int_equal(0, file_write(path, str_from(rows[i].text), 0600, &err));
        assert_int_equal(-1, kubeconfig_load(&config, path, NULL, &err));
        if (!strstr(err.text, rows[i].error))
            fail_msg("%s", err.text);
        assert_int_equal(ERROR_CONFIG, err.kind);
        assert_non_null(strstr(err.fix, "another name"));
        assert_int_equal(0, config.cluster_count);
    }
    unlink(path);
}

/* --- servers and ids */

static void server_is_read_as_client_go_does(void **state)
{
    static const struct {
        const char *server, *ca, *host, *authority, *prefix;
        unsigned port;
        bool is_tls;
    } rows[] = {
        {"https://a.example", NULL, "a.example", "a.example", "", 443, true},
        {"HTTPS://a.example:6443", NULL, "a.example", "a.example:6443", "", 6443, true},
        {"http://127.0.0.1:8001/", NULL, "127.0.0.1", "127.0.0.1:8001", "", 8001, false},
        {"https://[::1]:6443/k8s/clusters/c-x/", NULL, "::1", "[::1]:6443", "/k8s/clusters/c-x",
         6443, true},
        {"https://[fe80::1]", NULL, "fe80::1", "[fe80::1]", "", 443, true},
        {"https://a:", NULL, "a", "a", "", 443, true},
        {"https://a/b%2Fc//", NULL, "a", "a", "/b%2Fc", 443, true},
        {"a.example:6443", NULL, "a.example", "a.example:6443", "", 6443, false},
        {"a.example", "x", "a.example", "a.example", "", 443, true},
        {NULL, NULL, "localhost", "localhost:8080", "", 8080, false},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        struct kubeconfig_cluster cluster = {
            .name = "c", .server = (char *)rows[i].server, .ca_pem = (char *)rows[i].ca};
        scoped(kubeconfig_server_free) struct kubeconfig_server server = {0};
        struct error err = {0};

        assert_int_equal(0, kubeconfig_server_parse(&server, &cluster, &err));
        assert_string_equal(rows[i].host, server.host);
        assert_string_equal(rows[i].authority, server.authority);
        assert_string_equal(rows[i].prefix, server.path_prefix);
        assert_int_equal(rows[i].port, server.port);
        assert_int_equal(rows[i].is_tls, server.is_tls);
    }
}

static void server_that_is_no_url_is_refused(void **state)
{
    static const char *const servers[] = {
        "https://",      "https:///path",     "ftp://a",
        "https://a b",   "https://a\r\nX: y", "https://u:p@a",
        "https://a:0",   "https://a:65536",   "https://a:b",
        "https://[::1",  "https://[::1]x",    "https://::1",
        "https://a?x=y", "https://a/b#c",     "a/b",
        "https://a%41",  "https://[a]",       "https://https://a",
        "https://a:1:2",
    };

    for (size_t i = 0; i < count_of(servers); i++) {
        struct kubeconfig_cluster cluster = {.name = "c", .server = (char *)servers[i]};
        struct kubeconfig_server server = {0};
        struct error err = {0};

        if (kubeconfig_server_parse(&server, &cluster, &err) == 0)
            fail_msg("accepted: %s", servers[i]);
        assert_int_equal(ERROR_CONFIG, err.kind);
        assert_null(server.host);
    }
}

static void cluster_id_stands_in_a_url(void **state)
{
    static const struct {
        const char *name, *id;
    } rows[] = {
        {"kind-dev", "kind-dev"},
        {"a", "a"},
        {"1.prod_x-y", "1.prod_x-y"},
        {"012345678901234567890123456789012345678901234567890123456789012",
         "012345678901234567890123456789012345678901234567890123456789012"},
        {"0123456789012345678901234567890123456789012345678901234567890123",
         "45678901234567890123456789012345678901234567890123-9674d9e0"},
        {"arn:aws:eks:eu-west-1:111122223333:cluster/prod",
         "arn-aws-eks-eu-west-1-111122223333-cluster-prod-eaa5a325"},
        {"...", "-ab5df625"},
        {"", "-e3b0c442"},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        char id[KUBECONFIG_ID_BYTES_MAX + 1];

        assert_string_equal(rows[i].id, kubeconfig_cluster_id(rows[i].name, id));
    }
}

/* --- the private one */

static void private_keeps_names_and_no_credential(void **state)
{
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    scoped(buf_free) struct buf out = {0};
    struct kubeconfig_private with = {.base_url = "https://127.0.0.1:4001",
                                      .ca_pem = "GATEWAY",
                                      .binary = "/opt/kubectl-hoop",
                                      .session_dir = "/run/s",
                                      .namespace = "other"};
    struct error err = {0};

    assert_int_equal(0,
                     kubeconfig_add(&config, "/home/a/.kube/config", str_from(everything), &err));
    assert_int_equal(0,
                     kubeconfig_add(&config, "/f",
                                    STR("clusters: [{name: 'arn:x/y'}]\n"
                                        "contexts: [{name: nn, context: {cluster: gone, user: lost,"
                                        " namespace: keep}}, {name: bare}, {name: alike,"
                                        " context: {cluster: arn-x-y-32c32824}}]\n"),
                                    &err));
    kubeconfig_write_private(&out, &config, &with);

    scoped(jsondoc_free) json_object *root = jsondoc_parse(buf_str(&out), &err);
    const struct {
        const char *path, *value;
    } rows[] = {
        {"/apiVersion", "v1"},
        {"/kind", "Config"},
        {"/current-context", "dev"},
        {"/clusters/0/name", "main"},
        {"/clusters/0/cluster/server", "https://127.0.0.1:4001/main"},
        {"/clusters/0/cluster/certificate-authority-data", "R0FURVdBWQ=="},
        {"/clusters/0/cluster/tls-server-name", NULL},
        {"/clusters/0/cluster/proxy-url", NULL},
        {"/clusters/1/name", "arn:x/y"},
        {"/clusters/1/cluster/server", "https://127.0.0.1:4001/arn-x-y-32c32824"},
        {"/clusters/2/name", "gone"},
        {"/clusters/2/cluster/server", "https://127.0.0.1:4001/gone"},
        {"/clusters/3/name", ""},
        {"/clusters/4/name", "arn-x-y-32c32824"}, /* not the cluster that has it for an id */
        {"/clusters/4/cluster/server", "https://127.0.0.1:4001/-missing"},
        {"/users/0/name", "alice"},
        {"/users/0/user/exec/apiVersion", "client.authentication.k8s.io/v1"},
        {"/users/0/user/exec/command", "/opt/kubectl-hoop"},
        {"/users/0/user/exec/args/0", "credential"},
        {"/users/0/user/exec/env/0/name", "KHOOP_SESSION_DIR"},
        {"/users/0/user/exec/env/0/value", "/run/s"},
        {"/users/0/user/exec/env/1/name", "KHOOP_USER"},
        {"/users/0/user/exec/env/1/value", "0"},
        {"/users/0/user/exec/interactiveMode", "Never"},
        {"/users/0/user/as", "bob"},
        {"/users/0/user/as-uid", "7"},
        {"/users/0/user/as-groups/1", "b c"},
        {"/users/0/user/as-user-extra/scope/0", "read"},
        {"/users/0/user/token", NULL},
        {"/users/1/name", "lost"},
        {"/users/1/user/exec/env/1/value", "1"},
        {"/users/2/name", ""},
        {"/users/2/user/exec/env/1/value", "1"},
        {"/contexts/0/name", "dev"},
        {"/contexts/0/context/cluster", "main"},
        {"/contexts/0/context/user", "alice"},
        {"/contexts/0/context/namespace", "other"},
        {"/contexts/1/context/namespace", "keep"},
    };

    assert_non_null(root);
    for (size_t i = 0; i < count_of(rows); i++) {
        const char *value = jsondoc_string(root, rows[i].path);

        if (!rows[i].value ? value != NULL : !value || strcmp(value, rows[i].value) != 0)
            fail_msg("%s: %s", rows[i].path, value ? value : "(none)");
    }
    static const char *const secrets[] = {"secret", "12345", "S0VZ", "KEY\"", "Q0VS", "client.key"};

    for (size_t i = 0; i < count_of(secrets); i++)
        assert_true(str_find(buf_str(&out), str_from(secrets[i])) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_reads_each_field),
        cmocka_unit_test(add_leaves_the_rest_empty),
        cmocka_unit_test(add_accepts_what_kubectl_does),
        cmocka_unit_test(add_refuses_with_file_and_line),
        cmocka_unit_test(add_never_tells_a_secret),
        cmocka_unit_test(add_refuses_bombs),
        cmocka_unit_test_setup_teardown(load_merges_as_client_go, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(load_takes_the_file_in_home_without_a_list, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(load_says_what_is_missing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(load_names_the_file_that_is_wrong, make_folder,
                                        remove_folder),
        cmocka_unit_test(choose_finds_or_lists),
        cmocka_unit_test(check_refuses_what_kubectl_would),
        cmocka_unit_test(exec_is_read_as_it_stands),
        cmocka_unit_test(extensions_are_kept_but_the_one_for_plugins),
        cmocka_unit_test(load_refuses_ids_that_are_not_one_clusters),
        cmocka_unit_test(server_is_read_as_client_go_does),
        cmocka_unit_test(server_that_is_no_url_is_refused),
        cmocka_unit_test(cluster_id_stands_in_a_url),
        cmocka_unit_test(private_keeps_names_and_no_credential),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
