#include "frame.h"

#include <stdbool.h>

enum {
    FIRST_1 = 0x06,
    FIRST_2 = 0x09,
    NEXT_1 = 0x04,
    NEXT_2 = 0x14,

    LENGTH_BYTES = 2,
    CRC_BYTES = 2,
};

// BETWEEN: the line ended, the frame did not.
enum state { OUTSIDE, AFTER_FIRST_1, INSIDE, BETWEEN, AFTER_NEXT_1 };

uint16_t frame_crc(const uint8_t *data, size_t length) {
    uint32_t crc = 0;
    for (size_t i = 0; i < length; i++) {
        crc ^= (uint32_t)data[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc << 1 ^ (crc & 0x8000 ? 0x11021 : 0);
        }
    }
    return (uint16_t)crc;
}

// The value of a base64 digit; -1 for anything else.
static int sextet(uint8_t digit) {
    if (digit >= 'A' && digit <= 'Z') {
        return digit - 'A';
    }
    if (digit >= 'a' && digit <= 'z') {
        return digit - 'a' + 26;
    }
    if (digit >= '0' && digit <= '9') {
        return digit - '0' + 52;
    }
    return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

static uint8_t digit(uint32_t sextet_value) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return (uint8_t)digits[sextet_value & 0x3F];
}

// Take a digit; false if it cannot be one, or the frame is longer than there is room for.
static bool take_digit(struct frame_receiver *receiver, uint8_t byte) {
    int value = byte == '=' ? 0 : sextet(byte);
    if (value < 0 || (receiver->padding && byte != '=')) {
        return false;
    }
    receiver->padding = (uint8_t)(receiver->padding + (byte == '='));
    receiver->group = receiver->group << 6 | (uint32_t)value;
    if (++receiver->sextets < 4) {
        return true;
    }
    unsigned count = receiver->padding < 3 ? 3u - receiver->padding : 0;
    if (count == 0 || receiver->length + count > FRAME_BYTES) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        receiver->data[receiver->length++] = (uint8_t)(receiver->group >> (16 - 8 * i));
    }
    receiver->sextets = 0;
    return true;
}

// How long the frame says that it is, its length included; 0 if that is not known yet.
static unsigned told_length(const struct frame_receiver *receiver) {
    const uint8_t *data = receiver->data;
    return receiver->length < LENGTH_BYTES ? 0 : LENGTH_BYTES + (data[0] * 256u + data[1]);
}

// At the end of a line: the length of the packet if this was the last one.
static uint16_t end_line(struct frame_receiver *receiver) {
    unsigned told = told_length(receiver);
    receiver->state = BETWEEN;
    if (receiver->sextets || told > FRAME_BYTES || receiver->length > told) {
        receiver->state = OUTSIDE;
        return 0;
    }
    if (receiver->length < told) {
        return 0;
    }
    receiver->state = OUTSIDE;
    // Over the packet and its CRC, the remainder is 0.
    bool whole = told > LENGTH_BYTES + CRC_BYTES &&
                 frame_crc(receiver->data + LENGTH_BYTES, told - LENGTH_BYTES) == 0;
    return whole ? (uint16_t)(told - LENGTH_BYTES - CRC_BYTES) : 0;
}

static void begin_line(struct frame_receiver *receiver) {
    receiver->state = INSIDE;
    receiver->sextets = 0;
    receiver->padding = 0;
}

uint16_t frame_receive(struct frame_receiver *receiver, uint8_t byte) {
    if (byte == FIRST_1) {
        receiver->state = AFTER_FIRST_1;
    } else if (receiver->state == AFTER_FIRST_1) {
        receiver->state = OUTSIDE;
        if (byte == FIRST_2) {
            receiver->length = 0;
            begin_line(receiver);
        }
    } else if (receiver->state == BETWEEN) {
        receiver->state = byte == NEXT_1 ? AFTER_NEXT_1 : OUTSIDE;
    } else if (receiver->state == AFTER_NEXT_1) {
        receiver->state = OUTSIDE;
        if (byte == NEXT_2) {
            begin_line(receiver);
        }
    } else if (receiver->state == INSIDE && byte == '\n') {
        return end_line(receiver);
    } else if (receiver->state == INSIDE && !take_digit(receiver, byte)) {
        receiver->state = OUTSIDE;
    }
    return 0;
}

static unsigned frame_bytes(const struct frame_sender *sender) {
    return LENGTH_BYTES + sender->length + (unsigned)CRC_BYTES;
}

// A byte of the frame: the length, then the packet, then its CRC; 0 beyond its end.
static uint8_t frame_byte(const struct frame_sender *sender, unsigned at, uint16_t crc) {
    unsigned told = sender->length + (unsigned)CRC_BYTES;
    const uint8_t head[LENGTH_BYTES] = {(uint8_t)(told >> 8), (uint8_t)told};
    const uint8_t tail[CRC_BYTES + 2] = {(uint8_t)(crc >> 8), (uint8_t)crc};
    if (at < LENGTH_BYTES) {
        return head[at];
    }
    at -= LENGTH_BYTES;
    return at < sender->length ? sender->packet[at] : tail[at - sender->length];
}

// Three bytes of the frame as four digits.
static void put_group(struct frame_sender *sender, uint16_t crc, uint8_t digits[4]) {
    uint32_t group = 0;
    unsigned left = frame_bytes(sender) - sender->sent;
    for (unsigned i = 0; i < 3; i++) {
        group = group << 8 | frame_byte(sender, sender->sent + i, crc);
    }
    for (unsigned i = 0; i < 4; i++) {
        digits[i] = i <= left ? digit(group >> (18 - 6 * i)) : '=';
    }
    sender->sent = (uint16_t)(sender->sent + (left < 3 ? left : 3));
}

size_t frame_next_line(struct frame_sender *sender, uint8_t line[LINE_BYTES]) {
    bool first = sender->sent == 0;
    uint16_t crc = frame_crc(sender->packet, sender->length);
    size_t length = 2;
    if (sender->sent >= frame_bytes(sender)) {
        return 0;
    }
    line[0] = first ? FIRST_1 : NEXT_1;
    line[1] = first ? FIRST_2 : NEXT_2;
    for (; length + 5 <= LINE_BYTES && sender->sent < frame_bytes(sender); length += 4) {
        put_group(sender, crc, line + length);
    }
    line[length] = '\n';
    return length + 1;
}
