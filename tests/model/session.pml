/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:      a session's life: nothing before WELCOME, a channel is live only between CHANNEL_OK and
 *            close, each request has one answer, and after a hang-up at any moment or a broken rule
 *            every region is unmapped exactly once and nothing stays.
 * Method:    an application that sends any message at any time, well-behaved or not, against the
 *            daemon's states; descriptors and maps are counted.
 * Mutations: LIVE_BEFORE_READY (live at OPEN_CHANNEL), NO_CLEANUP (hang-up leaves the maps),
 *            DOUBLE_CLOSE (a second CLOSE_CHANNEL unmaps again), NO_HELLO_CHECK.
 */
mtype = { hello, open_channel, ready, close_channel, hang_up };
mtype = { welcome, channel, channel_ok, ok, err, bye };
mtype = { fresh, greeted, gone };               /* session */
mtype = { none, offered, live };                /* channel */

chan requests = [2] of { mtype };
chan answers = [2] of { mtype };

mtype session = fresh;
mtype slot = none;
byte maps = 0;                                   /* mapped pairs of regions */
bool sealed = false;                             /* A is sealed and its blocks are checked */
bool app_mapped = false;
bool app_gone = false;

active proctype app()
{
    mtype answer;

    do
    :: break                                     /* dies between two messages */
    :: requests ! hello; answers ? answer;
        if
        :: answer == bye -> break
        :: else
        fi
    :: requests ! open_channel; answers ? answer;
        if
        :: answer == bye -> break
        :: answer == channel -> app_mapped = true
        :: else
        fi
    :: requests ! ready; answers ? answer;
        if
        :: answer == bye -> break
        :: answer == channel_ok -> assert(app_mapped)
        :: else
        fi
    :: requests ! close_channel; answers ? answer;
        if
        :: answer == bye -> break
        :: else -> app_mapped = false
        fi
    od;
    app_gone = true;
    requests ! hang_up
}

inline end_session()
{
    if
#ifndef NO_CLEANUP
    :: slot != none -> maps--; slot = none; sealed = false
#endif
    :: else
    fi;
    session = gone
}

#ifdef NO_HELLO_CHECK
#define MAY_OPEN true
#else
#define MAY_OPEN (session == greeted)
#endif

active proctype daemon()
{
    mtype m;

    do
    :: requests ? m ->
        if
        :: m == hang_up -> end_session(); break
        :: m == hello ->
            if
            :: session == fresh -> session = greeted; answers ! welcome
            :: else -> end_session(); answers ! bye; break /* a second HELLO */
            fi
#ifndef NO_HELLO_CHECK
        :: m != hang_up && m != hello && session == fresh -> end_session(); answers ! bye; break
#endif
        :: m == open_channel && MAY_OPEN ->
            assert(session == greeted);
            if
            :: slot == none ->
                maps++;
#ifdef LIVE_BEFORE_READY
                slot = live;
#else
                slot = offered;
#endif
                answers ! channel
            :: else -> answers ! err             /* quota of one */
            fi
        :: m == ready && session == greeted ->
            if
            :: slot == offered ->
                if
                :: sealed = true; slot = live; answers ! channel_ok
                :: end_session(); answers ! bye; break /* V1 or V2 */
                fi
            :: else -> end_session(); answers ! bye; break
            fi
        :: m == close_channel && session == greeted ->
            if
#ifdef DOUBLE_CLOSE
            :: true -> maps--; slot = none; sealed = false; answers ! ok
#else
            :: slot != none -> maps--; slot = none; sealed = false; answers ! ok
            :: else -> answers ! err
#endif
            fi
        fi
    od;
    assert(maps == 0 && slot == none)
}

ltl live_is_sealed { [] (slot == live -> sealed) }
ltl maps_bounded { [] (maps <= 1) }
ltl ends { [] (app_gone -> <> (session == gone && maps == 0)) }
