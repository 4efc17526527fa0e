/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_rc - what became of a step of a stream.
 */
#ifndef HULSE_PULSAR_CONNECTION_STREAM_RC_H
#define HULSE_PULSAR_CONNECTION_STREAM_RC_H

enum stream_rc {
    STREAM_OK,
    STREAM_AGAIN, /* not now: the watch will tell */
    STREAM_ENDED, /* the other side has closed it */
    STREAM_FAILED /* the stream says why */
};

#endif
