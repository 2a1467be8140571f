/* fuzz_redact_yaml.c - YAML as a client may send it. Where it is understood, the result is read by
 * another reader, yaml_tree.h, aliases followed: all that is secret by its place has been replaced,
 * and no comment is left. */
#include <assert.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/scoped.h"
#include "kube/redact_keys.h"
#include "kube/redact_yaml.h"
#include "kube/yaml_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CANARY "cAnArY-7f3b9d21e6"

static void check_secret(const struct yaml_node *node, unsigned depth)
{
    if (depth > YAML_TREE_DEPTH_MAX)
        return;
    if (node->kind == YAML_LIST || node->kind == YAML_MAP) {
        for (size_t i = node->kind == YAML_MAP; i < node->count;
             i += node->kind == YAML_MAP ? 2 : 1)
            check_secret(node->items[i], depth + 1);
        return;
    }
    assert(node->kind == YAML_NULL || str_starts(node->text, STR("redacted:v1:")));
}

static void check_node(const struct yaml_node *node, unsigned depth)
{
    if (depth > YAML_TREE_DEPTH_MAX)
        return;
    for (size_t i = 0; node->kind == YAML_LIST && i < node->count; i++)
        check_node(node->items[i], depth + 1);
    for (size_t i = 0; node->kind == YAML_MAP && i + 1 < node->count; i += 2) {
        if (redact_key_class(node->items[i]->text) == KEY_PLAIN)
            check_node(node->items[i + 1], depth + 1);
        else
            check_secret(node->items[i + 1], depth + 1);
    }
}

static void apply(struct buf *out, struct str text, const struct redact_edits *edits)
{
    size_t done = 0;

    for (size_t i = 0; i < edits->count; i++) {
        assert(edits->items[i].from >= done && edits->items[i].to > edits->items[i].from);
        buf_append(out, text.data + done, edits->items[i].from - done);
        buf_append_text(out, edits->items[i].text);
        done = edits->items[i].to;
    }
    assert(done <= text.len);
    buf_append_str(out, str_skip(text, done));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fingerprint_key key;
    struct redact_edits edits = {0};
    struct fingerprint *print = fingerprint_new(&key, STR("c"));
    scoped(buf_free) struct buf text = {.limit = 64 << 20}, out = {.limit = 64 << 20};
    bool is_learned = str_find(str_make(data, size), STR(CANARY)) >= 0;

    buf_append(&text, data, size);
    buf_append_text(&text, "\n#" CANARY);
    int status = redact_yaml(&edits, buf_str(&text), print);
    fingerprint_free(&print);
    if (status < 0) {
        assert(edits.count == 0 && !edits.items);
        return 0;
    }
    apply(&out, buf_str(&text), &edits);
    redact_edits_free(&edits);
    assert(is_learned || str_find(buf_str(&out), STR(CANARY)) < 0);

    struct error err = {0};
    scoped(yaml_tree_free) struct yaml_tree *tree = yaml_tree_parse("out", buf_str(&out), &err);
    if (tree && yaml_tree_root(tree))
        check_node(yaml_tree_root(tree), 0);
    return 0;
}
