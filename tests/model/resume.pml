/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:      a producer channel that outlives its daemon (ipc B8), receipt mode full: whatever instants
 *            the daemon dies at, each committed record gets one receipt, in order, and is then
 *            durable; with deduplication none is stored twice; ring space is reused only when the
 *            record is not needed again; a refused application keeps what has no receipt.
 * Method:    the client's states ATTACHED → ORPHAN → CONNECTING → OFFERING → READIED → ATTACHED or
 *            REFUSED against a daemon that dies between any two of its steps, KILLS times, and comes
 *            back. Positions count records; B is two regions, the mapped one and the next. What was
 *            written but not synced survives a kill in part. Every step makes progress, so a record
 *            without receipt at the end is an invalid end state.
 * Options:   SHARED (no deduplication: at least once), REFUSING (the daemon may refuse at ATTACH), NO_ROOM
 *            (it may want to be asked again).
 * Mutations: LATER_HIGH (who is asked again is offered less), RESUME_HIGH, RESUME_LOW (the receipts in the ring are not counted), M3_BEFORE_M5,
 *            DEDUP_FORGOTTEN, STALE_DOWN_HEAD, VERDICT_BEFORE_SYNC, UNDRAINED (B is left with receipts in
 *            it), DRAINED_TWICE (a hang-up before READY looks into the old B again), STALE_SPACE (the
 *            application reuses what is taken and not yet released).
 */
#define RECORDS 4
#define RING 2
#define SLOTS 2
#ifndef KILLS
#define KILLS 3
#endif

mtype = { hello, attach, ready };                /* to the daemon */
mtype = { welcome, channel, channel_ok, refused_it, later }; /* to the application */
mtype = { attached, orphan, connecting, offering, readied, refused }; /* the client */
mtype = { nobody, greeted, offered, live };      /* the daemon's session */

chan requests = [2] of { mtype, byte };
chan answers = [2] of { mtype };

/* Region A: survives the daemon. */
byte tail = 0;
byte down_head = 0;
byte slot[RING] = 255;

/* Region B, written by one daemon. */
typedef region {
    byte up_head;
    byte down_tail;
    byte receipt[SLOTS]
};
region b[2];

/* Durable. */
byte copies[RECORDS] = 0;

/* The daemon; all of it goes with a kill. */
bool up = true;
bool connected = true;
byte ours = 0;          /* the region that it writes */
mtype session = live;
byte taken = 0;
byte posted = 0;
byte next_seq = 0;      /* of the handle: lower ones are duplicates */
bool pending[RECORDS] = false; /* written, not synced */
bool done[RECORDS] = false;
byte kills = KILLS;
byte refusals = 2;

/* The client. */
mtype state = attached;
byte mapped = 0;
byte down_read = 0;     /* private, what down_head publishes */
byte resume_from = 0;
byte receipted = 0;
byte head_seen = 0;

#define B b[mapped]
#define D b[ours]

inline read_receipt()
{
    assert(B.receipt[down_read % SLOTS] == receipted); /* one per record, in order */
    assert(copies[receipted] > 0);                     /* STORED is durable */
    receipted++;
    down_read++
}

inline compute_resume_from()
{
#ifdef RESUME_HIGH
    resume_from = tail;
#elif defined(RESUME_LOW)
    resume_from = B.up_head;
#else
    resume_from = (B.up_head > receipted -> B.up_head : receipted);
#endif
}

#ifdef UNDRAINED
#define DRAINED true
#else
#define DRAINED (down_read == B.down_tail)
#endif

active proctype app()
{
    do
    /* Publishing goes on in every state until the ring is full. */
    :: atomic { state != refused && tail < RECORDS && tail - head_seen < RING ->
        slot[tail % RING] = tail; tail++ }
#ifdef STALE_SPACE
    :: atomic { state == attached && head_seen < taken -> head_seen = taken }
#else
    :: atomic { state == attached && head_seen < B.up_head -> head_seen = B.up_head }
#endif
    :: atomic { state == attached && down_read < B.down_tail -> read_receipt() }
    :: atomic { state == attached && down_head != down_read -> down_head = down_read }
    :: atomic { state == attached && !connected -> state = orphan }

    /* Drains the old B, then forgets what the new daemon would take for lies. */
    :: atomic { state == orphan && down_read < B.down_tail -> read_receipt() }
    :: atomic { state == orphan && DRAINED ->
        compute_resume_from();
        head_seen = resume_from;
        state = connecting }
    :: atomic { state == connecting && up ->
        do
        :: len(requests) > 0 -> requests ? _, _
        :: len(answers) > 0 -> answers ? _
        :: len(requests) + len(answers) == 0 -> break
        od;
        connected = true;
#ifndef STALE_DOWN_HEAD
        down_head = 0;
#endif
        requests ! hello, 0;
        state = offering }

    :: atomic { state == offering && answers ? [welcome] ->
        answers ? welcome; requests ! attach, resume_from }
    :: atomic { state == offering && answers ? [channel] ->
        answers ? channel;
        mapped = 1 - mapped;
        down_read = 0;
        requests ! ready, 0;
        state = readied }
    :: atomic { state == offering && answers ? [refused_it] -> answers ? refused_it; state = refused }
    :: atomic { state == offering && answers ? [later] ->
        answers ? later;
#ifdef LATER_HIGH
        resume_from = tail;
#endif
        requests ! attach, resume_from }
    :: atomic { state == readied && answers ? [channel_ok] -> answers ? channel_ok; state = attached }
#ifdef DRAINED_TWICE
    :: atomic { state == offering && !connected -> down_read = 0; state = orphan }
#else
    :: atomic { state == offering && !connected -> state = connecting }
#endif
    :: atomic { state == readied && !connected -> state = orphan } /* B may be in use already */
    :: state == attached && receipted == RECORDS -> break
    :: state == refused ->
        /* All without a receipt is still there. */
        assert(tail - receipted <= RING);
        break
    od
}

#define UNREAD (D.down_tail - down_head)

inline take()
{
    assert(down_head <= D.down_tail);    /* V7: else the session is closed */
    assert(slot[taken % RING] == taken); /* not overwritten */
    if
#ifndef SHARED
    :: taken < next_seq -> done[taken] = true
#endif
    :: else ->
        pending[taken] = true
#ifdef VERDICT_BEFORE_SYNC
        ; done[taken] = true
#endif
    fi;
    taken++
}

inline sync()
{
    byte i;

    for (i : 0 .. RECORDS - 1) {
        if
        :: pending[i] -> pending[i] = false; done[i] = true; copies[i]++; next_seq = i + 1
        :: else
        fi
    }
    i = 0
}

inline post()
{
    D.receipt[D.down_tail % SLOTS] = posted;
    D.down_tail++;
    assert(D.down_tail - down_head <= SLOTS);
    posted++
}

active proctype daemon()
{
end:
    do
    :: atomic { up && connected && session == nobody && requests ? [hello, _] ->
        requests ? hello, _; answers ! welcome; session = greeted }
    :: atomic { up && connected && session == greeted && requests ? [attach, _] ->
        requests ? attach, taken;
        assert(taken <= tail && tail - taken <= RING); /* V6 */
        posted = taken;
        ours = 1 - mapped;
        D.up_head = taken;
        D.down_tail = 0;
        D.receipt[0] = 255; D.receipt[1] = 255;
        answers ! channel;
        session = offered }
#ifdef NO_ROOM
    :: atomic { up && connected && session == greeted && refusals > 0 && requests ? [attach, _] ->
        refusals--; requests ? attach, _; answers ! later }
#endif
#ifdef REFUSING
    :: atomic { up && connected && session == greeted && requests ? [attach, _] ->
        requests ? attach, _; answers ! refused_it }
#endif
    :: atomic { up && connected && session == offered && requests ? [ready, _] ->
        requests ? ready, _; answers ! channel_ok; session = live }
    :: atomic { up && session == live && taken < tail && taken - posted + UNREAD < SLOTS -> take() }
    :: atomic { up && (pending[0] || pending[1] || pending[2] || pending[3]) -> sync() }
#ifdef M3_BEFORE_M5
    :: atomic { up && session == live && D.up_head < taken && done[D.up_head] -> D.up_head++ }
    :: atomic { up && session == live && posted < D.up_head -> post() }
#else
    :: atomic { up && session == live && posted < taken && done[posted] -> post() } /* M5 */
    :: atomic { up && session == live && D.up_head < posted -> D.up_head++ }        /* M3 */
#endif
    od
}

/* kill -9 and the start of the next one, which reads the log. */
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
        /* The system may have kept a first part of what was not synced. */
        i = 0;
        do
        :: i < RECORDS && pending[i] -> copies[i]++; i++
        :: i < RECORDS && !pending[i] -> i++
        :: i == RECORDS || pending[i] -> break
        od;
        next_seq = 0;
        for (i : 0 .. RECORDS - 1) {
            pending[i] = false;
            done[i] = false;
#ifndef DEDUP_FORGOTTEN
            if
            :: copies[i] > 0 -> next_seq = i + 1
            :: else
            fi
#endif
        }
        i = 0; taken = 0; posted = 0 }
    :: atomic { !up -> up = true }
    od
}

#ifdef SHARED
#define COPIES_MAX (1 + KILLS)
#else
#define COPIES_MAX 1
#endif

ltl released { [] ((tail > receipted) -> <> (tail == receipted)) }
ltl copies_bounded
{
    [] (copies[0] <= COPIES_MAX && copies[1] <= COPIES_MAX && copies[2] <= COPIES_MAX &&
        copies[3] <= COPIES_MAX)
}
