/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readme - the shortest program that publishes: the five lines of README.md.
 *
 * Usage: readme [TOPIC]. Exit 0 when the message is stored.
 */
#include <hulse/hulse.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    const char *topic = argc > 1 ? argv[1] : "non-persistent://public/default/hello";
    hulse_session *session = NULL;
    hulse_producer *producer = NULL;

    /* README: begin */
    hulse_status st = hulse_open(&session, NULL);
    st = st ? st : hulse_producer_open(session, &producer, topic, NULL);
    st = st ? st : hulse_publish(producer, "hello", 5, NULL, 0);
    st = st ? st : hulse_sync(producer, 5000, NULL); /* the topic has it */
    (void)hulse_close(&session, 1000);
    /* README: end */
    printf("%s\n", hulse_status_text(st));
    return st == HULSE_OK ? 0 : 1;
}
