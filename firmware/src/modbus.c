#include "modbus.h"

#include <string.h>

#include "blocks.h"
#include "board.h"
#include "crc16.h"
#include "version.h"

enum {
    READ_HOLDING = 3,
    READ_INPUT = 4,
    WRITE_ONE = 6,
    WRITE_MANY = 16,
    ENCAPSULATED = 43,
    READ_DEVICE_ID = 14,
    EXCEPTION_BIT = 0x80,
    BROADCAST = 0,
    READ_MAX = 125,   // registers in one request, V1.1b3 section 6.3
    WRITE_MAX = 123,  // section 6.12
    HEAD = 2,         // slave and function
};

static uint16_t word_at(const uint8_t *data) {
    return (uint16_t)(data[0] << 8 | data[1]);
}

static void put_word(uint8_t *data, uint16_t word) {
    data[0] = (uint8_t)(word >> 8);
    data[1] = (uint8_t)word;
}

// What follows are the functions: each writes its answer from `answer` on, behind slave and function, and
// gives the exception, if any. `*length` is what it wrote.

static enum exception read_registers(const struct node *node, uint64_t now_ms, const uint8_t *request,
                                     uint8_t *answer, uint16_t *length) {
    uint16_t words[READ_MAX];
    uint16_t address = word_at(request + 2);
    uint16_t count = word_at(request + 4);
    if (count < 1 || count > READ_MAX) {
        return EXCEPTION_VALUE;
    }
    enum exception exception = request[1] == READ_INPUT ? input_read(node, now_ms, address, count, words)
                                                        : holding_read(node, now_ms, address, count, words);
    if (exception) {
        return exception;
    }
    answer[0] = (uint8_t)(2 * count);
    for (unsigned i = 0; i < count; i++) {
        put_word(answer + 1 + 2 * i, words[i]);
    }
    *length = (uint16_t)(1 + 2 * count);
    return EXCEPTION_NONE;
}

static enum exception write_one(struct node *node, uint64_t now_ms, const uint8_t *request, uint8_t *answer,
                                uint16_t *length) {
    uint16_t value = word_at(request + 4);
    memcpy(answer, request + 2, 4);
    *length = 4;
    return holding_write(node, now_ms, word_at(request + 2), 1, &value);
}

static enum exception write_many(struct node *node, uint64_t now_ms, const uint8_t *request, uint8_t *answer,
                                 uint16_t *length) {
    uint16_t words[WRITE_MAX];
    uint16_t count = word_at(request + 4);
    if (count < 1 || count > WRITE_MAX || request[6] != 2 * count) {
        return EXCEPTION_VALUE;
    }
    for (unsigned i = 0; i < count; i++) {
        words[i] = word_at(request + 7 + 2 * i);
    }
    memcpy(answer, request + 2, 4);
    *length = 4;
    return holding_write(node, now_ms, word_at(request + 2), count, words);
}

// Read Device Identification, section 6.21: the basic objects, as a stream or one by one.
static const char *const objects[] = {"edgeagent", "sensor-node-" BOARD_NAME, VERSION_TEXT};

enum { OBJECTS = sizeof objects / sizeof objects[0], INDIVIDUAL = 4, CONFORMITY = 0x81 };

static enum exception read_device_id(const uint8_t *request, uint8_t *answer, uint16_t *length) {
    if (request[2] != READ_DEVICE_ID) {
        return EXCEPTION_FUNCTION;  // and of any length: nothing behind is read
    }
    uint8_t code = request[3];
    uint8_t first = request[4];
    if (code < 1 || code > INDIVIDUAL) {
        return EXCEPTION_VALUE;
    }
    if (first >= OBJECTS) {
        if (code == INDIVIDUAL) {
            return EXCEPTION_ADDRESS;
        }
        first = 0;  // as the specification says of a stream that begins nowhere
    }
    unsigned end = code == INDIVIDUAL ? first + 1u : OBJECTS;
    const uint8_t head[] = {READ_DEVICE_ID, code, CONFORMITY, 0, 0, (uint8_t)(end - first)};
    memcpy(answer, head, sizeof head);
    uint16_t at = sizeof head;
    for (unsigned i = first; i < end; i++) {
        uint8_t size = (uint8_t)strlen(objects[i]);
        answer[at++] = (uint8_t)i;
        answer[at++] = size;
        memcpy(answer + at, objects[i], size);
        at = (uint16_t)(at + size);
    }
    *length = at;
    return EXCEPTION_NONE;
}

static enum exception carry_out(struct node *node, uint64_t now_ms, const uint8_t *request, uint8_t *answer,
                                uint16_t *length) {
    bool broadcast = request[0] == BROADCAST;
    switch (request[1]) {
    case READ_HOLDING:
    case READ_INPUT:
        return broadcast ? EXCEPTION_FUNCTION : read_registers(node, now_ms, request, answer, length);
    case WRITE_ONE:
        return write_one(node, now_ms, request, answer, length);
    case WRITE_MANY:
        return write_many(node, now_ms, request, answer, length);
    case ENCAPSULATED:
        return broadcast ? EXCEPTION_FUNCTION : read_device_id(request, answer, length);
    default:
        return EXCEPTION_FUNCTION;
    }
}

static uint16_t seal(uint8_t *frame, uint16_t length) {
    uint16_t crc = crc16(frame, length);
    frame[length] = (uint8_t)crc;
    frame[length + 1] = (uint8_t)(crc >> 8);
    return (uint16_t)(length + 2);
}

uint16_t modbus_answer(struct node *node, uint64_t now_ms, const uint8_t *request,
                       uint8_t answer[FRAME_MAX]) {
    uint8_t slave = request[0];
    if (slave != BROADCAST && slave != node->settings.config[CONFIG_SLAVE_ID]) {
        node->line.other_slaves++;
        return 0;
    }
    node->line.frames++;
    uint16_t size = 0;
    answer[0] = slave;
    answer[1] = request[1];
    enum exception exception = carry_out(node, now_ms, request, answer + HEAD, &size);
    if (exception) {
        node->line.exceptions++;
        answer[1] |= EXCEPTION_BIT;
        answer[HEAD] = (uint8_t)exception;
        size = 1;
    }
    return slave == BROADCAST ? 0 : seal(answer, (uint16_t)(HEAD + size));
}
