// Bytes on the line, written as text: hexadecimal bytes, `00*9` for nine of them, and `( … )` around those
// that their CRC follows.
#pragma once
#include <ctype.h>
#include <stdlib.h>

#include "cases.h"
#include "crc16.h"

enum { TEXT_BYTES_MAX = 1024 };

struct bytes {
    uint8_t data[TEXT_BYTES_MAX];
    uint16_t length;
};

static void add_byte(struct bytes *bytes, unsigned byte) {
    assert_in_range(bytes->length, 0, TEXT_BYTES_MAX - 1);
    bytes->data[bytes->length++] = (uint8_t)byte;
}

// The bytes of `text` up to `stop`, and where that is.
static const char *read_until(const char *text, char stop, struct bytes *bytes) {
    uint16_t begin = 0;
    bytes->length = 0;
    while (*text && *text != stop) {
        char *end;
        if (*text == '(') {
            begin = bytes->length;
            text++;
        } else if (*text == ')') {
            uint16_t crc = crc16(bytes->data + begin, (size_t)(bytes->length - begin));
            add_byte(bytes, crc);
            add_byte(bytes, crc >> 8);
            text++;
        } else if (isspace((unsigned char)*text)) {
            text++;
        } else {
            unsigned byte = (unsigned)strtoul(text, &end, 16);
            assert_ptr_not_equal(text, end);
            long times = *end == '*' ? strtol(end + 1, &end, 10) : 1;
            for (long i = 0; i < times; i++) {
                add_byte(bytes, byte);
            }
            text = end;
        }
    }
    return text;
}
