// An image as imgtool makes them, for one test program; whoever includes it says what a good signature is.
#pragma once
#include <stdint.h>
#include <string.h>

#include "layout.h"
#include "registers.h"
#include "sha512.h"
#include "signature.h"

enum { FAKE_FIELDS_BYTES = 4 + 4 + SHA512_BYTES + 4 + SIGNATURE_BYTES, FAKE_PROTECTED_BYTES = 10 };

static uint8_t *fake_put(uint8_t *to, uint32_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) {
        *to++ = (uint8_t)(value >> 8 * i);
    }
    return to;
}

static uint8_t *fake_put_field(uint8_t *to, uint32_t type, uint32_t length) {
    return fake_put(fake_put(to, type, 2), length, 2);
}

// The length of all of it. The body is `body_bytes` of `filler`.
static uint32_t fake_image(uint8_t *image, uint8_t major, uint32_t body_bytes, uint8_t filler) {
    memset(image, 0, IMAGE_HEADER_BYTES);
    uint8_t *at = fake_put(image, 0x96F3B83D, 4);
    at = fake_put(at, LOAD_AT, 4);
    at = fake_put(at, IMAGE_HEADER_BYTES, 2);
    at = fake_put(at, FAKE_PROTECTED_BYTES, 2);
    at = fake_put(at, body_bytes, 4);
    at = fake_put(at, 0x20, 4);
    *at = major;
    memset(image + IMAGE_HEADER_BYTES, filler, body_bytes);
    at = image + IMAGE_HEADER_BYTES + body_bytes;
    at = fake_put_field(at, 0x6908, FAKE_PROTECTED_BYTES);
    at = fake_put(fake_put_field(at, BOARD_TLV, 2), BOARD_AST1030, 2);
    uint8_t *fields = fake_put_field(at, 0x6907, FAKE_FIELDS_BYTES);
    fields = fake_put_field(fields, 0x12, SHA512_BYTES);
    sha512(image, (size_t)(at - image), fields);
    fields = fake_put_field(fields + SHA512_BYTES, 0x24, SIGNATURE_BYTES);
    memset(fields, 0x5A, SIGNATURE_BYTES);
    return (uint32_t)(fields + SIGNATURE_BYTES - image);
}
