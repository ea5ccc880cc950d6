// needs: frame.c
// What is sent is received, at every length; what was changed on the way is not.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "frame.h"

static uint8_t packet[PACKET_BYTES];
static uint8_t line[2 * FRAME_BYTES];

// The whole of a packet as it goes over the line.
static size_t encode(uint16_t length) {
    struct frame_sender sender = {.packet = packet, .length = length};
    size_t total = 0, part;
    while ((part = frame_next_line(&sender, line + total)) != 0) {
        assert_in_range(part, 1, LINE_BYTES);
        assert_int_equal(line[total + part - 1], '\n');
        total += part;
    }
    return total;
}

// How many packets the bytes hold; the last one's length.
static unsigned receive(struct frame_receiver *receiver, const uint8_t *bytes, size_t count,
                        uint16_t *length) {
    unsigned packets = 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t got = frame_receive(receiver, bytes[i]);
        if (got) {
            *length = got;
            packets++;
        }
    }
    return packets;
}

static void test_crc(void **state) {
    (void)state;
    assert_int_equal(frame_crc((const uint8_t *)"123456789", 9), 0x31C3);
}

// The example of the Python package `smp`.
static void test_example(void **state) {
    (void)state;
    memcpy(packet, "Hello, world!", 13);
    assert_int_equal(encode(13), 27);
    assert_memory_equal(line, "\x06\x09" "AA9IZWxsbywgd29ybGQhet4=\n", 27);
}

static void test_every_length(void **state) {
    struct frame_receiver receiver = {0};
    (void)state;
    for (uint16_t length = 1; length <= PACKET_BYTES; length++) {
        uint16_t got = 0;
        for (unsigned i = 0; i < length; i++) {
            packet[i] = (uint8_t)(i * 31 + length);
        }
        assert_int_equal(receive(&receiver, line, encode(length), &got), 1);
        assert_int_equal(got, length);
        assert_memory_equal(receiver.data + 2, packet, length);
    }
}

static void test_changed_byte(void **state) {
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        packet[i] = (uint8_t)(i * 7);
    }
    size_t total = encode(300);
    for (size_t at = 0; at < total; at++) {
        for (unsigned change = 1; change < 256; change++) {
            struct frame_receiver receiver = {0};
            uint16_t got = 0;
            line[at] ^= (uint8_t)change;
            unsigned packets = receive(&receiver, line, total, &got);
            line[at] ^= (uint8_t)change;
            // The bits that pad the last group mean nothing.
            assert_true(packets == 0 || memcmp(receiver.data + 2, packet, 300) == 0);
        }
    }
}

static void test_noise_between(void **state) {
    struct frame_receiver receiver = {0};
    uint16_t got = 0;
    (void)state;
    memset(packet, 0x55, 200);
    for (unsigned n = 0; n < 500; n++) {
        uint8_t noise[40];
        for (unsigned i = 0; i < sizeof noise; i++) {
            noise[i] = (uint8_t)(n * 17 + i * i * 29 + (i == n % 40 ? 6 : 0));
        }
        receive(&receiver, noise, n % sizeof noise, &got);
        assert_int_equal(receive(&receiver, line, encode(200), &got), 1);
        assert_int_equal(got, 200);
    }
}

// A length that is not true: too long for the buffer, shorter than what follows, or of nothing.
static void test_false_length(void **state) {
    static const char *const lines[] = {"\x06\x09//8A\n", "\x06\x09" "AAAA\n", "\x06\x09" "AAFIZWxs\n",
                                        "\x06\x09" "AAIAAA==\n", "\x06\x09" "A===\n", "\x06\x09" "AA=A\n",
                                        "\x06\x09\n",   "\x04\x14" "AA9I\n"};
    (void)state;
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct frame_receiver receiver = {0};
        uint16_t got = 0;
        assert_int_equal(receive(&receiver, (const uint8_t *)lines[i], strlen(lines[i]), &got), 0);
    }
}

static void test_endless_frame(void **state) {
    struct frame_receiver receiver = {0};
    uint16_t got = 0;
    (void)state;
    assert_int_equal(receive(&receiver, (const uint8_t *)"\x06\x09" "//8A", 6, &got), 0);
    for (unsigned i = 0; i < 100000; i++) {
        assert_int_equal(frame_receive(&receiver, 'A'), 0);
    }
    assert_in_range(receiver.length, 0, FRAME_BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc),           cmocka_unit_test(test_example),
        cmocka_unit_test(test_every_length),  cmocka_unit_test(test_changed_byte),
        cmocka_unit_test(test_noise_between), cmocka_unit_test(test_false_length),
        cmocka_unit_test(test_endless_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
