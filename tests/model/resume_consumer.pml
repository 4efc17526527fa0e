/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:      a consumer channel that outlives its daemon (ipc B8, item 6): whatever instants the daemon
 *            dies at, each message is handed out once while the application lives, each verdict
 *            counts in the end, and the table of unacked messages empties.
 * Method:    the application hands out, acknowledges by slot or by id, and keeps the ids that it has
 *            handed out; daemons die KILLS times between any two of their steps and deliver anew what
 *            is not acknowledged. Every step makes progress, so a message without its verdict at the
 *            end is an invalid end state.
 * Mutations: RESUME_HIGH (verdicts are skipped), NOT_BY_ID (what stands in the ring at ATTACH keeps
 *            its slot), LATE_NOT_BY_ID (so does a later verdict on a message of an older session),
 *            NO_TABLE, LEAVES_EARLY (an entry goes although deliveries are unread), M3_BEFORE_M5,
 *            KEPT_LISTED (a message acknowledged by id stays in the daemon's list).
 */
#define MESSAGES 2
#ifndef KILLS
#define KILLS 2
#endif

mtype = { attach, ready };
mtype = { channel, channel_ok };
mtype = { attached, orphan, connecting, offering, readied };
mtype = { nobody, offered, live };
mtype = { absent, held, answered, seen, passed }; /* an entry of the table */

chan requests = [2] of { mtype, byte };
chan answers = [2] of { mtype };

/* Region A: the verdicts. */
byte tail = 0;
typedef verdict {
    byte message;
    byte ref;           /* the session of the delivery that it answers */
    bool by_id
};
verdict up_ring[MESSAGES];

/* Region B: the deliveries; each daemon delivers a message at most once. */
typedef region {
    byte up_head;
    byte down_tail;
    byte message[MESSAGES]
};
region b[2];

/* Durable: the cursor. */
bool acked[MESSAGES] = false;

/* The daemon. */
bool up = true;
bool connected = true;
byte ours = 0;
mtype session = live;
byte session_number = 1;
bool listed[MESSAGES] = true;   /* from the log, to be delivered */
bool delivered[MESSAGES] = false;
byte applied = 0;
byte first = 0;                 /* verdicts found at ATTACH come before deliveries */
byte written = 0;               /* deliveries in the ring */
byte flushed = 0;               /* up_head after the second step of a flush */
bool flushing = false;
byte kills = KILLS;

/* The client. */
mtype state = attached;
byte mapped = 0;
byte read_at = 0;
byte our_session = 1;
bool handed[MESSAGES] = false;
mtype entry[MESSAGES] = absent;
byte ref_of[MESSAGES] = 0;
byte answered_at[MESSAGES] = 0;
byte read_until[MESSAGES] = 0;

#define B b[mapped]
#define D b[ours]

inline next(m)
{
    if
#ifndef NO_TABLE
    :: entry[m] != absent -> ref_of[m] = our_session /* suppressed; its new ref counts */
#endif
    :: else ->
        assert(!handed[m]);
        handed[m] = true;
        entry[m] = held;
        ref_of[m] = our_session
    fi;
    read_at++
}

inline acknowledge(m)
{
    up_ring[tail].message = m;
    up_ring[tail].ref = ref_of[m];
#ifdef LATE_NOT_BY_ID
    up_ring[tail].by_id = false;
#else
    up_ring[tail].by_id = (ref_of[m] != our_session);
#endif
    tail++;
    answered_at[m] = tail;
    entry[m] = answered
}

/* What an old session's deliveries and verdicts mean in the next one. */
inline offer()
{
#ifdef RESUME_HIGH
    requests ! attach, tail;
#else
    requests ! attach, B.up_head;
#endif
    our_session++;
    i = B.up_head;
    do
#ifndef NOT_BY_ID
    :: i < tail -> up_ring[i].by_id = true; i++
#else
    :: i < tail -> i++
#endif
    :: i >= tail -> break
    od;
    for (i : 0 .. MESSAGES - 1) {
        read_until[i] = 0
    }
    i = 0
}

#ifdef LEAVES_EARLY
#define LEFT(m) (entry[m] == seen || entry[m] == passed)
#else
#define LEFT(m) (entry[m] == passed && (read_at >= read_until[m]))
#endif
/* From ATTACH to READY nothing is read; B is used from READY on. */
#define USES_B (state == attached || state == orphan)

active proctype app()
{
    byte i;

    do
    :: atomic { USES_B && read_at < B.down_tail -> i = B.message[read_at]; next(i); i = 0 }
    :: atomic { entry[0] == held -> acknowledge(0) }
    :: atomic { entry[1] == held -> acknowledge(1) }
    :: atomic { USES_B && entry[0] == answered && B.up_head >= answered_at[0] ->
        entry[0] = seen }
    :: atomic { USES_B && entry[1] == answered && B.up_head >= answered_at[1] ->
        entry[1] = seen }
    :: atomic { USES_B && entry[0] == seen ->
        read_until[0] = B.down_tail; entry[0] = passed }
    :: atomic { USES_B && entry[1] == seen ->
        read_until[1] = B.down_tail; entry[1] = passed }
    :: atomic { USES_B && LEFT(0) -> entry[0] = absent }
    :: atomic { USES_B && LEFT(1) -> entry[1] = absent }

    :: atomic { state == attached && !connected -> state = orphan }
    :: atomic { state == orphan -> state = connecting }
    :: atomic { state == connecting && up ->
        do
        :: len(requests) > 0 -> requests ? _, _
        :: len(answers) > 0 -> answers ? _
        :: len(requests) + len(answers) == 0 -> break
        od;
        connected = true;
        offer();
        state = offering }
    :: atomic { state == offering && answers ? [channel] ->
        answers ? channel;
        mapped = 1 - mapped;
        read_at = 0;
        requests ! ready, 0;
        state = readied }
    :: atomic { state == readied && answers ? [channel_ok] -> answers ? channel_ok; state = attached }
    :: atomic { state == offering && !connected -> state = connecting }
    :: atomic { state == readied && !connected -> state = orphan }
    :: state == attached && acked[0] && acked[1] && entry[0] == absent && entry[1] == absent -> break
    od;
    assert(handed[0] && handed[1])
}

inline deliver(m)
{
    listed[m] = false;
    delivered[m] = true;
    D.message[written] = m;
    written++
}

inline apply()
{
    byte m;

    m = up_ring[applied].message;
    if
    :: up_ring[applied].by_id ->
        acked[m] = true;
#ifndef KEPT_LISTED
        listed[m] = false
#endif
    :: !up_ring[applied].by_id && delivered[m] && up_ring[applied].ref == session_number ->
        acked[m] = true
    :: else /* no such slot: counted, not believed (V13) */
    fi;
    applied++;
    m = 0
}

#define MAY_DELIVER(m) (listed[m] && applied >= first)
#define LIVE (up && session == live && !flushing)

active proctype daemon()
{
end:
    do
    :: atomic { up && connected && session == nobody && requests ? [attach, _] ->
        requests ? attach, applied;
        session_number = our_session;
        ours = 1 - mapped;
        D.up_head = applied;
        D.down_tail = 0;
        written = 0;
        first = tail;
        flushed = applied;
        answers ! channel;
        session = offered }
    :: atomic { up && connected && session == offered && requests ? [ready, _] ->
        requests ? ready, _; answers ! channel_ok; session = live }
    :: atomic { LIVE && MAY_DELIVER(0) -> deliver(0) }
    :: atomic { LIVE && MAY_DELIVER(1) -> deliver(1) }
    :: atomic { LIVE && applied < tail -> apply() }
    /* A flush is two stores, and the application sees what is between them. */
#ifdef M3_BEFORE_M5
    :: atomic { LIVE && (D.down_tail < written || D.up_head < applied) ->
        flushed = written; D.up_head = applied; flushing = true }
    :: atomic { up && flushing -> D.down_tail = flushed; flushing = false }
#else
    :: atomic { LIVE && (D.down_tail < written || D.up_head < applied) ->
        flushed = applied; D.down_tail = written; flushing = true } /* M5 */
    :: atomic { up && flushing -> D.up_head = flushed; flushing = false } /* M3 */
#endif
    od
}

active proctype fate()
{
    byte i;

end:
    do
    :: atomic { up && kills > 0 ->
        kills--;
        up = false;
        connected = false;
        session = nobody;
        flushing = false;
        applied = 0; written = 0; first = 0; flushed = 0 }
    :: atomic { !up ->
        for (i : 0 .. MESSAGES - 1) {
            listed[i] = !acked[i];
            delivered[i] = false
        }
        i = 0;
        up = true }
    od
}

ltl settled { <> [] (acked[0] && acked[1] && entry[0] == absent && entry[1] == absent) }
