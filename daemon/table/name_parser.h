/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_parser - from the text of a regular expression to its program, by descent; its characters and classes are read in
 * name_class.c.
 *
 * Threads: pure. Trust: any text of valid UTF-8. Limits: groups 64 deep.
 */
#ifndef HULSE_TABLE_NAME_PARSER_H
#define HULSE_TABLE_NAME_PARSER_H

#include "daemon/table/name_program.h"

struct name_parser {
    struct name_regex *r;
    const char *at;
    unsigned depth;
    bool quoted; /* between \Q and \E */
};

/* All of it. False: r->why says what is wrong. */
bool hulse_name_parse(struct name_regex *r, const char *text);

/* ---- of the parser's own, on what is behind ---- */

/* a backslash: one character. */
bool hulse_name_parse_escape(struct name_parser *c, uint32_t *code);
/* a [. */
bool hulse_name_parse_class(struct name_parser *c);
/* a backslash: \d, \s, \w or the opposite of one, as ranges. False: none of these, or r->why is set. */
bool hulse_name_parse_perl(struct name_parser *c);

#endif
