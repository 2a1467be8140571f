#include "net/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "base/str.h"
#include "net/tls_error.h"
#include "net/tls_stream.h"

#define ALPN_BYTES_MAX 64
/* 80 bits: RSA of 1024 bits at least, no SHA-1. What Go accepts, too. */
#define CLIENT_SECURITY_LEVEL 1

struct alpn { /* RFC 7301 3.1: each protocol behind its length */
    unsigned char bytes[ALPN_BYTES_MAX];
    size_t len;
};

struct tls_server {
    unsigned owners;
    SSL_CTX *context;
    struct alpn alpn;
};

struct tls_client {
    SSL_CTX *context;
    bool has_ca, is_insecure;
};

struct tls_stream {
    SSL *ssl;
    struct tls_server *server; /* one of its owners; NULL: client */
    char *server_name;         /* owned; NULL: server */
    bool has_own_ca;
    struct tls_refusal refusal;
    enum io outcome;       /* of a read that had bytes to give first; IO_OK: none */
    struct error *failure; /* owned; of that outcome */
    struct str *in;        /* during one call */
    struct buf *out;
};

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void free_x509(X509 **x509)
{
    X509_free(*x509);
}

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static struct alpn alpn_parse(const char *list)
{
    struct alpn alpn = {0};

    for (struct str rest = str_from(list); rest.data;) {
        struct str name = str_split(&rest, ',');

        assert(name.len > 0 && alpn.len + 1 + name.len <= sizeof alpn.bytes);
        alpn.bytes[alpn.len++] = (unsigned char)name.len;
        memcpy(alpn.bytes + alpn.len, name.data, name.len);
        alpn.len += name.len;
    }
    return alpn;
}

/* --- certificates and keys from PEM */

static bool is_end_of_pem(void)
{
    unsigned long code = ERR_peek_last_error();

    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

/* The next certificate. What cannot be read is skipped, as Go does. */
static X509 *next_x509(BIO *bio)
{
    for (;;) {
        ERR_clear_error();
        X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        if (x509)
            return x509;
        bool is_end = is_end_of_pem() || BIO_eof(bio);

        ERR_clear_error();
        if (is_end)
            return NULL;
    }
}

/* Every one is an anchor, also one that did not sign itself. */
static int trust_pem(SSL_CTX *context, const char *pem, struct error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    scoped(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    unsigned count = 0;

    for (X509 *x509; (x509 = next_x509(bio)); X509_free(x509))
        count += X509_STORE_add_cert(store, x509) == 1;
    if (count == 0)
        return error_set(err, ERROR_CONFIG, "no certificate in the CA's PEM text");
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    return 0;
}

/* Or OpenSSL would ask on the terminal. */
static int refuse_password(char *password, int size, int is_writing, void *context)
{
    return 0;
}

static EVP_PKEY *parse_key(const char *pem, struct error *err)
{
    scoped(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_password, NULL);

    ERR_clear_error();
    if (key)
        return key;
    if (strstr(pem, "ENCRYPTED")) { /* PKCS #8, or Proc-Type of RFC 1421 */
        error_set(err, ERROR_CONFIG, "the private key is encrypted");
        error_fix(err, "decrypt it with 'openssl pkey'");
    } else {
        error_set(err, ERROR_CONFIG, "no private key in the key's PEM text");
    }
    return NULL;
}

static int use_certificate(SSL_CTX *context, const char *cert_pem, const char *key_pem,
                           struct error *err)
{
    scoped(free_bio) BIO *bio = BIO_new_mem_buf(cert_pem, -1);
    scoped(free_x509) X509 *leaf = next_x509(bio);
    scoped(free_key) EVP_PKEY *key = leaf ? parse_key(key_pem, err) : NULL;

    if (!leaf)
        return error_set(err, ERROR_CONFIG, "no certificate in the certificate's PEM text");
    if (!key)
        return -1;
    if (!X509_check_private_key(leaf, key)) {
        ERR_clear_error();
        return error_set(err, ERROR_CONFIG, "the private key does not belong to the certificate");
    }
    if (!SSL_CTX_use_certificate(context, leaf) || !SSL_CTX_use_PrivateKey(context, key)) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());

        error_set(err, ERROR_CONFIG, "the certificate cannot be used: %s", reason ? reason : "?");
        ERR_clear_error();
        return -1;
    }
    for (X509 *x509; (x509 = next_x509(bio));)
        if (!SSL_CTX_add0_chain_cert(context, x509))
            X509_free(x509);
    ERR_clear_error();
    return 0;
}

/* --- contexts */

/* As Go orders them, so kubectl and kube-apiserver get what they would without us; OpenSSL would
 * begin with AES-256, which costs a quarter more. */
#define CIPHERSUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static SSL_CTX *new_context(const SSL_METHOD *method, struct error *err)
{
    SSL_CTX *context = SSL_CTX_new(method);

    if (!context) {
        ERR_clear_error();
        error_set(err, ERROR_INTERNAL, "TLS: OpenSSL cannot start");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    if (SSL_CTX_set_ciphersuites(context, CIPHERSUITES) != 1)
        ERR_clear_error(); /* a library without one of them: its own order does */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN |
                                  SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

static int on_verify(int is_accepted, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_stream *stream = SSL_get_app_data(ssl);

    if (!is_accepted)
        tls_refusal_note(&stream->refusal, store);
    return is_accepted;
}

/* Our order decides. Nothing in common ends the handshake (RFC 7301 3.2): guessing a protocol for a
 * client that offered only others is how protocols get confused. */
static int on_alpn(SSL *ssl, const unsigned char **selected, unsigned char *selected_len,
                   const unsigned char *offered, unsigned offered_len, void *context)
{
    const struct alpn *ours = &((const struct tls_server *)context)->alpn;

    if (SSL_select_next_proto((unsigned char **)selected, selected_len, ours->bytes,
                              (unsigned)ours->len, offered, offered_len) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int set_up_server(struct tls_server *server, const struct tls_server_config *config,
                         struct error *err)
{
    SSL_CTX *context = server->context;

    if (use_certificate(context, config->cert_pem, config->key_pem, err) < 0)
        return -1;
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"hoop", 4);
    if (config->alpn) {
        server->alpn = alpn_parse(config->alpn);
        SSL_CTX_set_alpn_select_cb(context, on_alpn, server);
    }
    if (!config->client_ca_pem)
        return 0;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
    return trust_pem(context, config->client_ca_pem, err);
}

struct tls_server *tls_server_new(const struct tls_server_config *config, struct error *err)
{
    scoped(tls_server_free) struct tls_server *server = xcalloc(1, sizeof *server);

    server->owners = 1;
    server->context = new_context(TLS_server_method(), err);
    if (!server->context || set_up_server(server, config, err) < 0)
        return NULL;
    return take(server);
}

struct tls_server *tls_server_share(const struct tls_server *server)
{
    struct tls_server *shared = (struct tls_server *)server; /* counting changes nothing in it */

    shared->owners++;
    return shared;
}

void tls_server_free(struct tls_server **server)
{
    if (*server && --(*server)->owners == 0) {
        SSL_CTX_free((*server)->context);
        free(*server);
    }
    *server = NULL;
}

static int set_up_client(struct tls_client *client, const struct tls_client_config *config,
                         struct error *err)
{
    SSL_CTX *context = client->context;

    SSL_CTX_set_security_level(context, CLIENT_SECURITY_LEVEL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, config->is_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       config->is_insecure ? NULL : on_verify);
    if (config->ca_pem) {
        if (trust_pem(context, config->ca_pem, err) < 0)
            return -1;
    } else if (!SSL_CTX_set_default_verify_paths(context)) {
        ERR_clear_error();
        return error_set(err, ERROR_CONFIG, "the system's CA certificates cannot be read");
    }
    if (config->cert_pem)
        return use_certificate(context, config->cert_pem, config->key_pem ? config->key_pem : "",
                               err);
    return 0;
}

struct tls_client *tls_client_new(const struct tls_client_config *config, struct error *err)
{
    scoped(tls_client_free) struct tls_client *client = xcalloc(1, sizeof *client);

    client->has_ca = config->ca_pem;
    client->is_insecure = config->is_insecure;
    client->context = new_context(TLS_client_method(), err);
    if (!client->context || set_up_client(client, config, err) < 0)
        return NULL;
    return take(client);
}

void tls_client_free(struct tls_client **client)
{
    if (*client)
        SSL_CTX_free((*client)->context);
    free(*client);
    *client = NULL;
}

/* --- the BIO */

static int bio_read(BIO *bio, char *data, int size)
{
    struct tls_stream *stream = BIO_get_data(bio);
    struct str *in = stream->in;

    BIO_clear_retry_flags(bio);
    if (!in || in->len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t len = in->len < (size_t)size ? in->len : (size_t)size;

    memcpy(data, in->data, len);
    *in = str_skip(*in, len);
    return (int)len;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct tls_stream *stream = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    buf_append(stream->out, data, (size_t)len);
    return len;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH;
}

static BIO *new_bio(struct tls_stream *stream)
{
    static BIO_METHOD *method;

    if (!method) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "hoop");
        BIO_meth_set_read(method, bio_read);
        BIO_meth_set_write(method, bio_write);
        BIO_meth_set_ctrl(method, bio_control);
    }
    BIO *bio = BIO_new(method);

    assert(bio); /* memory ended */
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    return bio;
}

/* --- streams */

static struct tls_stream *new_stream(SSL_CTX *context)
{
    struct tls_stream *stream = xcalloc(1, sizeof *stream);

    stream->ssl = SSL_new(context);
    assert(stream->ssl); /* memory ended */
    SSL_set_app_data(stream->ssl, stream);
    BIO *bio = new_bio(stream);

    SSL_set_bio(stream->ssl, bio, bio);
    return stream;
}

struct tls_stream *tls_stream_accept(const struct tls_server *server)
{
    struct tls_stream *stream = new_stream(server->context);

    stream->server = tls_server_share(server);
    SSL_set_accept_state(stream->ssl);
    return stream;
}

static bool is_address(const char *name)
{
    unsigned char address[16];

    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* A name is asked for and compared without the dot that may stand at its end. */
static void expect_name(struct tls_stream *stream, const char *name, bool is_insecure)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(stream->ssl);
    size_t len = strlen(name);

    stream->server_name = xstrndup(name, len > 1 && name[len - 1] == '.' ? len - 1 : len);
    bool is_ip = is_address(stream->server_name);

    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!is_ip)
        SSL_set_tlsext_host_name(stream->ssl, stream->server_name);
    if (is_insecure)
        return;
    int is_set = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(param, stream->server_name)
                       : X509_VERIFY_PARAM_set1_host(param, stream->server_name, 0);

    assert(is_set); /* or any name would do */
}

struct tls_stream *tls_stream_connect(const struct tls_client *client, const char *server_name,
                                      const char *alpn)
{
    struct tls_stream *stream = new_stream(client->context);
    struct alpn wire = alpn_parse(alpn);

    stream->has_own_ca = client->has_ca;
    expect_name(stream, server_name, client->is_insecure);
    if (wire.len)
        SSL_set_alpn_protos(stream->ssl, wire.bytes, (unsigned)wire.len);
    SSL_set_connect_state(stream->ssl);
    return stream;
}

void tls_stream_free(struct tls_stream **stream)
{
    if (!*stream)
        return;
    SSL_free((*stream)->ssl);
    free((*stream)->failure);
    tls_server_free(&(*stream)->server);
    free((*stream)->server_name);
    free(*stream);
    *stream = NULL;
}

static void begin(struct tls_stream *stream, struct str *in, struct buf *out)
{
    stream->in = in;
    stream->out = out;
    ERR_clear_error();
}

/* What an operation that returned `status` <= 0 means. */
static enum io finish(struct tls_stream *stream, int status, struct error *err)
{
    struct tls_blame blame = {.refusal = &stream->refusal,
                              .server_name = stream->server_name,
                              .has_own_ca = stream->has_own_ca};

    switch (SSL_get_error(stream->ssl, status)) {
    case SSL_ERROR_WANT_READ:
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    default:
        return tls_error_set(err, &blame) < 0 ? IO_FAILED : IO_OK;
    }
}

enum io tls_stream_handshake(struct tls_stream *stream, struct str *in, struct buf *out,
                             struct error *err)
{
    begin(stream, in, out);
    int status = SSL_do_handshake(stream->ssl);

    if (status == 1)
        return IO_OK;
    enum io io = finish(stream, status, err);

    if (io == IO_EOF)
        return error_set(err, ERROR_NETWORK, "the peer ended the TLS handshake");
    return io;
}

/* OpenSSL tells the reason of a failure once: it is kept until the bytes before it are given. */
static enum io keep_outcome(struct tls_stream *stream, int status)
{
    struct error failure = {0};

    stream->outcome = finish(stream, status, &failure);
    if (stream->outcome == IO_FAILED) {
        stream->failure = xcalloc(1, sizeof failure);
        *stream->failure = failure;
    }
    if (stream->outcome == IO_AGAIN)
        stream->outcome = IO_OK;
    return IO_OK;
}

enum io tls_stream_read(struct tls_stream *stream, struct str *in, struct buf *out, char *plain,
                        size_t capacity, size_t *len, struct error *err)
{
    size_t total = 0;

    if (stream->outcome == IO_FAILED)
        *err = *stream->failure;
    if (stream->outcome != IO_OK)
        return stream->outcome;
    begin(stream, in, out);
    while (capacity - total >= TLS_RECORD_BYTES) {
        int status = SSL_read(stream->ssl, plain + total, (int)(capacity - total));

        if (status > 0) {
            total += (size_t)status;
            continue;
        }
        *len = total;
        return total > 0 ? keep_outcome(stream, status) : finish(stream, status, err);
    }
    *len = total;
    return IO_OK;
}

int tls_stream_write(struct tls_stream *stream, struct str plain, struct buf *out,
                     struct error *err)
{
    begin(stream, NULL, out);
    while (plain.len > 0) {
        int status = SSL_write(stream->ssl, plain.data, (int)plain.len);

        if (status <= 0) {
            if (finish(stream, status, err) != IO_FAILED)
                error_set(err, ERROR_NETWORK, "TLS: the stream cannot be written any more");
            return -1;
        }
        plain = str_skip(plain, (size_t)status);
    }
    return 0;
}

void tls_stream_close(struct tls_stream *stream, struct buf *out)
{
    begin(stream, NULL, out);
    ignore(SSL_shutdown(stream->ssl));
    ERR_clear_error();
}

void tls_stream_alpn(const struct tls_stream *stream, char *alpn, size_t size)
{
    const unsigned char *name = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(stream->ssl, &name, &len);
    snprintf(alpn, size, "%.*s", (int)len, (const char *)name);
}
