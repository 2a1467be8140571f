/* The TLS filter against itself, in memory: whom it believes, and what it says when it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/scoped.h"
#include "net/cert.h"
#include "net/tls.h"
#include "net/tls_stream.h"

#define DAY_S (24 * 3600L)

static int64_t now_s(void)
{
    return clock_now().unix_us / 1000000;
}

/* Two ends, and the bytes on their way. */
struct pair {
    struct tls_stream *client, *server;
    struct buf to_client, to_server;
    struct error client_error, server_error;
};

static enum io step(struct tls_stream *stream, struct buf *in, struct buf *out, struct error *err)
{
    struct str bytes = buf_str(in);
    enum io status = tls_stream_handshake(stream, &bytes, out, err);

    buf_consume(in, in->len - bytes.len);
    return status;
}

/* Back and forth, until both have finished or one has failed. True: both have finished. */
static bool shake_hands(struct pair *pair)
{
    for (int round = 0; round < 10; round++) {
        enum io client =
            step(pair->client, &pair->to_client, &pair->to_server, &pair->client_error);
        enum io server =
            step(pair->server, &pair->to_server, &pair->to_client, &pair->server_error);

        if (client == IO_FAILED) /* its alert, for the other side */
            ignore(step(pair->server, &pair->to_server, &pair->to_client, &pair->server_error));
        if (client == IO_FAILED || server == IO_FAILED)
            return false;
        if (client == IO_OK && server == IO_OK)
            return true;
    }
    return false;
}

static void pair_free(struct pair *pair)
{
    tls_stream_free(&pair->client);
    tls_stream_free(&pair->server);
    buf_free(&pair->to_client);
    buf_free(&pair->to_server);
}

static struct cert_ca *make_ca(const char *name)
{
    struct error err = {0};
    struct cert_ca *ca = cert_make_ca(name, now_s(), &err);

    assert_non_null(ca);
    return ca;
}

static struct tls_server *make_server(const struct cert_ca *ca, const struct cert_request *request)
{
    scoped(cert_free) struct cert cert = {0};
    struct error err = {0};

    assert_int_equal(0, cert_issue(&cert, ca, request, &err));
    struct tls_server *server = tls_server_new(
        &(struct tls_server_config){.cert_pem = cert.cert_pem, .key_pem = cert.key_pem}, &err);

    assert_non_null(server);
    return server;
}

static struct tls_client *make_client(const char *ca_pem, bool is_insecure)
{
    struct error err = {0};
    struct tls_client *client = tls_client_new(
        &(struct tls_client_config){.ca_pem = ca_pem, .is_insecure = is_insecure}, &err);

    assert_non_null(client);
    return client;
}

/* --- whom a client believes */

enum trust { TRUST_ITS_CA, TRUST_ANOTHER_CA, TRUST_THE_SYSTEM, TRUST_ANYBODY };

static void client_believes_or_says_why_not(void **state)
{
    static const char *const example[] = {"api.example", "*.wild.example", "10.0.0.1", NULL};
    static const struct {
        const char *server_name;
        enum trust trust;
        enum cert_use use;
        int from_days, to_days;  /* both 0: valid */
        const char *error, *fix; /* NULL: believed; %D is the date */
    } rows[] = {
        {"api.example", TRUST_ITS_CA, CERT_SERVER, 0, 0, NULL, NULL},
        {"api.example.", TRUST_ITS_CA, CERT_SERVER, 0, 0, NULL, NULL},
        {"API.Example", TRUST_ITS_CA, CERT_SERVER, 0, 0, NULL, NULL},
        {"a.wild.example", TRUST_ITS_CA, CERT_SERVER, 0, 0, NULL, NULL},
        {"10.0.0.1", TRUST_ITS_CA, CERT_SERVER, 0, 0, NULL, NULL},
        {"other.example", TRUST_ITS_CA, CERT_SERVER, 0, 0,
         "the server's certificate is for api.example, *.wild.example, 10.0.0.1, not for "
         "other.example",
         "use a name that is in the certificate, or set tls-server-name"},
        {"10.0.0.2", TRUST_ITS_CA, CERT_SERVER, 0, 0,
         "the server's certificate is for api.example, *.wild.example, 10.0.0.1, not for 10.0.0.2",
         "use a name that is in the certificate, or set tls-server-name"},
        {"b.a.wild.example", TRUST_ITS_CA, CERT_SERVER, 0, 0,
         "the server's certificate is for api.example, *.wild.example, 10.0.0.1, not for "
         "b.a.wild.example",
         "use a name that is in the certificate, or set tls-server-name"},
        {"api.example", TRUST_ANOTHER_CA, CERT_SERVER, 0, 0,
         "the server's certificate is not signed by the CA that is configured for it",
         "check certificate-authority or certificate-authority-data of the cluster; it may have "
         "been created anew"},
        {"api.example", TRUST_THE_SYSTEM, CERT_SERVER, 0, 0,
         "the server's certificate is not signed by a CA that this system trusts",
         "set certificate-authority or certificate-authority-data of the cluster"},
        {"api.example", TRUST_ITS_CA, CERT_SERVER, -20, -10,
         "the certificate of the server expired on %D",
         "renew it there, or set this machine's clock"},
        {"api.example", TRUST_ITS_CA, CERT_SERVER, 10, 20,
         "the certificate of the server is not valid before %D",
         "set this machine's clock, or the server's"},
        {"api.example", TRUST_ITS_CA, CERT_CLIENT, 0, 0,
         "the certificate of the server is not accepted: unsuitable certificate purpose",
         "renew it there"},
        {"other.example", TRUST_ANYBODY, CERT_SERVER, -20, -10, NULL, NULL},
    };
    scoped(cert_ca_free) struct cert_ca *ca = make_ca("its CA");
    scoped(cert_ca_free) struct cert_ca *another = make_ca("another CA");

    for (size_t i = 0; i < count_of(rows); i++) {
        int64_t now = now_s();
        struct cert_request request = {
            .use = rows[i].use, .common_name = "common.example", .names = example};
        const char *const trusted[] = {[TRUST_ITS_CA] = cert_ca_pem(ca),
                                       [TRUST_ANOTHER_CA] = cert_ca_pem(another),
                                       [TRUST_ANYBODY] = cert_ca_pem(another)};
        char date[CLOCK_TEXT_BYTES];

        if (rows[i].to_days) {
            request.not_before_unix_s = now + rows[i].from_days * DAY_S;
            request.not_after_unix_s = now + rows[i].to_days * DAY_S;
        }
        scoped(tls_server_free) struct tls_server *server = make_server(ca, &request);
        scoped(tls_client_free) struct tls_client *client =
            make_client(trusted[rows[i].trust], rows[i].trust == TRUST_ANYBODY);
        scoped(pair_free) struct pair pair = {
            .client = tls_stream_connect(client, rows[i].server_name, NULL),
            .server = tls_stream_accept(server)};
        bool is_believed = shake_hands(&pair);

        if (!rows[i].error) {
            if (!is_believed)
                fail_msg("%s: %s", rows[i].server_name, pair.client_error.text);
            continue;
        }
        assert_false(is_believed);
        struct str rest = str_from(rows[i].error);
        scoped(buf_free) struct buf expected = {0};

        buf_append_str(&expected, str_split(&rest, '%'));
        clock_format_us(
            (rows[i].from_days > 0 ? request.not_before_unix_s : request.not_after_unix_s) *
                1000000,
            date);
        if (rest.data)
            buf_append(&expected, date, 10);
        buf_append_char(&expected, '\0');
        assert_string_equal(expected.data, pair.client_error.text);
        assert_string_equal(rows[i].fix, pair.client_error.fix);
        assert_int_equal(ERROR_CONFIG, pair.client_error.kind);
        assert_true(pair.server_error.text[0]); /* it was told by an alert */
    }
}

/* Its own certificate in the bundle, as `kubectl config set-cluster --embed-certs` of a
 * self-signed server makes it: Go takes every certificate of a bundle for an anchor. */
static void leaf_may_be_its_own_anchor(void **state)
{
    scoped(cert_ca_free) struct cert_ca *ca = make_ca("forgotten CA");
    struct cert_request request = {.common_name = "x", .names = cert_loopback_names};
    scoped(cert_free) struct cert cert = {0};
    struct error err = {0};

    assert_int_equal(0, cert_issue(&cert, ca, &request, &err));
    scoped(tls_server_free) struct tls_server *server = tls_server_new(
        &(struct tls_server_config){.cert_pem = cert.cert_pem, .key_pem = cert.key_pem}, &err);
    scoped(tls_client_free) struct tls_client *client = make_client(cert.cert_pem, false);
    scoped(pair_free) struct pair pair = {.client = tls_stream_connect(client, "::1", NULL),
                                          .server = tls_stream_accept(server)};

    assert_true(shake_hands(&pair));
}

/* --- PEM */

static void unusable_pem_is_refused(void **state)
{
    scoped(cert_ca_free) struct cert_ca *ca = make_ca("CA");
    struct cert_request request = {.use = CERT_CLIENT, .common_name = "x"};
    scoped(cert_free) struct cert one = {0}, other = {0};
    struct error err = {0};
    static const char encrypted[] =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAheJn0nJcZnSQICCAAw\n"
        "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEFLDzVqBvXRvzJqYFqf0yDMEgZBh\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n";

    assert_int_equal(0, cert_issue(&one, ca, &request, &err));
    assert_int_equal(0, cert_issue(&other, ca, &request, &err));
    const struct {
        const char *ca, *cert, *key, *error;
    } rows[] = {
        {"", NULL, NULL, "no certificate in the CA's PEM text"},
        {"nonsense", NULL, NULL, "no certificate in the CA's PEM text"},
        {one.key_pem, NULL, NULL, "no certificate in the CA's PEM text"},
        {"-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n", NULL, NULL,
         "no certificate in the CA's PEM text"},
        {cert_ca_pem(ca), "nonsense", one.key_pem, "no certificate in the certificate's PEM text"},
        {cert_ca_pem(ca), one.cert_pem, NULL, "no private key in the key's PEM text"},
        {cert_ca_pem(ca), one.cert_pem, one.cert_pem, "no private key in the key's PEM text"},
        {cert_ca_pem(ca), one.cert_pem, encrypted, "the private key is encrypted"},
        {cert_ca_pem(ca), one.cert_pem, other.key_pem,
         "the private key does not belong to the certificate"},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        struct tls_client_config config = {
            .ca_pem = rows[i].ca, .cert_pem = rows[i].cert, .key_pem = rows[i].key};

        assert_null(tls_client_new(&config, &err));
        assert_string_equal(rows[i].error, err.text);
        assert_int_equal(ERROR_CONFIG, err.kind);
    }
}

static void bundle_is_read_over_what_is_broken_in_it(void **state)
{
    scoped(cert_ca_free) struct cert_ca *ca = make_ca("CA");
    struct cert_request request = {.common_name = "x", .names = cert_loopback_names};
    scoped(tls_server_free) struct tls_server *server = make_server(ca, &request);
    scoped(buf_free) struct buf bundle = {0};

    buf_printf(&bundle,
               "# comment\n-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n"
               "-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----\n%s%c",
               cert_ca_pem(ca), 0);
    scoped(tls_client_free) struct tls_client *client = make_client(bundle.data, false);
    scoped(pair_free) struct pair pair = {.client = tls_stream_connect(client, "localhost", NULL),
                                          .server = tls_stream_accept(server)};

    assert_true(shake_hands(&pair));
}

/* --- bytes */

static void connect_pair(struct pair *pair)
{
    scoped(cert_ca_free) struct cert_ca *ca = make_ca("CA");
    struct cert_request request = {.common_name = "x", .names = cert_loopback_names};
    scoped(tls_server_free) struct tls_server *server = make_server(ca, &request);
    scoped(tls_client_free) struct tls_client *client = make_client(cert_ca_pem(ca), false);

    *pair = (struct pair){.client = tls_stream_connect(client, "127.0.0.1", NULL),
                          .server = tls_stream_accept(server)};
    assert_true(shake_hands(pair)); /* the contexts are free when this returns */
}

static enum io read_some(struct pair *pair, struct str *in, struct buf *got, struct error *err)
{
    static char plain[4 * TLS_RECORD_BYTES];
    size_t len = 0;
    enum io status =
        tls_stream_read(pair->server, in, &pair->to_client, plain, sizeof plain, &len, err);

    if (status == IO_OK)
        buf_append(got, plain, len);
    return status;
}

static void bytes_arrive_however_they_are_cut(void **state)
{
    scoped(pair_free) struct pair pair = {0};
    scoped(buf_free) struct buf sent = {0}, got = {0};
    struct error err = {0};

    connect_pair(&pair);
    for (int i = 0; i < 50000; i++)
        buf_append_char(&sent, (char)(i * 7 + i / 256));
    assert_int_equal(0, tls_stream_write(pair.client, buf_str(&sent), &pair.to_server, &err));
    struct str wire = buf_str(&pair.to_server);

    for (size_t step = 1; wire.len > 0; step = step % 1000 + 37) {
        struct str in = str_first(wire, step);

        wire = str_skip(wire, in.len);
        enum io status;

        while ((status = read_some(&pair, &in, &got, &err)) == IO_OK)
            ;
        assert_int_equal(IO_AGAIN, status);
        assert_int_equal(0, in.len);
    }
    assert_true(str_equal(buf_str(&sent), buf_str(&got)));
}

static void end_comes_after_the_bytes_before_it(void **state)
{
    scoped(pair_free) struct pair pair = {0};
    scoped(buf_free) struct buf got = {0};
    struct error err = {0};

    connect_pair(&pair);
    assert_int_equal(0, tls_stream_write(pair.client, STR("last"), &pair.to_server, &err));
    tls_stream_close(pair.client, &pair.to_server);
    struct str in = buf_str(&pair.to_server);

    assert_int_equal(IO_OK, read_some(&pair, &in, &got, &err));
    assert_true(str_is(buf_str(&got), "last"));
    assert_int_equal(IO_EOF, read_some(&pair, &in, &got, &err));
    assert_int_equal(IO_EOF, read_some(&pair, &in, &got, &err));
    /* the other half is still open */
    assert_int_equal(0, tls_stream_write(pair.server, STR("answer"), &pair.to_client, &err));
}

static void changed_byte_fails_after_the_bytes_before_it(void **state)
{
    scoped(pair_free) struct pair pair = {0};
    scoped(buf_free) struct buf got = {0};
    struct error err = {0};

    connect_pair(&pair);
    assert_int_equal(0, tls_stream_write(pair.client, STR("good"), &pair.to_server, &err));
    assert_int_equal(0, tls_stream_write(pair.client, STR("evil"), &pair.to_server, &err));
    pair.to_server.data[pair.to_server.len - 1] ^= 1;
    struct str in = buf_str(&pair.to_server);

    assert_int_equal(IO_OK, read_some(&pair, &in, &got, &err));
    assert_true(str_is(buf_str(&got), "good"));
    for (int again = 0; again < 2; again++) {
        err = (struct error){0};
        assert_int_equal(IO_FAILED, read_some(&pair, &in, &got, &err));
        assert_int_equal(ERROR_NETWORK, err.kind);
        assert_non_null(strstr(err.text, "bad record mac"));
    }
    assert_int_equal(4, got.len);
}

/* --- certificates */

static void names_cannot_smuggle_others_in(void **state)
{
    static const char *const names[] = {"a,DNS:evil.example", NULL};
    scoped(cert_ca_free) struct cert_ca *ca = make_ca("CA");
    struct cert_request request = {.common_name = "x", .names = names};
    scoped(tls_server_free) struct tls_server *server = make_server(ca, &request);
    scoped(tls_client_free) struct tls_client *client = make_client(cert_ca_pem(ca), false);
    scoped(pair_free) struct pair pair = {.client =
                                              tls_stream_connect(client, "evil.example", NULL),
                                          .server = tls_stream_accept(server)};

    assert_false(shake_hands(&pair));
    /* and what could lie on a terminal is not shown */
    assert_string_equal("the server's certificate is not for evil.example", pair.client_error.text);
}

/* RFC 9525 2, and Go: not even where there is no other name. */
static void common_name_is_no_name_of_a_host(void **state)
{
    scoped(cert_ca_free) struct cert_ca *ca = make_ca("CA");
    struct cert_request request = {.common_name = "api.example"};
    scoped(tls_server_free) struct tls_server *server = make_server(ca, &request);
    scoped(tls_client_free) struct tls_client *client = make_client(cert_ca_pem(ca), false);
    scoped(pair_free) struct pair pair = {.client = tls_stream_connect(client, "api.example", NULL),
                                          .server = tls_stream_accept(server)};

    assert_false(shake_hands(&pair));
    assert_string_equal("the server's certificate is not for api.example", pair.client_error.text);
}

static void certificates_differ_from_each_other(void **state)
{
    scoped(cert_ca_free) struct cert_ca *one = make_ca("CA");
    scoped(cert_ca_free) struct cert_ca *other = make_ca("CA");

    assert_string_not_equal(cert_ca_pem(one), cert_ca_pem(other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_believes_or_says_why_not),
        cmocka_unit_test(leaf_may_be_its_own_anchor),
        cmocka_unit_test(unusable_pem_is_refused),
        cmocka_unit_test(bundle_is_read_over_what_is_broken_in_it),
        cmocka_unit_test(bytes_arrive_however_they_are_cut),
        cmocka_unit_test(end_comes_after_the_bytes_before_it),
        cmocka_unit_test(changed_byte_fails_after_the_bytes_before_it),
        cmocka_unit_test(names_cannot_smuggle_others_in),
        cmocka_unit_test(common_name_is_no_name_of_a_host),
        cmocka_unit_test(certificates_differ_from_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
