#include "kube/redact_pem.h"

#include <stdint.h>
#include <string.h>

#include "base/num.h"

#define LABEL_MAX                                                                                  \
    64 /* bytes between the marker and the words, and those; far more than is needed */

static const char marker[] = "-----BEGIN ", words[] = "PRIVATE KEY";

/* As far as they do not depend on what follows or stands before; the words in each phase. */
static const char coded_marker[] = "LS0tLS1CRUdJTi";
static const char *const coded_words[] = {"UFJJVkFURSBLRV", "BSSVZBVEUgS0VZ", "QUklWQVRFIEtFW"};

static void shift_in(char *tail, size_t size, char c)
{
    memmove(tail, tail + 1, size - 1);
    tail[size - 1] = c;
}

/* One more byte; true when it completes the words. */
static bool plain_next(struct redact_pem *pem, char c)
{
    if (pem->dashes < sizeof marker - 1) {
        if (c == marker[pem->dashes])
            pem->dashes++;
        else if (c != '-') /* six dashes and more end in five, too */
            pem->dashes = 0;
        else if (pem->dashes != 5)
            pem->dashes = 1;
        pem->seen = 0;
        return false;
    }
    if (++pem->seen > LABEL_MAX ||
        !((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ')) {
        pem->dashes = c == '-';
        pem->seen = 0;
        memset(pem->tail, 0, sizeof pem->tail);
        return false;
    }
    shift_in(pem->tail, sizeof pem->tail, c);
    return memcmp(pem->tail, words, sizeof pem->tail) == 0;
}

static const char *plain_find(struct redact_pem *pem, const char *at, const char *end)
{
    while (at < end) {
        if (pem->dashes == 0 && !(at = memchr(at, '-', (size_t)(end - at))))
            return NULL;
        if (plain_next(pem, *at++))
            return at;
    }
    return NULL;
}

static bool coded_next(struct redact_pem *pem, char c)
{
    if (pem->coded < sizeof coded_marker - 1) {
        pem->coded = c == coded_marker[pem->coded] ? pem->coded + 1 : UINT8_MAX;
        return false;
    }
    if (++pem->coded_seen > LABEL_MAX)
        pem->coded = UINT8_MAX;
    shift_in(pem->coded_tail, sizeof pem->coded_tail, c);
    for (size_t i = 0; i < count_of(coded_words); i++)
        if (memcmp(pem->coded_tail, coded_words[i], sizeof pem->coded_tail) == 0)
            return true;
    return false;
}

const char *redact_pem_find(struct redact_pem *pem, const char *at, const char *end)
{
    for (const char *next = at; next < end && pem->coded != UINT8_MAX; next++)
        if (coded_next(pem, *next))
            return next + 1;
    return plain_find(pem, at, end);
}

bool redact_pem_is_in(struct str text)
{
    struct redact_pem pem = {0};

    return text.len && redact_pem_find(&pem, text.data, text.data + text.len);
}
