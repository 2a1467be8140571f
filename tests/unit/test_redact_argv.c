#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/num.h"
#include "base/scoped.h"
#include "kube/redact_argv.h"

#define JWT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"

/* Arguments one by one, `|` between them, and what is left of them. */
static const struct {
    const char *came, *kept;
} rows[] = {
    /* nothing to hide */
    {"kubectl|get|pods|-n|default|-o|jsonpath={.data.password}", NULL},
    {"kubectl|get|secret/token|-o|json", NULL},
    {"kubectl|create|token|robot", NULL},
    {"kubectl|delete|secret|my-secret", NULL},
    {"kubectl|patch|deploy|web|-p|{\"spec\":{}}", NULL},
    {"kubectl|run|x|--image=registry/auth-token:v2", NULL},
    {"kubectl|logs|web-0|-c|app|-f", NULL},
    {"sh|-c|echo \"it's fine\" && ls -l | wc", NULL},
    {"env|PWD=/root|x", NULL},
    {"kubectl|get|--raw|/api/v1/pods?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MX0", NULL},
    {"docker|run|-p|80:80|x", NULL},
    {"mysql|-p|-u|root", NULL},
    {"|-|--|=|a=|:|\"|'|\\", NULL},
    /* options, both spellings */
    {"kubectl|--token|abc|get|pods", "kubectl|--token|redacted|get|pods"},
    {"kubectl|--token=abc|get|pods", "kubectl|--token=redacted|get|pods"},
    {"kubectl|--token=a b c|get", "kubectl|--token=redacted|get"},
    {"kubectl|--password|x|--username|y", "kubectl|--password|redacted|--username|y"},
    {"kubectl|create|secret|docker-registry|r|--docker-password=x|--docker-username=u",
     "kubectl|create|secret|docker-registry|r|--docker-password=redacted|--docker-username=u"},
    {"kubectl|create|secret|generic|s|--from-literal=user=u1|--from-literal|pass=b=c d",
     "kubectl|create|secret|generic|s|--from-literal=user=redacted|--from-literal|pass=redacted"},
    {"kubectl|create|secret|generic|s|--from-literal|odd",
     "kubectl|create|secret|generic|s|--from-literal|redacted"},
    {"helm|install|x|c|--set|db.password=a,b=c|--set=auth.token=x",
     "helm|install|x|c|--set|db.password=redacted|--set=auth.token=redacted"},
    {"vault|login|-token=hvs.x", "vault|login|-token=redacted"},
    {"env|PGPASSWORD=a b|psql", "env|PGPASSWORD=redacted|psql"},
    {"kubectl|set|env|deploy/x|API_KEY=v|MODE=fast",
     "kubectl|set|env|deploy/x|API_KEY=redacted|MODE=fast"},
    {"x|--show-token|pods", NULL},
    {"kubectl|patch|secret|s|-p|{\"data\":{\"a\":\"b\"}}", "kubectl|patch|secret|s|-p|redacted"},
    {"kubectl|patch|--patch={\"data\":1}|secret/s", "kubectl|patch|--patch=redacted|secret/s"},
    {"kubectl|patch|secrets.v1.|s|-p|{}", "kubectl|patch|secrets.v1.|s|-p|redacted"},
    {"kubectl|patch|Secret.v1./s|-p|{}", "kubectl|patch|Secret.v1./s|-p|redacted"},
    {"kubectl|patch|cm/a,secrets.v1./s|-p|{}", "kubectl|patch|cm/a,secrets.v1./s|-p|redacted"},
    {"kubectl|patch|secret,cm|s|-p|{}", "kubectl|patch|secret,cm|s|-p|redacted"},
    {"kubectl|patch|cm,deploy|s|-p|{}", NULL},
    /* commands in which one letter is a password */
    {"docker|login|-u|u|-p|x|r.io", "docker|login|-u|u|-p|redacted|r.io"},
    {"helm|registry|login|-px", "helm|registry|login|-predacted"},
    {"kubectl|exec|db-0|--|/usr/bin/mysql|-uroot|-phush|-e|select 1",
     "kubectl|exec|db-0|--|/usr/bin/mysql|-uroot|-predacted|-e|select 1"},
    {"sshpass|-p|x|ssh|h", "sshpass|-p|redacted|ssh|h"},
    {"redis-cli|-a|x|PING", "redis-cli|-a|redacted|PING"},
    {"curl|--oauth2-bearer|x|https://h/", "curl|--oauth2-bearer|redacted|https://h/"},
    {"curl|-u|me:x|https://h/", "curl|-u|redacted|https://h/"},
    /* inside a longer argument */
    {"sh|-c|kubectl --token=x get pods; echo done",
     "sh|-c|kubectl --token=redacted get pods; echo done"},
    {"sh|-c|kubectl --token x get pods", "sh|-c|kubectl --token redacted get pods"},
    {"sh|-c|kubectl --token='a b' get \"pods\"", "sh|-c|kubectl --token=redacted get \"pods\""},
    {"sh|-c|kubectl --token \"a b\" get", "sh|-c|kubectl --token \"redacted\" get"},
    {"sh|-c|x --password=a\"b c\"d e", "sh|-c|x --password=redacted e"},
    {"bash|-lc|PASSWORD=x kubectl get pods", "bash|-lc|PASSWORD=redacted kubectl get pods"},
    {"bash|-c|env \"PASSWORD=a b\" cmd", "bash|-c|env \"PASSWORD=redacted\" cmd"},
    {"bash|-c|sh -c \"kubectl --token=x get\" && y",
     "bash|-c|sh -c \"kubectl --token=redacted get\" && y"},
    {"bash|-c|sh -c \"x --token=\\\"a b\\\" get\"", "bash|-c|sh -c \"x --token=redacted get\""},
    {"bash|-c|$(x --token=y)|z", "bash|-c|$(x --token=redacted)|z"},
    {"sh|-c|kubectl create secret generic s --from-literal=a=x --from-literal b='y z'",
     "sh|-c|kubectl create secret generic s --from-literal=a=redacted --from-literal b=redacted"},
    {"sh|-c|kubectl create secret generic s --from-literal=a=x\\ y z",
     "sh|-c|kubectl create secret generic s --from-literal=a=redacted z"},
    {"sh|-c|kubectl --token=a\\ b\\;c get", "sh|-c|kubectl --token=redacted get"},
    {"sh|-c|sh -c \"kubectl --token=a\\\\ b get\"", "sh|-c|sh -c \"kubectl --token=redacted get\""},
    {"sh|-c|kubectl --token \\\n  x get \\\n", "sh|-c|kubectl --token \\\n  redacted get \\\n"},
    {"sh|-c|kubectl --token\\\r\n x get", "sh|-c|kubectl --token\\\r\n redacted get"},
    {"sh|-c|kubectl --token=a\\\nb get", "sh|-c|kubectl --token=redacted get"},
    {"sh|-c|mysql -phush < dump", "sh|-c|mysql -predacted < dump"},
    {"sh|-c|echo '{\"password\": \"x\", \"a\": 1}' > f",
     "sh|-c|echo '{\"password\": redacted \"a\": 1}' > f"},
    {"sh|-c|echo '{\"password\":\"x\"}' > f", "sh|-c|echo '{\"password\":redacted' > f"},
    /* by their looks */
    {"curl|-H|Authorization: Bearer abc|https://h", "curl|-H|Authorization: redacted|https://h"},
    {"curl|-HAuthorization: Basic abc", "curl|-HAuthorization: redacted"},
    {"sh|-c|curl -H 'authorization: Basic abc=' https://h",
     "sh|-c|curl -H 'authorization: redacted' https://h"},
    {"x|Authorization:Bearer|abc", "x|Authorization:redacted|redacted"},
    {"x|bearer|abcdefghijklmnop", "x|bearer|redacted"},
    {"x|bearer|of|news", NULL},
    {"curl|-H|Cookie: a=b; c=d", "curl|-H|Cookie: redacted"},
    {"curl|-H|X-Api-Key: abc", "curl|-H|X-Api-Key: redacted"},
    {"x|" JWT "|y", "x|redacted|y"},
    {"x|a," JWT ",b", "x|a,redacted,b"},
    {"x|k8s-aws-v1.aHR0cHM6Ly9zdHMuYW1hem9uYXdz", "x|redacted"},
    {"git|clone|https://me:hush@h.example/r.git", "git|clone|https://me:redacted@h.example/r.git"},
    {"psql|postgres://u:p@ss@h:5432/d?x=1", "psql|postgres://u:redacted@h:5432/d?x=1"},
    {"x|https://h:443/a@b", NULL},
    {"x|ghp_0123456789abcdefghijABCDEFGHIJ012345", "x|redacted"},
    {"x|a -----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY----- b", "x|a redacted b"},
    {"x|-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE "
     "KEY-----\nMHc",
     "x|-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\nredacted"},
    {"kubectl|config|set|users.me.token|x", "kubectl|config|set|users.me.token|redacted"},
    {"sh|-c|kubectl apply -f - <<E\nkind: Secret\nmetadata:\n  name: a\nstringData:\n  a: x\nE",
     "sh|-c|kubectl apply -f - <<E\nkind: Secret\nmetadata:\n  name: a\nstringData: redacted"},
    {"sh|-c|echo '{\"data\":{\"a\":\"x\"},\"kind\": \"Secret\"}'",
     "sh|-c|echo '{\"data\": redacted"},
    {"sh|-c|echo 'kind: SecretStore\ndata: x'", NULL},
    {"x|-----BEGIN PRIVATE KEY-----\nMHc", "x|redacted"},
};

static size_t split(char *text, const char **argv)
{
    size_t count = 0;

    argv[count++] = text;
    for (; *text; text++)
        if (*text == '|' && text[1] != ' ' && (text == argv[0] || text[-1] != ' ')) {
            *text = '\0';
            argv[count++] = text + 1;
        }
    argv[count] = NULL;
    return count;
}

static void redact_keeps_names_and_takes_values(void **state)
{
    int failed = 0;

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(free_text) char *came = strdup(rows[i].came);
        const char *argv[32];
        size_t count = split(came, argv), replaced = 0, n = 0;
        scoped(redact_argv_free) char **kept = redact_argv(argv, &replaced);
        scoped(buf_free) struct buf joined = {0};

        for (; kept[n]; n++)
            buf_printf(&joined, "%s%s", n ? "|" : "", kept[n]);
        scoped(free_text) char *got = buf_take_text(&joined);
        const char *expected = rows[i].kept ? rows[i].kept : rows[i].came;
        if (n != count || strcmp(got, expected) != 0 || (replaced == 0) != !rows[i].kept) {
            print_error("%s\n  is  %s\n  not %s\n", rows[i].came, got, expected);
            failed++;
        }
    }
    assert_int_equal(0, failed);
}

static void redact_replaces_what_is_quoted_too_deep(void **state)
{
    scoped(buf_free) struct buf text = {0}, out = {0};

    for (int i = 0; i < 12; i++) {
        for (int j = 0; j < i; j++)
            buf_append_char(&text, '\\');
        buf_append_text(&text, "\" ");
    }
    buf_append_text(&text, "--token hush");
    for (int i = 11; i >= 0; i--) {
        buf_append_char(&text, ' ');
        for (int j = 0; j < i; j++)
            buf_append_char(&text, '\\');
        buf_append_char(&text, '"');
    }
    assert_true(redact_text(&out, buf_str(&text)) > 0);
    assert_true(str_find(buf_str(&out), STR("hush")) < 0);
}

static void redact_target_takes_what_urls_carry(void **state)
{
    static const struct {
        const char *came, *kept;
    } targets[] = {
        {"/api/v1/pods", NULL},
        {"/api/v1/pods?", NULL},
        {"/api/v1/pods?watch=1&&x", NULL},
        {"/api/v1/pods?limit=500&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MX0", NULL},
        {"/p/exec?command=ls&command=-l%20a&stdin=true", NULL},
        {"/p/exec?command=kubectl&command=--token&stdin=true&command=a%20b",
         "/p/exec?command=kubectl&command=--token&stdin=true&command=redacted"},
        {"/p/exec?command=sh&command=-c&command=x+--token%3Da%20b",
         "/p/exec?command=sh&command=-c&command=x%20--token%3Dredacted%20b"},
        {"/p/exec?c%6Fmmand=--token=x", "/p/exec?c%6Fmmand=--token%3Dredacted"},
        {"/p/proxy/x?access_token=abc&a=b", "/p/proxy/x?access_token=redacted&a=b"},
        {"/p/proxy/x?Access%5Ftoken=abc", "/p/proxy/x?Access%5Ftoken=redacted"},
        {"/x?id_token=a&X-Amz-Signature=b&code=c",
         "/x?id_token=redacted&X-Amz-Signature=redacted&code=redacted"},
        {"/x?a=" JWT, "/x?a=redacted"},
        {"/x/" JWT "/y?b", "/x/redacted/y?b"},
    };

    for (size_t i = 0; i < count_of(targets); i++) {
        scoped(buf_free) struct buf out = {0};
        size_t replaced = redact_target(&out, str_from(targets[i].came));
        const char *expected = targets[i].kept ? targets[i].kept : targets[i].came;

        if (!str_is(buf_str(&out), expected) || (replaced == 0) != !targets[i].kept)
            fail_msg("%s is %.*s", targets[i].came, STR_ARG(buf_str(&out)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redact_keeps_names_and_takes_values),
        cmocka_unit_test(redact_replaces_what_is_quoted_too_deep),
        cmocka_unit_test(redact_target_takes_what_urls_carry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
