#include "proxy/recorder_command.h"

#include "base/alloc.h"
#include "base/jsondoc.h"
#include "base/scoped.h"

struct command *command_new(struct recording *recording, enum command_kind kind)
{
    struct command *command = xcalloc(1, sizeof *command);

    command->recording = recording;
    command->kind = kind;
    command->at = clock_now();
    command->bytes = sizeof *command;
    return command;
}

void command_free(struct command **command)
{
    struct command *c = *command;

    if (!c)
        return;
    free(c->type);
    jsondoc_free(&c->payload);
    free(c->invocation);
    http_head_delete(&c->head);
    if (c->info) {
        request_info_free(c->info);
        free(c->info);
    }
    free(c->user);
    free(c->source_ip);
    for (size_t i = 0; i < c->chunk_count; i++)
        chunk_free(&c->chunks[i]);
    free(c->chunks);
    receipt_free(&c->receipt);
    if (c->outcome)
        free((char *)c->outcome->reason);
    free(c->outcome);
    if (c->kind == COMMAND_COMPLETE)
        record_forget(&c->record);
    free(c);
    *command = NULL;
}

void command_list_push_adopt(struct command_list *list, struct command *command)
{
    command->next = NULL;
    if (list->last)
        list->last->next = command;
    else
        list->first = command;
    list->last = command;
    list->bytes += command->bytes;
}

struct command *command_list_pop(struct command_list *list)
{
    struct command *command = list->first;

    if (!command)
        return NULL;
    list->first = command->next;
    if (!list->first)
        list->last = NULL;
    list->bytes -= command->bytes;
    command->next = NULL;
    return command;
}

void command_list_append(struct command_list *list, struct command_list *from)
{
    if (!from->first)
        return;
    if (list->last)
        list->last->next = from->first;
    else
        list->first = from->first;
    list->last = from->last;
    list->bytes += from->bytes;
    *from = (struct command_list){0};
}

void command_list_clear(struct command_list *list)
{
    struct command *command;

    while ((command = command_list_pop(list)))
        command_free(&command);
}
