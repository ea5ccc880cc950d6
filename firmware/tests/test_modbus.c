// needs: modbus.c blocks.c crc16.c node.c settings.c outputs.c events.c sense.c guard.c energy.c
// Requests and their answers, byte by byte, as MODBUS Application Protocol V1.1b3 wants them.
#include <stdio.h>

#include "board.h"
#include "frames.h"
#include "modbus.h"
#include "words.h"

uint16_t board_capabilities = CAPABILITY_WATCHDOG;

enum { NOW_MS = 1000 };

// Answer a request of exactly these bytes: one that is read beyond its end is seen by the sanitizer.
static void answer(struct node *node, const char *request, struct bytes *got) {
    struct bytes bytes;
    read_until(request, 0, &bytes);
    uint8_t *exact = malloc(bytes.length);
    uint8_t *room = malloc(FRAME_MAX);
    assert_non_null(exact);
    assert_non_null(room);
    memcpy(exact, bytes.data, bytes.length);
    got->length = modbus_answer(node, NOW_MS, exact, room);
    memcpy(got->data, room, got->length);
    free(exact);
    free(room);
}

static void assert_answer(struct node *node, const char *request, const char *wanted) {
    struct bytes got, want;
    answer(node, request, &got);
    read_until(wanted, 0, &want);
    assert_int_equal(got.length, want.length);
    assert_memory_equal(got.data, want.data, want.length);
}

static const struct row {
    const char *name;
    enum unlocked level;
    const char *request, *answer;
} rows[] = {
    // 6.3 Read Holding Registers, 6.4 Read Input Registers
    {"3: one register", LOCKED, "(01 03 00 00 00 01)", "(01 03 02 00 00)"},
    {"3: a block", LOCKED, "(01 03 01 00 00 0C)",
     "(01 03 18 00 01 00 00 00 00 00 01 00 02 27 10 27 10 FF FF 00 01 01 F4 00 55 00 64)"},
    {"3: the end of a block", LOCKED, "(01 03 01 0B 00 01)", "(01 03 02 00 64)"},
    {"3: beyond its end", LOCKED, "(01 03 01 0B 00 02)", "(01 83 02)"},
    {"3: a block of the other space", LOCKED, "(01 03 01 80 00 01)", "(01 83 02)"},
    {"3: nothing", LOCKED, "(01 03 00 00 00 00)", "(01 83 03)"},
    {"3: more than 125", LOCKED, "(01 03 00 00 00 7E)", "(01 83 03)"},
    {"3: far more", LOCKED, "(01 03 00 00 FF FF)", "(01 83 03)"},
    {"3: 125, not within a block", LOCKED, "(01 03 00 00 00 7D)", "(01 83 02)"},
    {"3: over the last address", LOCKED, "(01 03 FF FF 00 02)", "(01 83 02)"},
    {"4: one register", LOCKED, "(01 04 00 07 00 01)", "(01 04 02 45 41)"},
    {"4: the time of the answer", LOCKED, "(01 04 01 03 00 04)", "(01 04 08 00 00 00 00 00 00 03 E8)"},
    {"4: no value", LOCKED, "(01 04 01 13 00 02)", "(01 04 04 80 00 00 00)"},
    {"4: a block of the other space", LOCKED, "(01 04 00 14 00 01)", "(01 84 02)"},
    {"4: nothing", LOCKED, "(01 04 00 00 00 00)", "(01 84 03)"},
    {"4: more than 125", LOCKED, "(01 04 00 00 00 7E)", "(01 84 03)"},

    // 6.6 Write Single Register: the answer is the request
    {"6: a key", LOCKED, "(01 06 00 00 4C 45)", "(01 06 00 00 4C 45)"},
    {"6: no key", LOCKED, "(01 06 00 00 12 34)", "(01 86 03)"},
    {"6: locked", LOCKED, "(01 06 00 10 00 01)", "(01 86 01)"},
    {"6: a setpoint", SETPOINTS_UNLOCKED, "(01 06 00 10 00 01)", "(01 06 00 10 00 01)"},
    {"6: out of range", SETPOINTS_UNLOCKED, "(01 06 00 10 00 02)", "(01 86 03)"},
    {"6: a setting with the key of setpoints", SETPOINTS_UNLOCKED, "(01 06 01 0B 00 C8)", "(01 86 01)"},
    {"6: a setting", CONFIG_UNLOCKED, "(01 06 01 0B 00 C8)", "(01 06 01 0B 00 C8)"},
    {"6: nowhere", CONFIG_UNLOCKED, "(01 06 04 00 00 00)", "(01 86 02)"},

    // 6.12 Write Multiple Registers: the answer is address and count
    {"16: setpoint and lease", SETPOINTS_UNLOCKED, "(01 10 00 10 00 03 06 00 01 00 00 13 88)",
     "(01 10 00 10 00 03)"},
    {"16: all setpoints", SETPOINTS_UNLOCKED, "(01 10 00 10 00 0F 1E 00*30)", "(01 10 00 10 00 0F)"},
    {"16: locked", LOCKED, "(01 10 00 10 00 01 02 00 01)", "(01 90 01)"},
    {"16: out of range", SETPOINTS_UNLOCKED, "(01 10 00 10 00 03 06 00 01 00 36 EE 81)", "(01 90 03)"},
    {"16: beyond the end of a block", SETPOINTS_UNLOCKED, "(01 10 00 1E 00 02 04 00*4)", "(01 90 02)"},
    {"16: nothing", SETPOINTS_UNLOCKED, "(01 10 00 10 00 00 00)", "(01 90 03)"},
    {"16: more than 123", SETPOINTS_UNLOCKED, "(01 10 00 10 00 7C F7 00*247)", "(01 90 03)"},
    {"16: 123, not within a block", SETPOINTS_UNLOCKED, "(01 10 00 10 00 7B F6 00*246)", "(01 90 02)"},
    {"16: fewer bytes than registers", SETPOINTS_UNLOCKED, "(01 10 00 10 00 03 04 00*4)", "(01 90 03)"},
    {"16: more bytes than registers", SETPOINTS_UNLOCKED, "(01 10 00 10 00 01 04 00*4)", "(01 90 03)"},
    {"16: an odd byte", SETPOINTS_UNLOCKED, "(01 10 00 10 00 01 03 00*3)", "(01 90 03)"},
    {"16: count and bytes equal modulo 256", SETPOINTS_UNLOCKED, "(01 10 00 10 00 81 02 00*2)", "(01 90 03)"},
    {"16: a key and an order at once", LOCKED, "(01 10 00 00 00 02 04 43 46 5E 57)", "(01 90 02)"},

    // 6.21 Read Device Identification
    {"43: all as a stream", LOCKED, "(01 2B 0E 01 00)",
     "(01 2B 0E 01 81 00 00 03 00 09 65 64 67 65 61 67 65 6E 74"
     " 01 10 73 65 6E 73 6F 72 2D 6E 6F 64 65 2D 68 6F 73 74 02 05 30 2E 31 2E 30)"},
    {"43: a stream from the last object on", LOCKED, "(01 2B 0E 01 02)",
     "(01 2B 0E 01 81 00 00 01 02 05 30 2E 31 2E 30)"},
    {"43: a stream from nowhere begins at the first", LOCKED, "(01 2B 0E 01 80)",
     "(01 2B 0E 01 81 00 00 03 00 09 65 64 67 65 61 67 65 6E 74"
     " 01 10 73 65 6E 73 6F 72 2D 6E 6F 64 65 2D 68 6F 73 74 02 05 30 2E 31 2E 30)"},
    {"43: regular objects, of which there are none more", LOCKED, "(01 2B 0E 02 02)",
     "(01 2B 0E 02 81 00 00 01 02 05 30 2E 31 2E 30)"},
    {"43: extended objects, likewise", LOCKED, "(01 2B 0E 03 02)",
     "(01 2B 0E 03 81 00 00 01 02 05 30 2E 31 2E 30)"},
    {"43: one object", LOCKED, "(01 2B 0E 04 00)",
     "(01 2B 0E 04 81 00 00 01 00 09 65 64 67 65 61 67 65 6E 74)"},
    {"43: one object that there is not", LOCKED, "(01 2B 0E 04 03)", "(01 AB 02)"},
    {"43: no access", LOCKED, "(01 2B 0E 00 00)", "(01 AB 03)"},
    {"43: another access", LOCKED, "(01 2B 0E 05 00)", "(01 AB 03)"},
    {"43: CANopen", LOCKED, "(01 2B 0D 00 00)", "(01 AB 01)"},
    {"43: nothing more", LOCKED, "(01 2B)", "(01 AB 01)"},

    // 2.2 of the serial line specification: to all, and to others
    {"another slave", LOCKED, "(02 03 00 00 00 01)", ""},
    {"broadcast of a key", LOCKED, "(00 06 00 00 4C 45)", ""},
    {"broadcast of a read", LOCKED, "(00 03 00 00 00 01)", ""},
    {"broadcast of an unknown function", LOCKED, "(00 11)", ""},
    {"broadcast of device identification", LOCKED, "(00 2B 0E 01 00)", ""},
};

static void test_answer(void **state) {
    const struct row *row = *state;
    struct node node;
    node_init(&node);
    node.unlocked = row->level;
    assert_answer(&node, row->request, row->answer);
    bool other = strncmp(row->request, "(02", 3) == 0;
    assert_int_equal(node.line.other_slaves, other);
    assert_int_equal(node.line.frames, !other);
}

static void test_unknown_functions(void **state) {
    (void)state;
    for (unsigned function = 0; function < 0x80; function++) {
        char request[20], wanted[20];
        if (function == 3 || function == 4 || function == 6 || function == 16) {
            continue;
        }
        struct node node;
        node_init(&node);
        snprintf(request, sizeof request, "(01 %02X 00 00)", function);
        snprintf(wanted, sizeof wanted, "(01 %02X 01)", function | 0x80);
        assert_answer(&node, request, wanted);
    }
}

static void test_the_longest_answer(void **state) {
    struct node node;
    struct bytes got;
    (void)state;
    node_init(&node);
    answer(&node, "(01 04 02 00 00 5B)", &got);  // the event log
    assert_int_equal(got.length, 5 + 2 * EVENTS_WORDS);
    assert_int_equal(got.data[2], 2 * EVENTS_WORDS);
    assert_int_equal(crc16(got.data, got.length), 0);
}

static void test_broadcast_is_carried_out(void **state) {
    struct node node;
    (void)state;
    node_init(&node);
    assert_answer(&node, "(00 06 00 00 4C 45)", "");
    assert_int_equal(node.unlocked, SETPOINTS_UNLOCKED);
    assert_answer(&node, "(00 10 00 16 00 03 06 0B B8 00 00 13 88)", "");
    assert_int_equal(node.outputs.of[OUTPUT_FAN1].setpoint, 3000);
    assert_int_equal(node.outputs.of[OUTPUT_FAN1].lease_ends_ms, NOW_MS + 5000);
    assert_answer(&node, "(00 06 01 00 00 05)", "");
    assert_int_equal(node.settings.config[CONFIG_SLAVE_ID], 1);  // locked, to all as to one
}

static void test_slave_id_changes(void **state) {
    struct node node;
    (void)state;
    node_init(&node);
    node.unlocked = CONFIG_UNLOCKED;
    assert_answer(&node, "(01 06 01 00 00 F7)", "(01 06 01 00 00 F7)");  // still from the old one
    assert_answer(&node, "(01 03 00 00 00 01)", "");
    assert_answer(&node, "(F7 03 00 00 00 01)", "(F7 03 02 00 02)");
    assert_answer(&node, "(F7 03 00 00 00 00)", "(F7 83 03)");
    assert_int_equal(node.line.frames, 3);
    assert_int_equal(node.line.other_slaves, 1);
    assert_int_equal(node.line.exceptions, 1);
}

static void test_a_write_of_many_is_whole(void **state) {
    struct node node;
    (void)state;
    node_init(&node);
    node.unlocked = SETPOINTS_UNLOCKED;
    // Five outputs, the last lease a millisecond too long.
    assert_answer(&node,
                  "(01 10 00 10 00 0F 1E 00 01 00 00 13 88 00 01 00 00 13 88 0B B8 00 00 13 88"
                  " 0B B8 00 00 13 88 01 F4 00 36 EE 81)",
                  "(01 90 03)");
    for (unsigned i = 0; i < OUTPUTS; i++) {
        assert_int_equal(node.outputs.of[i].setpoint, 0);
        assert_int_equal(node.outputs.of[i].lease_ends_ms, 0);
    }
    assert_answer(&node,
                  "(01 10 00 10 00 0F 1E 00 01 00 00 13 88 00 01 00 00 13 88 0B B8 00 00 13 88"
                  " 0B B8 00 00 13 88 01 F4 00 36 EE 80)",
                  "(01 10 00 10 00 0F)");
    assert_int_equal(node.outputs.of[OUTPUT_POWER_LIMIT].lease_ends_ms, NOW_MS + LEASE_MAX_MS);
    assert_answer(&node, "(01 03 00 1C 00 03)", "(01 03 06 01 F4 00 36 EE 80)");
}

int main(void) {
    ROWS(test_answer, rows)
    TEST(test_unknown_functions);
    TEST(test_the_longest_answer);
    TEST(test_broadcast_is_carried_out);
    TEST(test_slave_id_changes);
    TEST(test_a_write_of_many_is_whole);
    return RUN_TESTS();
}
