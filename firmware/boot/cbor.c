#include "cbor.h"

#include <string.h>

enum { ARGUMENT_IN_HEAD = 24, ARGUMENT_8_BYTES = 27 };

static size_t left(const struct cbor_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

// The number in the head, or in the 1, 2, 4 or 8 bytes behind it.
static bool read_argument(struct cbor_reader *reader, unsigned info, uint64_t *value) {
    if (info < ARGUMENT_IN_HEAD) {
        *value = info;
        return true;
    }
    size_t length = (size_t)1 << (info - ARGUMENT_IN_HEAD);
    if (info > ARGUMENT_8_BYTES || length > left(reader)) {
        return false;
    }
    *value = 0;
    for (size_t i = 0; i < length; i++) {
        *value = *value << 8 | *reader->at++;
    }
    return true;
}

bool cbor_next(struct cbor_reader *reader, struct cbor_item *item) {
    if (left(reader) == 0) {
        return false;
    }
    uint8_t head = *reader->at++;
    item->type = (enum cbor_type)(head >> 5);
    if (!read_argument(reader, head & 0x1F, &item->value)) {
        return false;
    }
    if (item->type == CBOR_BYTES || item->type == CBOR_TEXT) {
        if (item->value > left(reader)) {
            return false;
        }
        item->bytes = reader->at;
        reader->at += item->value;
    }
    return true;
}

// How many items follow a head; one that claims more than can be is only as bad as that.
static uint64_t children(const struct cbor_item *item) {
    uint64_t claimed = item->value < UINT32_MAX ? item->value : UINT32_MAX;
    switch (item->type) {
    case CBOR_ARRAY:
        return claimed;
    case CBOR_MAP:
        return 2 * claimed;
    case CBOR_TAG:
        return 1;
    default:
        return 0;
    }
}

bool cbor_skip(struct cbor_reader *reader, const struct cbor_item *item) {
    struct cbor_item next;
    uint64_t pending = children(item);
    while (pending) {
        // Each takes a byte at least.
        if (pending > left(reader) || !cbor_next(reader, &next)) {
            return false;
        }
        pending += children(&next) - 1;
    }
    return true;
}

bool cbor_is_text(const struct cbor_item *item, const char *text) {
    size_t length = strlen(text);
    return item->type == CBOR_TEXT && item->value == length && memcmp(item->bytes, text, length) == 0;
}

static void put(struct cbor_writer *writer, const void *bytes, size_t length) {
    if (length > (size_t)(writer->end - writer->at)) {
        writer->full = true;
        return;
    }
    memcpy(writer->at, bytes, length);
    writer->at += length;
}

static void put_head(struct cbor_writer *writer, enum cbor_type type, uint32_t value) {
    unsigned length = value < ARGUMENT_IN_HEAD ? 0 : value <= UINT8_MAX ? 1 : value <= UINT16_MAX ? 2 : 4;
    uint8_t bytes[5] = {(uint8_t)(type << 5 | (length ? ARGUMENT_IN_HEAD + length / 2u : value))};
    for (unsigned i = 0; i < length; i++) {
        bytes[1 + i] = (uint8_t)(value >> 8 * (length - 1 - i));
    }
    put(writer, bytes, 1 + length);
}

void cbor_put_map(struct cbor_writer *writer, uint32_t pairs) {
    put_head(writer, CBOR_MAP, pairs);
}

void cbor_put_array(struct cbor_writer *writer, uint32_t items) {
    put_head(writer, CBOR_ARRAY, items);
}

void cbor_put_uint(struct cbor_writer *writer, uint32_t value) {
    put_head(writer, CBOR_UINT, value);
}

void cbor_put_bool(struct cbor_writer *writer, bool value) {
    put_head(writer, CBOR_SIMPLE, value ? CBOR_TRUE : CBOR_FALSE);
}

void cbor_put_text(struct cbor_writer *writer, const char *text) {
    cbor_put_string(writer, CBOR_TEXT, (const uint8_t *)text, strlen(text));
}

void cbor_put_string(struct cbor_writer *writer, enum cbor_type type, const uint8_t *bytes, size_t length) {
    put_head(writer, type, (uint32_t)length);
    put(writer, bytes, length);
}
