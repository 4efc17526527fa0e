/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:      a producer channel, receipt mode full: every committed and flushed record is eventually
 *            released, with one receipt, also when the application dies; the receipt ring never
 *            overflows; a released record has its receipt (M5 before M3).
 * Method:    positions counted in records; the daemon takes, the broker answers in any order, the
 *            daemon posts and releases the finished prefix. The application may die anywhere.
 * Mutations: NO_RESERVE (a record is taken without a receipt slot), M3_BEFORE_M5,
 *            NO_DRAIN (hang-up does not load the final up_tail), RELEASE_ANY (not the prefix).
 */
#define RECORDS 4
#define RING 2
#define SLOTS 2

byte committed = 0;     /* the application's private tail */
byte tail = 0;          /* up_tail */
byte head = 0;          /* up_head: released */
byte down_tail = 0;
byte down_head = 0;
byte taken = 0;
bool done[RECORDS] = false; /* the broker's answer is here */
bool alive = true;
bool drained = false;   /* the daemon has seen the hang-up and loaded the last up_tail */

#define IN_FLIGHT (taken - head)
#define UNREAD (down_tail - down_head)

active proctype app()
{
    byte seen;

    do
    :: alive && committed < RECORDS && committed - head < RING ->
        committed++                         /* claim and commit: nothing is visible */
    :: alive && committed > tail -> tail = committed /* flush, M1 */
    :: alive && down_head < down_tail ->
        /* What is released has its receipt: head first, then down_tail. */
        seen = head;
        assert(down_tail >= seen);
        down_head++                         /* M7 */
    :: alive -> alive = false; break        /* dies with anything unflushed */
    :: tail == RECORDS && down_head == RECORDS -> break
    od;
    alive = false
}

/* Answers in any order; each step is one answer, so fairness makes all of them come. */
active proctype broker()
{
end:
    do
    :: atomic { taken > 0 && !done[0] -> done[0] = true }
    :: atomic { taken > 1 && !done[1] -> done[1] = true }
    :: atomic { taken > 2 && !done[2] -> done[2] = true }
    :: atomic { taken > 3 && !done[3] -> done[3] = true }
    od
}

/* A dead peer's receipts need no slots. */
#ifdef NO_RESERVE
#define SLOT_FREE true
#else
#define SLOT_FREE (drained || IN_FLIGHT + UNREAD < SLOTS)
#endif
#ifdef RELEASE_ANY
#define MAY_RELEASE (head < taken && (done[head] || (head + 1 < taken && done[head + 1])))
#else
#define MAY_RELEASE (head < taken && done[head])
#endif

active proctype daemon()
{
end:
    do
    :: taken < tail && (alive || drained) && SLOT_FREE -> taken++ /* M2 */
    :: MAY_RELEASE ->
#ifdef M3_BEFORE_M5
        head++;
        if
        :: !drained -> down_tail++; assert(UNREAD <= SLOTS)
        :: else
        fi
#else
        if
        :: !drained -> down_tail++; assert(UNREAD <= SLOTS) /* M5 */
        :: else
        fi;
        assert(done[head]);
        head++                               /* M3 */
#endif
    :: !alive && !drained ->
#ifdef NO_DRAIN
        break
#else
        drained = true
#endif
    od;
end_gone:
    false
}

#define invariant (head <= taken && taken <= tail && tail - head <= RING)

ltl released { [] ((tail > head) -> <> (head == tail)) }
ltl bounds { [] invariant }
