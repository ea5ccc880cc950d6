// needs: crc16.c crc32.c
// Both checksums against published values, and bit by bit.
#include "cases.h"
#include "crc16.h"
#include "crc32.h"

static const struct row {
    const char *name;
    const char *data;
    size_t length;
    uint16_t crc16;
    uint32_t crc32;
} rows[] = {
    {"nothing", "", 0, 0xFFFF, 0x00000000},
    {"the check value of both", "123456789", 9, 0x4B37, 0xCBF43926},
    // MODBUS over Serial Line V1.02, section 6.2.2: the frame ends in 41 12.
    {"the specification's example", "\x02\x07", 2, 0x1241, 0},
    {"a request", "\x01\x03\x00\x00\x00\x0A", 6, 0xCDC5, 0},
    {"with its CRC it is 0", "\x01\x03\x00\x00\x00\x0A\xC5\xCD", 8, 0x0000, 0},
};

static void test_published(void **state) {
    const struct row *row = *state;
    assert_int_equal(crc16((const uint8_t *)row->data, row->length), row->crc16);
    if (row->crc32 || !row->length) {
        assert_int_equal(crc32_update(0, row->data, row->length), row->crc32);
    }
}

static uint32_t bit_by_bit(uint32_t crc, uint32_t polynomial, const uint8_t *data, size_t length) {
    for (size_t i = 0; i < 8 * length; i++) {
        crc ^= data[i / 8] >> i % 8 & 1;
        crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
    }
    return crc;
}

static void test_bit_by_bit(void **state) {
    uint8_t data[256];
    (void)state;
    for (unsigned i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * i + 7 * i);
        assert_int_equal(crc16(data, i), bit_by_bit(0xFFFF, 0xA001, data, i));
        assert_int_equal(crc32_update(0, data, i), ~bit_by_bit(0xFFFFFFFF, 0xEDB88320, data, i));
        assert_int_equal(crc32_update(crc32_update(0, data, i / 3), data + i / 3, i - i / 3),
                         crc32_update(0, data, i));
    }
}

int main(void) {
    ROWS(test_published, rows)
    TEST(test_bit_by_bit);
    return RUN_TESTS();
}
