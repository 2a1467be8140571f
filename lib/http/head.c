#include "http/head.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/num.h"
#include "http/chars.h"

#define BLOCK_BYTES 1000

/* A piece of the head's memory; never moves. */
struct http_block {
    struct http_block *next;
    size_t used;
    size_t capacity;
    char data[];
};

void http_head_free(struct http_head *head)
{
    while (head->blocks) {
        struct http_block *block = head->blocks;

        head->blocks = block->next;
        free(block);
    }
    free(head->fields);
    *head = (struct http_head){0};
}

struct http_head *http_head_new(void)
{
    return xcalloc(1, sizeof(struct http_head));
}

struct http_head *http_head_take(struct http_head *head)
{
    struct http_head *taken = http_head_new();

    *taken = *head;
    *head = (struct http_head){0};
    return taken;
}

void http_head_delete(struct http_head **head)
{
    if (*head)
        http_head_free(*head);
    free(*head);
    *head = NULL;
}

void http_head_copy(struct http_head *copy, const struct http_head *head)
{
    copy->method = http_head_keep(copy, head->method);
    copy->target = http_head_keep(copy, head->target);
    copy->authority = http_head_keep(copy, head->authority);
    copy->status = head->status;
    copy->reason = http_head_keep(copy, head->reason);
    copy->version = head->version;
    for (size_t i = 0; i < head->field_count; i++)
        http_head_add_field(copy, head->fields[i].name, head->fields[i].value);
}

struct str http_head_keep(struct http_head *head, struct str text)
{
    struct http_block *block = head->blocks;

    if (text.len == 0)
        return STR("");
    if (!block || text.len > block->capacity - block->used) {
        size_t capacity = max_of(text.len, (size_t)BLOCK_BYTES);

        block = xrealloc(NULL, sizeof *block + capacity);
        *block = (struct http_block){.next = head->blocks, .capacity = capacity};
        head->blocks = block;
    }
    char *kept = block->data + block->used;

    memcpy(kept, text.data, text.len);
    block->used += text.len;
    return str_make(kept, text.len);
}

void http_head_add(struct http_head *head, const char *name, struct str value)
{
    http_head_add_field(head, str_from(name), value);
}

void http_head_add_field(struct http_head *head, struct str name, struct str value)
{
    struct http_field field = {http_head_keep(head, name), http_head_keep(head, value)};

    http_head_push_kept(head, field);
}

void http_head_push_kept(struct http_head *head, struct http_field field)
{
    if (head->field_count == head->field_capacity) {
        head->field_capacity = head->field_capacity ? 2 * head->field_capacity : 16;
        head->fields = xreallocarray(head->fields, head->field_capacity, sizeof *head->fields);
    }
    head->fields[head->field_count++] = field;
}

/* The first field of this name at `from` or behind it; field_count when there is none. */
static size_t next_named(const struct http_head *head, const char *name, size_t from)
{
    struct str wanted = str_from(name);

    while (from < head->field_count && !str_equal_nocase(head->fields[from].name, wanted))
        from++;
    return from;
}

size_t http_head_remove(struct http_head *head, const char *name)
{
    size_t kept = 0;
    size_t count = head->field_count;
    struct str unwanted = str_from(name);

    for (size_t i = 0; i < count; i++)
        if (!str_equal_nocase(head->fields[i].name, unwanted))
            head->fields[kept++] = head->fields[i];
    head->field_count = kept;
    return count - kept;
}

void http_head_set(struct http_head *head, const char *name, struct str value)
{
    size_t at = next_named(head, name, 0);

    if (at == head->field_count) {
        http_head_add(head, name, value);
        return;
    }
    struct http_field field = {head->fields[at].name, http_head_keep(head, value)};

    http_head_remove(head, name);
    memmove(head->fields + at + 1, head->fields + at,
            (head->field_count - at) * sizeof *head->fields);
    head->fields[at] = field;
    head->field_count++;
}

struct str http_head_get(const struct http_head *head, const char *name)
{
    size_t at = next_named(head, name, 0);

    return at < head->field_count ? head->fields[at].value : (struct str){0};
}

bool http_head_has(const struct http_head *head, const char *name)
{
    return next_named(head, name, 0) < head->field_count;
}

size_t http_head_count(const struct http_head *head, const char *name)
{
    size_t count = 0;

    for (size_t i = next_named(head, name, 0); i < head->field_count;
         i = next_named(head, name, i + 1))
        count++;
    return count;
}

bool http_head_has_token(const struct http_head *head, const char *name, const char *token)
{
    for (size_t i = next_named(head, name, 0); i < head->field_count;
         i = next_named(head, name, i + 1)) {
        struct str rest = head->fields[i].value;

        while (rest.data) {
            struct str part = str_trim(str_split(&rest, ','));

            if (str_equal_nocase(part, str_from(token)))
                return true;
        }
    }
    return false;
}

bool http_head_length(const struct http_head *head, uint64_t *bytes)
{
    struct str value = http_head_get(head, "content-length");

    return value.data && num_parse_u64(value, INT64_MAX, bytes);
}
