/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk_front - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/chunk_front.h"

void hulse_attempt_comes(
    char attempt, uint8_t message, int32_t chunk, int32_t chunks, uint64_t entry)
{
    hulse_stage_message(&(struct stage_entry){.ledger = 1,
                                              .entry = entry,
                                              .number = message * 100U + (uint32_t)chunk,
                                              .chunks = chunks,
                                              .chunk = chunk,
                                              .message = message,
                                              .attempt = attempt});
}

void hulse_chunk_comes(uint8_t message, int32_t chunk, int32_t chunks, uint64_t entry)
{
    hulse_attempt_comes(0, message, chunk, chunks, entry);
}

void hulse_small_comes(uint32_t number, uint64_t entry)
{
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .entry = entry, .number = number});
}

void hulse_chunks_open(const struct front_where *where, uint32_t permits)
{
    hulse_front_open(where, 0);
    hulse_front_permit(permits);
    (void)hulse_stage_flow();
}

void hulse_front_skip_flows(void)
{
    hulse_stage_turn();
    while (stage.first < stage.count && stage.sent[stage.first]->type == TYPE(FLOW)) {
        stage.first += 1;
    }
}

void hulse_front_acks(uint32_t count, const uint64_t *entries)
{
    hulse_front_skip_flows();
    const Pulsar__CommandAck *a = hulse_stage_next(TYPE(ACK))->ack;
    assert_int_equal(a->ack_type, PULSAR__COMMAND_ACK__ACK_TYPE__Individual);
    assert_int_equal(a->n_message_id, count);
    for (uint32_t i = 0; i < count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < count; k++) {
            found = found || a->message_id[k]->entryid == entries[i];
        }
        assert_true(found);
    }
    hulse_stage_acked(a->request_id);
}

void hulse_front_asks(uint32_t count)
{
    hulse_front_skip_flows();
    const Pulsar__BaseCommand *c = hulse_stage_next(TYPE(REDELIVER_UNACKNOWLEDGED_MESSAGES));
    assert_int_equal(c->redeliverunacknowledgedmessages->n_message_ids, count);
}

void hulse_front_says_nothing(void)
{
    hulse_stage_turn();
    for (; stage.first < stage.count; stage.first++) {
        assert_int_equal(stage.sent[stage.first]->type, TYPE(FLOW));
    }
}

void hulse_front_answer_acks(void)
{
    hulse_stage_turn();
    for (; stage.first < stage.count; stage.first++) {
        if (stage.sent[stage.first]->type == TYPE(ACK)) {
            hulse_stage_acked(stage.sent[stage.first]->ack->request_id);
        }
    }
}

uint64_t hulse_front_begin_again(void)
{
    hulse_stage_wait(1000);
    hulse_stage_found();
    hulse_stage_ready();
    hulse_stage_turn();
    while (stage.sent[stage.first]->type != TYPE(SUBSCRIBE)) {
        stage.first += 1;
    }
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    hulse_stage_success(s->request_id);
    hulse_front_answer_acks();
    return s->start_message_id->entryid;
}
