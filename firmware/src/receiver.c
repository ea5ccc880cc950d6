#include <string.h>

#include "crc16.h"
#include "modbus.h"

enum { SHORTEST = 4, MORE = 0, UNKNOWN = 0xFFFF };

// How long the request is that begins `data`; MORE if too little of it is there to tell, UNKNOWN if its
// function does not say.
static uint16_t request_length(const uint8_t *data, uint16_t length) {
    if (length < 2) {
        return MORE;
    }
    switch (data[1]) {
    case 3:
    case 4:
    case 6:
        return 8;
    case 16:
        return length < 7 ? MORE : (uint16_t)(9 + data[6]);
    case 43:
        return length < 3 ? MORE : data[2] == 14 ? 7 : UNKNOWN;
    default:
        return UNKNOWN;
    }
}

static bool crc_fits(const uint8_t *data, uint16_t length) {
    return crc16(data, length - 2u) == (data[length - 2] | data[length - 1] << 8);
}

void receiver_drop(struct receiver *receiver, uint16_t count) {
    receiver->length = (uint16_t)(receiver->length - count);
    memmove(receiver->data, receiver->data + count, receiver->length);
}

static void drop_garbage(struct receiver *receiver, struct line_counts *line) {
    line->crc_errors += !receiver->in_garbage;
    receiver->in_garbage = true;
    receiver_drop(receiver, 1);
}

void receiver_push(struct receiver *receiver, uint8_t byte, struct line_counts *line) {
    if (receiver->length == FRAME_MAX) {
        drop_garbage(receiver, line);
    }
    receiver->data[receiver->length++] = byte;
}

uint16_t receiver_frame(struct receiver *receiver, bool silent, struct line_counts *line) {
    while (receiver->length) {  // every turn but the last drops a byte
        uint16_t length = request_length(receiver->data, receiver->length);
        if (length == UNKNOWN && (silent || receiver->length == FRAME_MAX)) {
            length = receiver->length;  // of a function unknown to us, only silence tells the end
        }
        bool waits = length == MORE || length == UNKNOWN ||
                     (length > receiver->length && length <= FRAME_MAX);
        if (waits && !silent) {
            return 0;
        }
        if (!waits && length >= SHORTEST && length <= receiver->length && crc_fits(receiver->data, length)) {
            receiver->in_garbage = false;
            return length;
        }
        drop_garbage(receiver, line);
    }
    receiver->in_garbage = receiver->in_garbage && !silent;
    return 0;
}
