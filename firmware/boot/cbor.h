// As much CBOR as SMP needs: maps of text to numbers, strings and booleans. Other items are passed over;
// lengths that are not told beforehand are refused. Source: RFC 8949, section 3.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cbor_type {
    CBOR_UINT,
    CBOR_NEGATIVE,
    CBOR_BYTES,
    CBOR_TEXT,
    CBOR_ARRAY,
    CBOR_MAP,
    CBOR_TAG,
    CBOR_SIMPLE,
};
enum { CBOR_FALSE = 20, CBOR_TRUE = 21 };

struct cbor_item {
    enum cbor_type type;
    uint64_t value;        // the number; of a string its length; of an array or map how many are in it
    const uint8_t *bytes;  // of a string
};

struct cbor_reader {
    const uint8_t *at, *end;
};

// The next item; of an array, map or tag only its head. False at the end, or if it is cut short.
bool cbor_next(struct cbor_reader *reader, struct cbor_item *item);

// Pass over the rest of an item.
bool cbor_skip(struct cbor_reader *reader, const struct cbor_item *item);

bool cbor_is_text(const struct cbor_item *item, const char *text);

struct cbor_writer {
    uint8_t *at, *end;
    bool full;  // something found no room
};

void cbor_put_map(struct cbor_writer *writer, uint32_t pairs);
void cbor_put_array(struct cbor_writer *writer, uint32_t items);
void cbor_put_uint(struct cbor_writer *writer, uint32_t value);
void cbor_put_bool(struct cbor_writer *writer, bool value);
void cbor_put_text(struct cbor_writer *writer, const char *text);
void cbor_put_string(struct cbor_writer *writer, enum cbor_type type, const uint8_t *bytes, size_t length);
