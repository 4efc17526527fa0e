/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_path - where the REST API has a topic, or something else of that name.
 *
 * Threads: pure.
 */
#ifndef HULSE_PULSAR_ADMIN_TOPIC_PATH_H
#define HULSE_PULSAR_ADMIN_TOPIC_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A name of 1,087 bytes, each as three, and what is around it. */
#define PULSAR_REST_PATH_BYTES 8192U

/* Grows from the left; `whole` turns false, for good, when there is no room. */
struct rest_path {
    char text[PULSAR_REST_PATH_BYTES]; /* terminated */
    size_t bytes;
    bool whole;
};

void hulse_rest_path_init(struct rest_path *p);
/* As it is. */
void hulse_rest_path_add(struct rest_path *p, const char *text);
/* A slash, and `bytes` of one segment, percent-encoded. */
void hulse_rest_path_segment(struct rest_path *p, const char *text, size_t bytes);
/*
 * DOMAIN/TENANT/NAMESPACE/TOPIC of a full name. `root`: what takes the place of the domain, "schemas"; NULL: the domain
 * itself. False: not a full name.
 */
bool hulse_rest_path_topic(struct rest_path *p, const char *root, const char *full_name);
/* "?NAME=" or "&NAME=", and the value, percent-encoded. */
void hulse_rest_path_query(struct rest_path *p, const char *name, const char *value);
/* "TENANT", or "TENANT/NAMESPACE". */
void hulse_rest_path_namespace(struct rest_path *p, const char *name);

#endif
