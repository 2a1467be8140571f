#include "session/ulid.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#define TIME_CHARACTERS 10

char *ulid_write(char text[ULID_BYTES], int64_t unix_ms,
                 const unsigned char random[ULID_RANDOM_BYTES])
{
    uint64_t ms = (uint64_t)unix_ms;

    for (int i = TIME_CHARACTERS - 1; i >= 0; i--) {
        text[i] = alphabet[ms & 31];
        ms >>= 5;
    }
    unsigned bits = 0;
    unsigned held = 0; /* how many of `bits` are still to be written */
    char *out = text + TIME_CHARACTERS;

    for (int i = 0; i < ULID_RANDOM_BYTES; i++) {
        bits = bits << 8 | random[i];
        for (held += 8; held >= 5; held -= 5)
            *out++ = alphabet[bits >> (held - 5) & 31];
    }
    *out = '\0';
    return text;
}

char *ulid_new(char text[ULID_BYTES])
{
    unsigned char random[ULID_RANDOM_BYTES];

    random_bytes(random, sizeof random);
    return ulid_write(text, clock_now().unix_us / 1000, random);
}

int64_t ulid_unix_ms(struct str text)
{
    int64_t ms = 0;

    if (text.len != ULID_CHARACTERS)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.data[i] ? strchr(alphabet, text.data[i]) : NULL;

        if (!digit || (i == 0 && digit > alphabet + 7)) /* 50 bits are written, 48 are used */
            return -1;
        if (i < TIME_CHARACTERS)
            ms = ms << 5 | (digit - alphabet);
    }
    return ms;
}

bool ulid_is_valid(struct str text)
{
    return ulid_unix_ms(text) >= 0;
}

char *ulid_date(const char *text, char date[ULID_DATE_BYTES])
{
    int64_t unix_ms = ulid_unix_ms(str_from(text));
    char time[CLOCK_TEXT_BYTES];

    clock_format_us(unix_ms < 0 ? 0 : unix_ms * 1000, time);
    snprintf(date, ULID_DATE_BYTES, "%.10s", time);
    return date;
}
