// Images in MCUboot's format, as imgtool makes them: header, body, and fields (TLVs) behind it, of which
// the first group belongs to what is signed. Source: MCUboot, docs/design.md, "Image format".
#pragma once
#include <stdint.h>

#include "sha512.h"
#include "verdict.h"

enum { HEADER_BYTES = 32, FIELDS_HEAD_BYTES = 4 };

struct version {
    uint8_t major, minor;
    uint16_t revision;
    uint32_t build;
};

struct image_header {
    uint32_t signed_bytes;     // header, body and protected fields
    uint32_t protected_bytes;  // the latter
    struct version version;
};

struct image {
    struct version version;
    uint8_t digest[SHA512_BYTES];
};

// Less than 0: `a` is the older one.
int version_compare(const struct version *a, const struct version *b);

// Whether this can be the beginning of an image for this board's memory.
enum verdict image_read_header(const uint8_t data[HEADER_BYTES], struct image_header *header);

// How long the fields are that begin with these bytes, these bytes included; 0 if no fields begin here.
uint32_t image_field_bytes(const uint8_t data[FIELDS_HEAD_BYTES]);

// Whether all of it is as its maker signed it, and for this board.
enum verdict image_verify(const uint8_t *data, uint32_t length, const uint8_t *key, struct image *image);
