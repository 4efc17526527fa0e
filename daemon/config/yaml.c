/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml - see yaml.h.
 */
#include "daemon/config/yaml.h"

#include "daemon/core/assert.h"

#include <string.h>
#include <yaml.h>

struct anchor {
    const char *name;
    const struct yaml_node *node;
};

/* A sequence or a mapping that has begun. */
struct frame {
    struct yaml_node *node;
    struct yaml_node **tail; /* where its next element or key goes */
    struct yaml_node *key;   /* that waits for its value */
    const char *anchor;      /* name, or NULL */
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one, once `has_event` */
    bool has_event;
    struct config_arena *arena;
    const char *file;
    const char *text;
    size_t bytes;
    struct config_problems *problems;
    struct yaml_node *root; /* once it is whole */
    unsigned depth;
    struct frame stack[HULSE_YAML_DEPTH_MAX];
    size_t anchor_count;
    struct anchor anchors[HULSE_YAML_ANCHORS_MAX];
};

static struct config_place place_of(const struct reader *r, const yaml_mark_t *mark)
{
    return (struct config_place){
        .file = r->file, .line = (uint32_t)mark->line + 1, .column = (uint32_t)mark->column + 1};
}

static struct config_place place_of_event(const struct reader *r)
{
    return place_of(r, &r->event.start_mark);
}

/* libyaml gives the place of bytes that are no text as an offset. */
static struct config_place place_of_offset(const struct reader *r, size_t offset)
{
    struct config_place place = {.file = r->file, .line = 1, .column = 1};

    for (size_t i = 0; i < offset && i < r->bytes; i++) {
        if (r->text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)r->text[i] & 0xc0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

/* The mistake that YAML is known for. A place in an indentation counts bytes. */
static bool is_tab(const struct reader *r, const yaml_mark_t *mark)
{
    const char *at = r->text;
    const char *const end = r->text + r->bytes;

    for (size_t line = 0; line < mark->line && at != NULL; line++) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at == NULL ? NULL : at + 1;
    }
    return at != NULL && (size_t)(end - at) > mark->column && at[mark->column] == '\t';
}

static void report_parser(const struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem == NULL ? "not YAML" : p->problem;

    if (p->error == YAML_READER_ERROR) {
        hulse_problem_add(r->problems,
                          place_of_offset(r, p->problem_offset),
                          "%s; a configuration is UTF-8 text",
                          problem);
    } else if (p->error == YAML_MEMORY_ERROR) {
        hulse_problem_add(r->problems, place_of(r, &p->mark), "no memory");
    } else if (p->error == YAML_SCANNER_ERROR && is_tab(r, &p->problem_mark)) {
        hulse_problem_add(
            r->problems, place_of(r, &p->problem_mark), "a tab cannot indent; spaces are expected");
    } else if (p->context != NULL) {
        hulse_problem_add(r->problems,
                          place_of(r, &p->problem_mark),
                          "%s; %s (line %zu)",
                          problem,
                          p->context,
                          p->context_mark.line + 1);
    } else {
        hulse_problem_add(r->problems, place_of(r, &p->problem_mark), "%s", problem);
    }
}

static bool advance(struct reader *r)
{
    if (r->has_event) {
        yaml_event_delete(&r->event);
        r->has_event = false;
    }
    if (yaml_parser_parse(&r->parser, &r->event) == 0) {
        report_parser(r);
        return false;
    }
    r->has_event = true;
    return true;
}

static bool refuse(const struct reader *r, const char *why)
{
    hulse_problem_add(r->problems, place_of_event(r), "%s", why);
    return false;
}

static bool remember(struct reader *r, const char *name, const struct yaml_node *node)
{
    if (r->anchor_count == HULSE_YAML_ANCHORS_MAX) {
        const struct config_place place = {
            .file = r->file, .line = node->line, .column = node->column};
        hulse_problem_add(r->problems, place, "more than %u anchors", HULSE_YAML_ANCHORS_MAX);
        return false;
    }
    r->anchors[r->anchor_count++] = (struct anchor){.name = name, .node = node};
    return true;
}

/* A copy of the named node at the place of the alias; what is below is shared. */
static bool take_alias(struct reader *r, struct yaml_node *out)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    const struct yaml_node at = *out;

    /* The latest of a name counts. */
    for (size_t i = r->anchor_count; i > 0; i--) {
        if (strcmp(r->anchors[i - 1].name, name) == 0) {
            *out = *r->anchors[i - 1].node;
            out->line = at.line;
            out->column = at.column;
            out->next = NULL;
            out->value = NULL;
            return true;
        }
    }
    hulse_problem_add(
        r->problems, place_of_event(r), "no whole node before this is named '&%.48s'", name);
    return false;
}

static bool take_scalar(struct reader *r, struct yaml_node *out)
{
    const char *value = (const char *)r->event.data.scalar.value;
    const size_t bytes = r->event.data.scalar.length;

    if (memchr(value, '\0', bytes) != NULL) {
        return refuse(r, "a text must not contain a zero byte");
    }
    out->plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    out->text = hulse_arena_text(r->arena, value, bytes);
    return out->text != NULL || refuse(r, "no memory");
}

static bool add_weight(const struct reader *r, struct yaml_node *parent, const struct yaml_node *n)
{
    const struct config_place place = {.file = r->file, .line = n->line, .column = n->column};

    if (n->weight > HULSE_YAML_NODES_MAX - parent->weight) {
        hulse_problem_add(r->problems,
                          place,
                          "with its aliases expanded this has more than %u nodes",
                          HULSE_YAML_NODES_MAX);
        return false;
    }
    parent->weight += n->weight;
    return true;
}

/* The second of two is reported and kept, so that what it holds is checked too. */
static void compare_keys(const struct reader *r, const struct yaml_node *map, const char *text)
{
    for (const struct yaml_node *k = map->first; k != NULL; k = k->next) {
        if (strcmp(k->text, text) == 0) {
            hulse_problem_add(r->problems,
                              place_of_event(r),
                              "duplicate key '%.48s'; the first is in line %u",
                              text,
                              k->line);
            return;
        }
    }
}

/* ---- the tree ---- */

static struct yaml_node *make_node(const struct reader *r, enum yaml_kind kind)
{
    struct yaml_node *node = hulse_arena_alloc(r->arena, sizeof(*node));

    if (node == NULL) {
        (void)refuse(r, "no memory");
        return NULL;
    }
    *node = (struct yaml_node){
        .kind = kind,
        .line = (uint32_t)r->event.start_mark.line + 1,
        .column = (uint32_t)r->event.start_mark.column + 1,
        .weight = 1,
    };
    return node;
}

/* True when the next node is a key. */
static bool is_key_due(const struct reader *r)
{
    const struct frame *top = r->depth == 0 ? NULL : &r->stack[r->depth - 1];

    return top != NULL && top->node->kind == YAML_MAPPING && top->key == NULL;
}

static bool check_key(const struct reader *r)
{
    const struct yaml_node *map = r->stack[r->depth - 1].node;

    if (r->event.type != YAML_SCALAR_EVENT) {
        return refuse(r, "a key is one word");
    }
    if (map->count == HULSE_YAML_KEYS_MAX) {
        return refuse(r, "too many keys in one mapping");
    }
    compare_keys(r, map, (const char *)r->event.data.scalar.value);
    return true;
}

/* A whole node gets its place: as the root, or in what is open. */
static bool attach(struct reader *r, struct yaml_node *node)
{
    if (r->depth == 0) {
        r->root = node;
        return true;
    }
    struct frame *top = &r->stack[r->depth - 1];
    if (!add_weight(r, top->node, node)) {
        return false;
    }
    if (top->key != NULL) {
        top->key->value = node;
        top->key = NULL;
        return true;
    }
    *top->tail = node;
    top->tail = &node->next;
    top->node->count++;
    top->key = top->node->kind == YAML_MAPPING ? node : NULL;
    return true;
}

static bool copy_anchor(const struct reader *r, const yaml_char_t *name, const char **out)
{
    *out = NULL;
    if (name == NULL) {
        return true;
    }
    *out = hulse_arena_text(r->arena, (const char *)name, strlen((const char *)name));
    return *out != NULL || refuse(r, "no memory");
}

static bool open_node(struct reader *r, enum yaml_kind kind, const yaml_char_t *anchor)
{
    struct frame *frame = &r->stack[r->depth];

    if (r->depth == HULSE_YAML_DEPTH_MAX) {
        return refuse(r, "nested too deeply");
    }
    *frame = (struct frame){.node = make_node(r, kind)};
    if (frame->node == NULL || !copy_anchor(r, anchor, &frame->anchor)) {
        return false;
    }
    frame->tail = &frame->node->first;
    r->depth++;
    return true;
}

/* Only a whole node can be named, so none contains itself. */
static bool finish_node(struct reader *r, struct yaml_node *node, const char *anchor)
{
    return (anchor == NULL || remember(r, anchor, node)) && attach(r, node);
}

static bool close_node(struct reader *r)
{
    r->depth--;
    return finish_node(r, r->stack[r->depth].node, r->stack[r->depth].anchor);
}

static bool add_scalar(struct reader *r)
{
    struct yaml_node *node = make_node(r, YAML_SCALAR);
    const char *anchor = NULL;

    return node != NULL && take_scalar(r, node) &&
           copy_anchor(r, r->event.data.scalar.anchor, &anchor) && finish_node(r, node, anchor);
}

static bool add_alias(struct reader *r)
{
    struct yaml_node *node = make_node(r, YAML_SCALAR);

    return node != NULL && take_alias(r, node) && attach(r, node);
}

/* Takes the current event. */
static bool take_event(struct reader *r)
{
    const yaml_event_t *event = &r->event;

    switch (event->type) {
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_node(r);
    case YAML_DOCUMENT_START_EVENT:
        return r->root == NULL || refuse(r, "a second document; one is expected");
    case YAML_ALIAS_EVENT:
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        break;
    default:
        return true;
    }
    if (is_key_due(r) && !check_key(r)) {
        return false;
    }
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return add_alias(r);
    case YAML_SCALAR_EVENT:
        return add_scalar(r);
    case YAML_SEQUENCE_START_EVENT:
        return open_node(r, YAML_SEQUENCE, event->data.sequence_start.anchor);
    default:
        return open_node(r, YAML_MAPPING, event->data.mapping_start.anchor);
    }
}

static bool read_stream(struct reader *r)
{
    do {
        if (!advance(r) || !take_event(r)) {
            return false;
        }
    } while (r->event.type != YAML_STREAM_END_EVENT);
    HULSE_ASSERT(r->depth == 0);
    if (r->root == NULL) {
        /* Often half a write of the file; a configuration of defaults can say so. */
        return refuse(r, "the file is empty; {} stands for a configuration of defaults");
    }
    return true;
}

struct yaml_node *hulse_yaml_parse(struct config_arena *arena,
                                   const char *file,
                                   const char *text,
                                   size_t bytes,
                                   struct config_problems *problems)
{
    struct reader r = {
        .arena = arena, .file = file, .text = text, .bytes = bytes, .problems = problems};
    if (yaml_parser_initialize(&r.parser) == 0) {
        hulse_problem_add(problems, (struct config_place){.file = file}, "no memory");
        return NULL;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, bytes);
    const bool fine = read_stream(&r);
    if (r.has_event) {
        yaml_event_delete(&r.event);
    }
    yaml_parser_delete(&r.parser);
    return fine ? r.root : NULL;
}

bool hulse_yaml_is_null(const struct yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    if (node->kind != YAML_SCALAR || !node->plain) {
        return false;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(node->text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}
