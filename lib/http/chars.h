/* chars.h - lib/http's own: which bytes may stand where (RFC 9110 5.6.2, 5.5; RFC 3986), and a way
 * into a head for parsers. */
#pragma once

#include <stdbool.h>

#include "http/head.h"

enum char_class {
    CHAR_TOKEN = 1,     /* tchar */
    CHAR_VALUE = 2,     /* VCHAR, SP, HT, obs-text */
    CHAR_TARGET = 4,    /* VCHAR but '#' */
    CHAR_AUTHORITY = 8, /* unreserved, sub-delims, '%', ':', '[', ']' */
};

/* Are all bytes of `text` of that class? True for an empty one. */
bool chars_are(struct str text, enum char_class class);

/* Impersonate-…, X-Remote-…: who the caller is, or wants to be. */
bool http_is_identity(struct str name);

/* Adds a field whose text the head keeps already (http_head_keep). */
void http_head_push_kept(struct http_head *head, struct http_field field);
