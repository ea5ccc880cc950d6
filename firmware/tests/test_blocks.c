// needs: blocks.c node.c settings.c outputs.c events.c sense.c guard.c energy.c
// The register map: what each register shows, where blocks end, and what a key lets a master write.
#include "blocks.h"
#include "board.h"
#include "node_fixture.h"
#include "version.h"
#include "words.h"

uint16_t board_capabilities = CAPABILITY_STORAGE | CAPABILITY_UPDATE | CAPABILITY_WATCHDOG;

#define NOW_MS WIDE(23)

static uint64_t number(const uint16_t *words, unsigned count) {
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++) {
        value = value << 16 | words[i];
    }
    return value;
}

// What one register, or the two or four of a long number, show of the node of the fixture.
static const struct shown {
    const char *name;
    uint16_t address;
    uint16_t words;
    uint64_t value;
} shown[] = {
    {"identity.block", IDENTITY_ADDRESS + IDENTITY_BLOCK, 1, 0xB001},
    {"identity.sequence", IDENTITY_ADDRESS + IDENTITY_SEQUENCE, 2, 70101},
    {"identity.uptime_ms", IDENTITY_ADDRESS + IDENTITY_UPTIME_MS, 4, NOW_MS},
    {"identity.magic", IDENTITY_ADDRESS + IDENTITY_MAGIC, 1, 0x4541},
    {"identity.map_version", IDENTITY_ADDRESS + IDENTITY_MAP_VERSION, 1, MAP_VERSION},
    {"identity.board", IDENTITY_ADDRESS + IDENTITY_BOARD, 1, BOARD_ID},
    {"identity.capabilities", IDENTITY_ADDRESS + IDENTITY_CAPABILITIES, 1, 7},
    {"identity.channels", IDENTITY_ADDRESS + IDENTITY_CHANNELS, 1, 10},
    {"identity.outputs", IDENTITY_ADDRESS + IDENTITY_OUTPUTS, 1, 5},
    {"identity.serial_number", IDENTITY_ADDRESS + IDENTITY_SERIAL_NUMBER, 2, 123456789},
    {"identity.version_major", IDENTITY_ADDRESS + IDENTITY_VERSION_MAJOR, 1, VERSION_MAJOR},
    {"identity.version_minor", IDENTITY_ADDRESS + IDENTITY_VERSION_MINOR, 1, VERSION_MINOR},
    {"identity.version_patch", IDENTITY_ADDRESS + IDENTITY_VERSION_PATCH, 1, VERSION_PATCH},
    {"identity.build", IDENTITY_ADDRESS + IDENTITY_BUILD, 2, VERSION_BUILD},
    {"telemetry.block", TELEMETRY_ADDRESS + TELEMETRY_BLOCK, 1, 0xB002},
    {"telemetry.sequence", TELEMETRY_ADDRESS + TELEMETRY_SEQUENCE, 2, 70101},
    {"telemetry.measured_ms", TELEMETRY_ADDRESS + TELEMETRY_MEASURED_MS, 4, WIDE(17)},
    {"telemetry.boot_count", TELEMETRY_ADDRESS + TELEMETRY_BOOT_COUNT, 2, 70401},
    {"telemetry.last_event", TELEMETRY_ADDRESS + TELEMETRY_LAST_EVENT, 2, 2},
    {"telemetry.valid", TELEMETRY_ADDRESS + TELEMETRY_VALID, 2, 0x3FF & ~(1u << CHANNEL_VOLTAGE_OUT)},
    {"telemetry.alarms", TELEMETRY_ADDRESS + TELEMETRY_ALARMS, 2,
     ALARM_OVER_POWER | ALARM_FAN_STALLED | ALARM_STORAGE_FAILED | ALARM_SETTINGS_DEFAULT},
    {"telemetry.temperature_board", TELEMETRY_ADDRESS + TELEMETRY_TEMPERATURE_BOARD, 2, 70000},
    {"telemetry.temperature_inlet", TELEMETRY_ADDRESS + TELEMETRY_TEMPERATURE_INLET, 2, (uint32_t)-70001},
    {"telemetry.temperature_outlet", TELEMETRY_ADDRESS + TELEMETRY_TEMPERATURE_OUTLET, 2, 70002},
    {"telemetry.temperature_coolant", TELEMETRY_ADDRESS + TELEMETRY_TEMPERATURE_COOLANT, 2, (uint32_t)-70003},
    {"telemetry.voltage_in", TELEMETRY_ADDRESS + TELEMETRY_VOLTAGE_IN, 2, 70004},
    {"telemetry.voltage_out", TELEMETRY_ADDRESS + TELEMETRY_VOLTAGE_OUT, 2, 0x80000000},
    {"telemetry.current_out", TELEMETRY_ADDRESS + TELEMETRY_CURRENT_OUT, 2, 70006},
    {"telemetry.power_in", TELEMETRY_ADDRESS + TELEMETRY_POWER_IN, 2, (uint32_t)-70007},
    {"telemetry.speed_fan1", TELEMETRY_ADDRESS + TELEMETRY_SPEED_FAN1, 2, 70008},
    {"telemetry.speed_fan2", TELEMETRY_ADDRESS + TELEMETRY_SPEED_FAN2, 2, (uint32_t)-70009},
    {"telemetry.energy_in", TELEMETRY_ADDRESS + TELEMETRY_ENERGY_IN, 4, WIDE(19)},
    {"telemetry.output_relay1", TELEMETRY_ADDRESS + TELEMETRY_OUTPUT_RELAY1, 1, 300},
    {"telemetry.output_power_limit", TELEMETRY_ADDRESS + TELEMETRY_OUTPUT_POWER_LIMIT, 1, 304},
    {"telemetry.source_relay2", TELEMETRY_ADDRESS + TELEMETRY_SOURCE_RELAY2, 1, SOURCE_LEASE},
    {"telemetry.source_fan2", TELEMETRY_ADDRESS + TELEMETRY_SOURCE_FAN2, 1, SOURCE_GUARD},
    {"telemetry.lease_relay1", TELEMETRY_ADDRESS + TELEMETRY_LEASE_RELAY1, 2, 0},
    {"telemetry.lease_fan1", TELEMETRY_ADDRESS + TELEMETRY_LEASE_FAN1, 2, 71234},
    {"telemetry.unlocked", TELEMETRY_ADDRESS + TELEMETRY_UNLOCKED, 1, CONFIG_UNLOCKED},
    {"diagnostics.block", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_BLOCK, 1, 0xB003},
    {"diagnostics.reset_cause", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_RESET_CAUSE, 1, RESET_CAUSE_FAULT},
    {"diagnostics.watchdog_resets", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_WATCHDOG_RESETS, 2, 70402},
    {"diagnostics.frames", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_FRAMES, 2, 70301},
    {"diagnostics.crc_errors", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_CRC_ERRORS, 2, 70302},
    {"diagnostics.other_slaves", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_OTHER_SLAVES, 2, 70303},
    {"diagnostics.exceptions", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_EXCEPTIONS, 2, 70304},
    {"diagnostics.uart_errors", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_UART_ERRORS, 2, 70403},
    {"diagnostics.i2c_errors_tmp105", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_I2C_ERRORS_TMP105, 2, 70200},
    {"diagnostics.i2c_errors_max31785", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_I2C_ERRORS_MAX31785, 2, 70203},
    {"diagnostics.storage_writes", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_STORAGE_WRITES, 2, 70404},
    {"diagnostics.storage_errors", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_STORAGE_ERRORS, 2, 70405},
    {"diagnostics.loop_max_ms", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_LOOP_MAX_MS, 2, 70406},
    {"diagnostics.stack_free", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_STACK_FREE, 2, 70407},
    {"diagnostics.image_confirmed", DIAGNOSTICS_ADDRESS + DIAGNOSTICS_IMAGE_CONFIRMED, 1, 1},
    {"events.block", EVENTS_ADDRESS + EVENTS_BLOCK, 1, 0xB004},
    {"events.event0_number", EVENTS_ADDRESS + EVENTS_EVENT0_NUMBER, 2, 1},
    {"events.event0_uptime_ms", EVENTS_ADDRESS + EVENTS_EVENT0_UPTIME_MS, 2, (uint32_t)WIDE(29)},
    {"events.event0_code", EVENTS_ADDRESS + EVENTS_EVENT0_CODE, 1, EVENT_CODE_SHED_BEGAN},
    {"events.event0_detail", EVENTS_ADDRESS + EVENTS_EVENT0_DETAIL, 2, (uint32_t)-123456},
    {"events.event1_number", EVENTS_ADDRESS + EVENTS_EVENT1_NUMBER, 2, 2},
    {"events.event2_number", EVENTS_ADDRESS + EVENTS_EVENT2_NUMBER, 2, 0},
    {"events.event11_detail", EVENTS_ADDRESS + EVENTS_EVENT11_DETAIL, 2, 0},
};

static void shown_node(struct node *node) {
    fill_node(node);
    put_u32(node->settings.config + CONFIG_SERIAL_NUMBER, 123456789);
    node->outputs.of[OUTPUT_RELAY1].lease_ends_ms = NOW_MS;  // over at this very moment
    node->outputs.of[OUTPUT_FAN1].lease_ends_ms = NOW_MS + 71234;
    node->unlocked = CONFIG_UNLOCKED;
    events_add(&node->events, WIDE(29), EVENT_CODE_SHED_BEGAN, -123456);
    events_add(&node->events, WIDE(29), EVENT_CODE_SHED_ENDED, 0);
}

static void test_shown(void **state) {
    const struct shown *row = *state;
    struct node node;
    uint16_t words[4];
    shown_node(&node);
    assert_int_equal(input_read(&node, NOW_MS, row->address, row->words, words), EXCEPTION_NONE);
    assert_true(number(words, row->words) == row->value);
}

static const struct block {
    const char *name;
    bool holding;
    uint16_t address, words;
} blocks[] = {
    {"identity", false, IDENTITY_ADDRESS, IDENTITY_WORDS},
    {"telemetry", false, TELEMETRY_ADDRESS, TELEMETRY_WORDS},
    {"diagnostics", false, DIAGNOSTICS_ADDRESS, DIAGNOSTICS_WORDS},
    {"events", false, EVENTS_ADDRESS, EVENTS_WORDS},
    {"access", true, ACCESS_ADDRESS, ACCESS_WORDS},
    {"setpoints", true, SETPOINTS_ADDRESS, SETPOINTS_WORDS},
    {"config", true, CONFIG_ADDRESS, CONFIG_WORDS},
    {"calibration", true, CALIBRATION_ADDRESS, CALIBRATION_WORDS},
};

static enum exception read_block(const struct block *block, int from, unsigned count, uint16_t *words) {
    struct node node;
    uint16_t address = (uint16_t)(block->address + from);
    shown_node(&node);
    return block->holding ? holding_read(&node, NOW_MS, address, (uint16_t)count, words)
                          : input_read(&node, NOW_MS, address, (uint16_t)count, words);
}

static void test_borders(void **state) {
    const struct block *block = *state;
    uint16_t whole[126], part[126];
    unsigned size = block->words;
    assert_int_equal(read_block(block, 0, size, whole), EXCEPTION_NONE);
    assert_int_equal(read_block(block, 0, size + 1, part), EXCEPTION_ADDRESS);
    assert_int_equal(read_block(block, 1, size, part), EXCEPTION_ADDRESS);
    assert_int_equal(read_block(block, -1, 2, part), EXCEPTION_ADDRESS);
    assert_int_equal(read_block(block, (int)size, 1, part), EXCEPTION_ADDRESS);
    assert_int_equal(read_block(block, (int)size - 1, 2, part), EXCEPTION_ADDRESS);
    assert_int_equal(read_block(block, 0, 125, part), size == 125 ? EXCEPTION_NONE : EXCEPTION_ADDRESS);
    for (unsigned from = 0; from < size; from++) {
        part[1] = 0xDEAD;
        assert_int_equal(read_block(block, (int)from, 1, part), EXCEPTION_NONE);
        assert_int_equal(part[0], whole[from]);
        assert_int_equal(part[1], 0xDEAD);
    }
}

static void test_nowhere(void **state) {
    static const uint16_t nowhere[] = {0x0020, 0x00FF, 0x0140, 0x01A5, 0x01FF, 0x0300, 0x8000, 0xFFFF};
    struct node node;
    uint16_t words[125] = {0};
    (void)state;
    node_init(&node);
    node.unlocked = CONFIG_UNLOCKED;
    for (unsigned i = 0; i < COUNT(nowhere); i++) {
        for (uint16_t count = 1; count <= 125; count = (uint16_t)(count + 31)) {
            assert_int_equal(input_read(&node, 0, nowhere[i], count, words), EXCEPTION_ADDRESS);
            assert_int_equal(holding_write(&node, 0, nowhere[i], count, words), EXCEPTION_ADDRESS);
        }
    }
}

// What a write needs, and what it is answered.
static const struct write {
    const char *name;
    uint16_t address, value;
    enum exception by_level[3];  // locked, setpoints unlocked, settings unlocked
} writes[] = {
    {"lock", ACCESS_ADDRESS + ACCESS_ACCESS, 0, {0, 0, 0}},
    {"key of the setpoints", ACCESS_ADDRESS + ACCESS_ACCESS, 0x4C45, {0, 0, 0}},
    {"key of the settings", ACCESS_ADDRESS + ACCESS_ACCESS, 0x4346, {0, 0, 0}},
    {"no key", ACCESS_ADDRESS + ACCESS_ACCESS, 1, {3, 3, 3}},
    {"its bytes swapped", ACCESS_ADDRESS + ACCESS_ACCESS, 0x454C, {3, 3, 3}},
    {"reset", ACCESS_ADDRESS + ACCESS_RESET, 0x5E57, {1, 1, 0}},
    {"reset to boot", ACCESS_ADDRESS + ACCESS_RESET, 0xB007, {1, 1, 0}},
    {"no reset", ACCESS_ADDRESS + ACCESS_RESET, 0, {1, 1, 3}},
    {"relay open", SETPOINTS_ADDRESS + SETPOINTS_RELAY1, 0, {1, 0, 0}},
    {"relay closed", SETPOINTS_ADDRESS + SETPOINTS_RELAY2, 1, {1, 0, 0}},
    {"relay neither", SETPOINTS_ADDRESS + SETPOINTS_RELAY1, 2, {1, 3, 3}},
    {"fan full", SETPOINTS_ADDRESS + SETPOINTS_FAN1, 10000, {1, 0, 0}},
    {"fan over", SETPOINTS_ADDRESS + SETPOINTS_FAN2, 10001, {1, 3, 3}},
    {"no limit", SETPOINTS_ADDRESS + SETPOINTS_POWER_LIMIT, 0xFFFF, {1, 0, 0}},
    {"longest lease, upper half", SETPOINTS_ADDRESS + SETPOINTS_FAN1_LEASE_MS, 0x36, {1, 0, 0}},
    {"longer lease, upper half", SETPOINTS_ADDRESS + SETPOINTS_FAN1_LEASE_MS, 0x37, {1, 3, 3}},
    {"slave 1", CONFIG_ADDRESS + CONFIG_SLAVE_ID, 1, {1, 1, 0}},
    {"slave 247", CONFIG_ADDRESS + CONFIG_SLAVE_ID, 247, {1, 1, 0}},
    {"slave 0", CONFIG_ADDRESS + CONFIG_SLAVE_ID, 0, {1, 1, 3}},
    {"slave 248", CONFIG_ADDRESS + CONFIG_SLAVE_ID, 248, {1, 1, 3}},
    {"guard at -40", CONFIG_ADDRESS + CONFIG_GUARD_TEMPERATURE, (uint16_t)-40, {1, 1, 0}},
    {"guard at -41", CONFIG_ADDRESS + CONFIG_GUARD_TEMPERATURE, (uint16_t)-41, {1, 1, 3}},
    {"half a gain", CALIBRATION_ADDRESS + CALIBRATION_POWER_IN_GAIN + 1, 1000, {1, 1, 0}},
    {"half a gain too much", CALIBRATION_ADDRESS + CALIBRATION_POWER_IN_GAIN, 8, {1, 1, 3}},
    {"an input register", TELEMETRY_ADDRESS + TELEMETRY_UNLOCKED, 2, {2, 2, 2}},
    {"behind the settings", CONFIG_ADDRESS + CONFIG_WORDS, 0, {2, 2, 2}},
};

static void test_write(void **state) {
    const struct write *row = *state;
    for (unsigned level = LOCKED; level <= CONFIG_UNLOCKED; level++) {
        struct node node, before;
        memset(&node, 0, sizeof node);
        node_init(&node);
        node.unlocked = (enum unlocked)level;
        memcpy(&before, &node, sizeof node);
        enum exception exception = holding_write(&node, 1000, row->address, 1, &row->value);
        assert_int_equal(exception, row->by_level[level]);
        if (exception) {
            assert_memory_equal(&node, &before, sizeof node);
        } else {
            uint16_t word;
            assert_int_equal(holding_read(&node, 1000, row->address, 1, &word), EXCEPTION_NONE);
            assert_true(word == row->value || row->address < SETPOINTS_ADDRESS);
        }
    }
}

static void test_keys(void **state) {
    static const uint16_t none = 0, control = KEY_CONTROL, config = KEY_CONFIG;
    static const uint16_t both[] = {KEY_CONFIG, RESET_PLAIN};
    struct node node;
    uint16_t words[ACCESS_WORDS];
    (void)state;
    node_init(&node);
    assert_int_equal(holding_write(&node, 5000, ACCESS_ADDRESS, 1, &control), EXCEPTION_NONE);
    assert_int_equal(node.unlocked, SETPOINTS_UNLOCKED);
    node_tick(&node, WIDE(1));
    assert_int_equal(node.unlocked, SETPOINTS_UNLOCKED);  // until the reset
    assert_int_equal(holding_write(&node, 5000, ACCESS_ADDRESS, 1, &config), EXCEPTION_NONE);
    node_tick(&node, 34999);
    assert_int_equal(holding_read(&node, 34999, ACCESS_ADDRESS, ACCESS_WORDS, words), EXCEPTION_NONE);
    assert_int_equal(words[ACCESS_ACCESS], CONFIG_UNLOCKED);
    assert_int_equal(words[ACCESS_RESET], 0);
    node_tick(&node, 35000);
    assert_int_equal(node.unlocked, SETPOINTS_UNLOCKED);
    assert_int_equal(holding_write(&node, 40000, ACCESS_ADDRESS, 1, &config), EXCEPTION_NONE);
    assert_int_equal(holding_write(&node, 60000, ACCESS_ADDRESS, 1, &config), EXCEPTION_NONE);
    node_tick(&node, 89999);  // a key written again counts anew
    assert_int_equal(node.unlocked, CONFIG_UNLOCKED);
    assert_int_equal(holding_write(&node, 89999, ACCESS_ADDRESS, 1, &none), EXCEPTION_NONE);
    assert_int_equal(node.unlocked, LOCKED);
    assert_int_equal(holding_write(&node, 89999, ACCESS_ADDRESS, 2, both), EXCEPTION_ADDRESS);
    assert_int_equal(node.unlocked, LOCKED);
    assert_int_equal(node.order, ORDER_NONE);
}

static void test_orders(void **state) {
    static const uint16_t plain = RESET_PLAIN, boot = RESET_TO_BOOT;
    struct node node;
    (void)state;
    node_init(&node);
    node.unlocked = CONFIG_UNLOCKED;
    holding_write(&node, 0, ACCESS_ADDRESS + ACCESS_RESET, 1, &plain);
    assert_int_equal(node.order, ORDER_RESET);
    holding_write(&node, 0, ACCESS_ADDRESS + ACCESS_RESET, 1, &boot);
    assert_int_equal(node.order, ORDER_BOOT);
    node.order = ORDER_NONE;
    board_capabilities &= (uint16_t)~CAPABILITY_UPDATE;
    assert_int_equal(holding_write(&node, 0, ACCESS_ADDRESS + ACCESS_RESET, 1, &boot), EXCEPTION_VALUE);
    board_capabilities |= CAPABILITY_UPDATE;
    assert_int_equal(node.order, ORDER_NONE);
}

// Many registers at once: one that is out of range keeps all from being written.
static void test_all_or_none(void **state) {
    struct node node;
    uint16_t words[CALIBRATION_WORDS], held[CALIBRATION_WORDS];
    (void)state;
    for (unsigned i = 4; i < COUNT(blocks); i++) {
        const struct block *block = &blocks[i];
        if (block->address == ACCESS_ADDRESS) {
            continue;
        }
        unsigned refused = 0;
        for (unsigned bad = 0; bad < block->words; bad++) {
            node_init(&node);
            node.unlocked = CONFIG_UNLOCKED;
            holding_read(&node, 0, block->address, block->words, held);
            memcpy(words, held, sizeof words);
            words[0] ^= 1;
            words[block->words - 1] ^= 1;
            words[bad] = 0x7FFF;
            if (holding_write(&node, 0, block->address, block->words, words) == EXCEPTION_NONE) {
                continue;  // this register takes any value
            }
            refused++;
            holding_read(&node, 0, block->address, block->words, words);
            assert_memory_equal(words, held, block->words * sizeof *words);
            assert_int_equal(node.events.last, 0);
            assert_false(node.settings_changed);
        }
        assert_in_range(refused, block->words / 2, block->words);
    }
}

static void test_settings_are_kept_and_told(void **state) {
    static const uint16_t rpm = 250, same = 250, standard = 1;
    struct node node;
    (void)state;
    node_init(&node);
    node.unlocked = CONFIG_UNLOCKED;
    node.health.settings_default = true;
    holding_write(&node, 77, CONFIG_ADDRESS + CONFIG_FAN_STALL_RPM, 1, &rpm);
    assert_true(node.settings_changed);
    assert_false(node.health.settings_default);
    const struct event *event = events_at(&node.events, 0);
    assert_int_equal(event->code, EVENT_CODE_SETTINGS_CHANGED);
    assert_int_equal(event->detail, CONFIG_ADDRESS + CONFIG_FAN_STALL_RPM);
    assert_int_equal(event->uptime_ms, 77);
    node.settings_changed = false;
    holding_write(&node, 78, CONFIG_ADDRESS + CONFIG_FAN_STALL_RPM, 1, &same);
    assert_false(node.settings_changed);  // as it is already: that wears out no flash
    assert_int_equal(node.events.last, 1);
    // A default that is written is from then on a setting.
    node_init(&node);
    node.unlocked = CONFIG_UNLOCKED;
    node.health.settings_default = true;
    holding_write(&node, 79, CONFIG_ADDRESS + CONFIG_SLAVE_ID, 1, &standard);
    assert_true(node.settings_changed);
    assert_false(node.health.settings_default);
}

int main(void) {
    ROWS(test_shown, shown)
    ROWS(test_borders, blocks)
    ROWS(test_write, writes)
    TEST(test_nowhere);
    TEST(test_keys);
    TEST(test_orders);
    TEST(test_all_or_none);
    TEST(test_settings_are_kept_and_told);
    return RUN_TESTS();
}
