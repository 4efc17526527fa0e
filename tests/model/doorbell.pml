/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:      no lost wake (M9/M10, M11/M12, M14/M15) on a processor with store buffers.
 * Method:    each side has a store buffer of one word that empties at any time; a fence waits for
 *            it. Without SHAPE_WANT the sleeper arms an epoch (armed); with it the sleeper announces
 *            a position (wake_at, space_at and down_want are the same shape). A lost wake is an
 *            invalid end state: the sleeper blocks on a bell that never comes.
 * Mutations: NO_WAKER_FENCE, NO_SLEEPER_FENCE, NO_RECHECK, and for SHAPE_WANT: PAST (the wish is
 *            tested for equality, not for crossing).
 */
#define STEPS 3

byte position = 0;      /* up_tail, down_tail, up_head or down_head */
byte flag = 0;          /* armed epoch, or the announced position */
byte bell = 0;          /* wakes on their way; a bell that rings twice is one wake */

/* Store buffers: full means not yet visible. */
bool waker_full = false;
byte waker_value;
bool sleeper_full = false;
byte sleeper_value;

active proctype waker_buffer()
{
end:
    do
    :: atomic { waker_full -> position = waker_value; waker_full = false }
    od
}

active proctype sleeper_buffer()
{
end:
    do
    :: atomic { sleeper_full -> flag = sleeper_value; sleeper_full = false }
    od
}

inline store_position(v) { atomic { !waker_full -> waker_value = v; waker_full = true } }
inline store_flag(v) { atomic { !sleeper_full -> sleeper_value = v; sleeper_full = true } }

active proctype waker()
{
    byte at = 0;
    byte rung = 0;
    byte seen;
    byte before;

    do
    :: at < STEPS ->
        before = at;
        /* A flush publishes one step or several. */
        if
        :: at = at + 1
        :: at + 2 <= STEPS -> at = at + 2
        fi;
        store_position(at);
#ifndef NO_WAKER_FENCE
        !waker_full;
#endif
        seen = flag;
        if
#ifdef SHAPE_WANT
#ifdef PAST
        :: seen == at -> bell = 1
#else
        :: before < seen && seen <= at -> bell = 1
#endif
#else
        :: (seen & 1) && seen != rung -> rung = seen; bell = 1
#endif
        :: else
        fi
    :: else -> break
    od
}

active proctype sleeper()
{
    byte got = 0;
    byte epoch = 0;
    byte now;

    do
    :: got < STEPS ->
#ifdef SHAPE_WANT
        store_flag(got + 1);
#else
        epoch = epoch + 1;
        store_flag(epoch);
#endif
#ifndef NO_SLEEPER_FENCE
        !sleeper_full;
#endif
#ifdef NO_RECHECK
        now = got;
#else
        now = position;
#endif
        if
        :: now == got ->
            bell == 1; /* asleep */
            bell = 0
        :: else
        fi;
#ifndef SHAPE_WANT
        epoch = epoch + 1;
        store_flag(epoch);
#endif
        now = position;
        assert(now >= got);
        got = now
    :: else -> break
    od
}
