#include "request.h"

#include <string.h>

enum operation { READ = 0, WRITE = 2, RESPONSE = 1, OPERATION_MASK = 7 };

// Group 0 is the system, group 1 the images.
static const struct {
    uint8_t operation, group, command;
} orders[ORDERS] = {
    [ECHO] = {WRITE, 0, 0},     [RESET] = {WRITE, 0, 5},     [PARAMETERS] = {READ, 0, 6},
    [GET_STATE] = {READ, 1, 0}, [SET_STATE] = {WRITE, 1, 0}, [UPLOAD] = {WRITE, 1, 1},
};

static const struct {
    const char *name;
    enum cbor_type type;
} arguments[ARGUMENTS] = {
    [DATA] = {"data", CBOR_BYTES},        [HASH] = {"hash", CBOR_BYTES},
    [IMAGE] = {"image", CBOR_UINT},       [LENGTH] = {"len", CBOR_UINT},
    [OFFSET] = {"off", CBOR_UINT},        [SESSION] = {"sha", CBOR_BYTES},
    [CONFIRM] = {"confirm", CBOR_SIMPLE}, [ECHOED] = {"d", CBOR_TEXT},
    [UPGRADE] = {"upgrade", CBOR_SIMPLE},
};

static unsigned argument_named(const struct cbor_item *name) {
    unsigned argument = 0;
    while (argument < ARGUMENTS && !cbor_is_text(name, arguments[argument].name)) {
        argument++;
    }
    return argument;
}

static bool read_arguments(struct request *request, struct cbor_reader reader) {
    struct cbor_item map, name, value;
    if (!cbor_next(&reader, &map) || map.type != CBOR_MAP) {
        return false;
    }
    for (uint64_t i = 0; i < map.value; i++) {
        if (!cbor_next(&reader, &name) || !cbor_skip(&reader, &name) || !cbor_next(&reader, &value) ||
            !cbor_skip(&reader, &value)) {
            return false;
        }
        unsigned argument = argument_named(&name);
        if (argument == ARGUMENTS) {
            continue;
        }
        if (value.type != arguments[argument].type || value.value > UINT32_MAX) {
            return false;
        }
        request->given[argument] = true;
        request->of[argument] = value;
    }
    return true;
}

static unsigned order_of(const uint8_t *header) {
    unsigned order = 0;
    while (order < ORDERS &&
           !((header[0] & OPERATION_MASK) == orders[order].operation &&
             header[4] * 256u + header[5] == orders[order].group && header[7] == orders[order].command)) {
        order++;
    }
    return order;
}

bool request_is(const uint8_t *packet, uint16_t length) {
    return length >= SMP_HEADER_BYTES && !(packet[0] & RESPONSE) &&
           packet[2] * 256u + packet[3] == length - (unsigned)SMP_HEADER_BYTES;
}

bool request_read(struct request *request, const uint8_t *packet, uint16_t length) {
    const struct cbor_reader body = {packet + SMP_HEADER_BYTES, packet + length};
    *request = (struct request){.order = order_of(packet)};
    return read_arguments(request, body);
}

uint32_t request_number(const struct request *request, enum argument argument) {
    return request->given[argument] ? (uint32_t)request->of[argument].value : 0;
}

bool request_truth(const struct request *request, enum argument argument) {
    return request_number(request, argument) == CBOR_TRUE;
}

void request_put_answer_head(const uint8_t *packet, uint16_t payload, uint8_t head[SMP_HEADER_BYTES]) {
    memcpy(head, packet, SMP_HEADER_BYTES);
    head[0] |= RESPONSE;
    head[2] = (uint8_t)(payload >> 8);
    head[3] = (uint8_t)payload;
}
