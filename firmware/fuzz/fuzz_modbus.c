// needs: receiver.c modbus.c blocks.c crc16.c node.c settings.c outputs.c events.c sense.c guard.c energy.c
// Arbitrary bytes on the line, with arbitrary silences and measurements between them: whatever comes, the
// node's answers are well-formed, its outputs are within their limits, and what is locked does not change.
//
// The input is a series of steps: the first byte of each says which, the second how many bytes follow. A
// frame gets its CRC here: by chance, it would never be right.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "crc16.h"
#include "modbus.h"

enum { STEP_BYTES, STEP_FRAME, STEP_SILENCE, STEP_PASS };

enum { LOOP_MS = 5, EXCEPTION_BIT = 0x80, READ_HOLDING = 3, READ_INPUT = 4, WRITE_ONE = 6, WRITE_MANY = 16 };

uint16_t board_capabilities = CAPABILITY_STORAGE | CAPABILITY_UPDATE | CAPABILITY_WATCHDOG;

static const uint16_t maxima[OUTPUTS] = OUTPUT_MAXIMA;

static struct node node;
static struct receiver receiver;
static uint64_t now_ms, last_byte_ms;

static void check_outputs(void) {
    for (unsigned i = 0; i < OUTPUTS; i++) {
        const struct output *output = &node.outputs.of[i];
        assert(output->effective <= maxima[i] && output->setpoint <= maxima[i]);
        assert(output->source < SOURCES);
        assert(output->lease_ends_ms <= now_ms + LEASE_MAX_MS);
        assert(output->source != SOURCE_LEASE || output->lease_ends_ms > now_ms);
    }
    for (unsigned fan = OUTPUT_FAN1; node.guard.active && fan <= OUTPUT_FAN2; fan++) {
        assert(node.outputs.of[fan].effective == maxima[fan]);
    }
    assert(settings_valid(&node.settings));
}

static void check_answer(const uint8_t *request, const uint8_t *answer, uint16_t size) {
    if (request[0] == 0 || size == 0) {
        assert(size == 0);
        return;
    }
    assert(size >= 5 && size <= FRAME_MAX && crc16(answer, size) == 0);
    assert(answer[0] == request[0]);
    if (answer[1] & EXCEPTION_BIT) {
        assert(answer[1] == (request[1] | EXCEPTION_BIT) && size == 5 && answer[2] >= 1 && answer[2] <= 3);
        return;
    }
    assert(answer[1] == request[1]);
    if (request[1] == READ_HOLDING || request[1] == READ_INPUT) {
        assert(answer[2] == 2 * request[5] && size == 5 + answer[2]);
    } else if (request[1] == WRITE_ONE || request[1] == WRITE_MANY) {
        assert(size == 8 && memcmp(answer, request, 6) == 0);
    }
}

// The request in as many bytes as it has, the answer in as many as it may have: the sanitizer sees what lies
// beyond.
static void serve_request(uint16_t length) {
    uint8_t *request = malloc(length);
    uint8_t *answer = malloc(FRAME_MAX);
    static struct node before;
    assert(request && answer);
    memcpy(request, receiver.data, length);
    memcpy(&before, &node, sizeof before);
    check_answer(request, answer, modbus_answer(&node, now_ms, request, answer));
    if (before.unlocked < CONFIG_UNLOCKED) {
        assert(memcmp(&node.settings, &before.settings, sizeof before.settings) == 0);
        assert(node.order == ORDER_NONE && !node.settings_changed);
    }
    if (before.unlocked == LOCKED) {
        assert(memcmp(&node.outputs, &before.outputs, sizeof before.outputs) == 0);
    }
    assert(node.energy.total_mj == before.energy.total_mj);
    node.order = ORDER_NONE;
    node.settings_changed = false;
    free(answer);
    free(request);
}

// As the main loop does it.
static void serve(void) {
    uint16_t length;
    bool silent = now_ms - last_byte_ms >= SILENCE_MS;
    while ((length = receiver_frame(&receiver, silent, &node.line)) != 0) {
        assert(length >= 4 && length <= receiver.length && crc16(receiver.data, length) == 0);
        serve_request(length);
        receiver_drop(&receiver, length);
        node_tick(&node, now_ms);
        check_outputs();
    }
    assert(receiver.length < FRAME_MAX && !(silent && receiver.length));
}

static void take_bytes(const uint8_t *data, size_t length, bool as_frame) {
    uint16_t crc = crc16(data, length);
    for (size_t i = 0; i < length + (as_frame ? 2 : 0); i++) {
        receiver_push(&receiver, i < length ? data[i] : (uint8_t)(crc >> 8 * (i - length)), &node.line);
        last_byte_ms = now_ms;
        if (i % 16 == 15) {
            serve();
        }
    }
    serve();
}

// Each byte of it moves the time on by its square.
static void keep_silence(const uint8_t *data, size_t length) {
    for (size_t i = 0; i < length; i++) {
        now_ms += (uint64_t)data[i] * data[i];
        node_tick(&node, now_ms);
        check_outputs();
        serve();
    }
}

static void take_pass(const uint8_t *data, size_t length) {
    struct chip_reading readings[CHIPS] = {0};
    uint64_t before_mj = node.energy.total_mj;
    for (size_t i = 0; i < length && i < 4 * CHIPS; i++) {
        struct chip_reading *reading = &readings[i / 4];
        reading->answered = data[i] != 0xFF;
        int32_t value = (int32_t)((int8_t)data[i] * 16777216LL >> data[i] % 25);
        reading->value[i % 4] = data[i] == 0xFE ? NO_VALUE : value;
    }
    node_take(&node, readings, now_ms);
    assert(node.energy.total_mj >= before_mj);
    check_outputs();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memset(&receiver, 0, sizeof receiver);
    node_init(&node);
    now_ms = last_byte_ms = 0;
    node_tick(&node, now_ms);
    while (size >= 2) {
        unsigned step = data[0] & 3u;
        size_t length = data[1] < size - 2 ? data[1] : size - 2;
        data += 2;
        size -= 2;
        now_ms += LOOP_MS;
        switch (step) {
        case STEP_SILENCE:
            keep_silence(data, length);
            break;
        case STEP_PASS:
            take_pass(data, length);
            break;
        default:
            take_bytes(data, length, step == STEP_FRAME);
        }
        data += length;
        size -= length;
    }
    return 0;
}
