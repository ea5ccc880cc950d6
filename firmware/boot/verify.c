#include "verify.h"

#include <stdbool.h>
#include <string.h>

#include "layout.h"
#include "registers.h"
#include "signature.h"

#define HEADER_MAGIC 0x96F3B83Du
#define FIELDS_MAGIC 0x6907u
#define PROTECTED_MAGIC 0x6908u

enum { FLAG_RAM_LOAD = 0x20, DIGEST_FIELD = 0x12, SIGNATURE_FIELD = 0x24, FIELD_HEAD_BYTES = 4 };

static uint32_t get16(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t get32(const uint8_t *bytes) {
    return get16(bytes) | get16(bytes + 2) << 16;
}

int version_compare(const struct version *a, const struct version *b) {
    const uint32_t first[] = {a->major, a->minor, a->revision, a->build};
    const uint32_t second[] = {b->major, b->minor, b->revision, b->build};
    for (unsigned i = 0; i < 4; i++) {
        if (first[i] != second[i]) {
            return first[i] < second[i] ? -1 : 1;
        }
    }
    return 0;
}

enum verdict image_read_header(const uint8_t data[HEADER_BYTES], struct image_header *header) {
    uint32_t body_bytes = get32(data + 12);
    if (get32(data) != HEADER_MAGIC) {
        return NO_IMAGE;
    }
    // No other flag: what is encrypted, compressed or not to be started is no image for here.
    if (get32(data + 16) != FLAG_RAM_LOAD || get32(data + 4) != LOAD_AT ||
        get16(data + 8) != IMAGE_HEADER_BYTES) {
        return OTHER_ADDRESS;
    }
    header->protected_bytes = get16(data + 10);
    if (body_bytes > SLOT_BYTES || IMAGE_HEADER_BYTES + body_bytes + header->protected_bytes > SLOT_BYTES) {
        return TOO_LARGE;
    }
    header->signed_bytes = IMAGE_HEADER_BYTES + body_bytes + header->protected_bytes;
    header->version = (struct version){data[20], data[21], (uint16_t)get16(data + 22), get32(data + 24)};
    return GOOD;
}

static uint32_t field_bytes(const uint8_t *head, uint32_t magic) {
    return get16(head) == magic ? get16(head + 2) : 0;
}

uint32_t image_field_bytes(const uint8_t data[FIELDS_HEAD_BYTES]) {
    return field_bytes(data, FIELDS_MAGIC);
}

// What is in the field of this type and length; null if there is none. `fields` begin with their head.
static const uint8_t *find_field(const uint8_t *fields, uint32_t length, uint32_t type, uint32_t wanted) {
    uint32_t at = FIELDS_HEAD_BYTES;
    while (at + FIELD_HEAD_BYTES <= length) {
        const uint8_t *field = fields + at;
        uint32_t end = at + FIELD_HEAD_BYTES + get16(field + 2);
        if (get16(field) == type && get16(field + 2) == wanted && end <= length) {
            return field + FIELD_HEAD_BYTES;
        }
        at = end;
    }
    return 0;
}

static bool for_this_board(const uint8_t *fields, uint32_t length) {
    if (length < FIELDS_HEAD_BYTES || field_bytes(fields, PROTECTED_MAGIC) != length) {
        return false;
    }
    const uint8_t *board = find_field(fields, length, BOARD_TLV, 2);
    return board && get16(board) == BOARD_AST1030;
}

enum verdict image_verify(const uint8_t *data, uint32_t length, const uint8_t *key, struct image *image) {
    struct image_header header;
    enum verdict verdict = length < HEADER_BYTES ? NO_IMAGE : image_read_header(data, &header);
    if (verdict != GOOD) {
        return verdict;
    }
    const uint8_t *fields = data + header.signed_bytes;
    if (length > SLOT_BYTES || header.signed_bytes + FIELDS_HEAD_BYTES > length ||
        image_field_bytes(fields) > length - header.signed_bytes) {
        return MALFORMED;
    }
    uint32_t fields_length = image_field_bytes(fields);
    const uint8_t *digest = find_field(fields, fields_length, DIGEST_FIELD, SHA512_BYTES);
    const uint8_t *signature = find_field(fields, fields_length, SIGNATURE_FIELD, SIGNATURE_BYTES);
    if (!digest) {
        return MALFORMED;
    }
    image->version = header.version;
    sha512(data, header.signed_bytes, image->digest);
    if (memcmp(digest, image->digest, SHA512_BYTES) != 0) {
        return CORRUPT;
    }
    if (!signature || !signature_good(signature, key, image->digest)) {
        return NOT_SIGNED;
    }
    return for_this_board(fields - header.protected_bytes, header.protected_bytes) ? GOOD : OTHER_BOARD;
}
