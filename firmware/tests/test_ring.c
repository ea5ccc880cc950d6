// needs:
// The ring between an interrupt and the main loop: in order, never over what has not been read.
#include "cases.h"
#include "ring.h"

static void test_order(void **state) {
    struct ring ring = {0};
    uint8_t byte;
    unsigned written = 0, read = 0;
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        for (unsigned i = 0; i < round % 7; i++) {
            written += ring_put(&ring, (uint8_t)(written * 31 >> 3));
        }
        for (unsigned i = 0; i < round % 5 && ring_get(&ring, &byte); i++, read++) {
            assert_int_equal(byte, (uint8_t)(read * 31 >> 3));
        }
        assert_int_equal(ring_empty(&ring), read == written);
        assert_in_range(written - read, 0, RING_BYTES - 1);
    }
    assert_in_range(written, 3 * RING_BYTES, 9000);  // it has gone round, and been full
}

static void test_full(void **state) {
    struct ring ring = {0};
    uint8_t byte;
    (void)state;
    assert_false(ring_get(&ring, &byte));
    for (unsigned i = 0; i < RING_BYTES - 1; i++) {
        assert_true(ring_put(&ring, (uint8_t)i));
    }
    assert_false(ring_put(&ring, 99));
    for (unsigned i = 0; i < RING_BYTES - 1; i++) {
        assert_true(ring_get(&ring, &byte));
        assert_int_equal(byte, (uint8_t)i);
    }
    assert_true(ring_empty(&ring));
}

int main(void) {
    TEST(test_order);
    TEST(test_full);
    return RUN_TESTS();
}
