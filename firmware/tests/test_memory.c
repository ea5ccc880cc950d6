// needs: memory.c node.c settings.c outputs.c events.c sense.c guard.c energy.c
// What a node knows after each kind of start, with and without a store, and what it keeps while it runs.
#include "board.h"
#include "cases.h"
#include "memory.h"
#include "retained.h"
#include "store.h"

enum { WITH_STORE = CAPABILITY_STORAGE, WITHOUT_STORE = 0, MINUTE_MS = 60000 };

uint16_t board_capabilities;
struct retained retained;

// A store in memory, instead of flash.
static struct {
    bool absent;  // the flash chip does not answer
    bool full;    // and does not take anything
    unsigned saves[STORE_KINDS];
    uint16_t length[STORE_KINDS];
    uint8_t data[STORE_KINDS][STORE_RECORD_MAX];
} store;

bool store_open(void) {
    return !store.absent && board_capabilities & CAPABILITY_STORAGE;
}

bool store_load(enum store_kind kind, void *data, uint16_t length) {
    if (!store_open() || store.length[kind] != length) {
        return false;
    }
    memcpy(data, store.data[kind], length);
    return true;
}

bool store_save(enum store_kind kind, const void *data, uint16_t length) {
    assert_in_range(length, 1, STORE_RECORD_MAX);
    if (!store_open() || store.full) {
        return false;
    }
    store.saves[kind]++;
    store.length[kind] = length;
    memcpy(store.data[kind], data, length);
    return true;
}

static struct node node;

static void start(void) {
    memset(store.saves, 0, sizeof store.saves);
    node_init(&node);
    memory_restore(&node, 5);
    node_tick(&node, 5);
}

static void power_on(void) {
    memset(&retained, 0xA5, sizeof retained);
    start();
}

static void begin(uint16_t capabilities) {
    board_capabilities = capabilities;
    memset(&store, 0, sizeof store);
    power_on();
}

static const uint16_t boards[] = {WITH_STORE, WITHOUT_STORE};

static void test_first_start(void **state) {
    (void)state;
    for (unsigned i = 0; i < COUNT(boards); i++) {
        begin(boards[i]);
        assert_int_equal(node.health.reset_cause, RESET_CAUSE_POWER_ON);
        assert_int_equal(node.health.boot_count, 1);
        assert_int_equal(node.health.watchdog_resets, 0);
        assert_int_equal(node.health.settings_default, boards[i] == WITH_STORE);
        assert_int_equal(node.health.storage_errors, 0);
        assert_int_equal(node.energy.total_mj, 0);
        assert_int_equal(node.outputs.of[OUTPUT_RELAY2].effective, 0);
        assert_int_equal(node.events.last, 1);
        assert_int_equal(events_at(&node.events, 0)->code, EVENT_CODE_STARTED);
        assert_int_equal(events_at(&node.events, 0)->detail, RESET_CAUSE_POWER_ON);
        assert_int_equal(retained.relays, 0);
        assert_int_equal(retained.request, REQUEST_NONE);
    }
}

static const struct cause {
    const char *name;
    uint32_t request;
    enum reset_cause cause;
    uint32_t watchdog_resets;
} causes[] = {
    {"nobody asked: the watchdog", REQUEST_NONE, RESET_CAUSE_WATCHDOG, 1},
    {"reset register", REQUEST_RESET, RESET_CAUSE_REQUESTED, 0},
    {"boot loader", REQUEST_BOOT, RESET_CAUSE_REQUESTED, 0},
    {"fault", REQUEST_FAULT, RESET_CAUSE_FAULT, 0},
    {"a request that there is not", 77, RESET_CAUSE_WATCHDOG, 1},
};

static void test_cause(void **state) {
    const struct cause *row = *state;
    for (unsigned i = 0; i < COUNT(boards); i++) {
        begin(boards[i]);
        for (uint32_t again = 1; again < 4; again++) {
            retained.request = row->request;
            start();
            assert_int_equal(node.health.reset_cause, row->cause);
            assert_int_equal(node.health.boot_count, 1 + again);
            assert_int_equal(node.health.watchdog_resets, again * row->watchdog_resets);
            assert_int_equal(events_at(&node.events, 0)->detail, row->cause);
        }
    }
}

static void test_power_cut(void **state) {
    (void)state;
    for (unsigned i = 0; i < COUNT(boards); i++) {
        begin(boards[i]);
        start();
        power_on();
        bool kept = boards[i] == WITH_STORE;
        assert_int_equal(node.health.reset_cause, RESET_CAUSE_POWER_ON);
        assert_int_equal(node.health.boot_count, kept ? 3 : 1);
        assert_int_equal(node.health.watchdog_resets, kept ? 1 : 0);
    }
}

// Retained memory that has lost a bit of its mark is that of a power cut.
static void test_marks(void **state) {
    (void)state;
    begin(WITHOUT_STORE);
    retained.magic ^= 1;
    start();
    assert_int_equal(node.health.reset_cause, RESET_CAUSE_POWER_ON);
    retained.check ^= 0x80000000;
    start();
    assert_int_equal(node.health.reset_cause, RESET_CAUSE_POWER_ON);
    start();
    assert_int_equal(node.health.reset_cause, RESET_CAUSE_WATCHDOG);
}

static void test_boot_loaders_part_is_left_alone(void **state) {
    (void)state;
    begin(WITH_STORE);
    retained.image_slot = 1;
    retained.image_trial = 1;
    start();
    memory_keep(&node, 100);
    assert_int_equal(retained.image_slot, 1);
    assert_int_equal(retained.image_trial, 1);
}

// Which energy holds: retained memory's, the store's, or none. -1: a power cut, or no record.
static const struct energies {
    const char *name;
    uint16_t board;
    int64_t retained_mj, stored_mj;
    uint64_t total_mj;
    unsigned saves;  // at once, for the next power cut
} energies[] = {
    {"warm, store older", WITH_STORE, 2000, 1000, 2000, 1},
    {"warm, the same", WITH_STORE, 1000, 1000, 1000, 0},
    {"warm, store newer", WITH_STORE, 500, 1000, 1000, 0},
    {"warm, no record", WITH_STORE, 500, -1, 500, 1},
    {"cold", WITH_STORE, -1, 1000, 1000, 0},
    {"cold, no record", WITH_STORE, -1, -1, 0, 0},
    {"no store, warm", WITHOUT_STORE, 700, -1, 700, 0},
    {"no store, cold", WITHOUT_STORE, -1, -1, 0, 0},
};

static void test_energy(void **state) {
    const struct energies *row = *state;
    begin(row->board);
    if (row->stored_mj >= 0) {
        uint64_t stored_mj = (uint64_t)row->stored_mj;
        store_save(STORE_ENERGY, &stored_mj, sizeof stored_mj);
    }
    if (row->retained_mj >= 0) {
        retained.energy_mj = (uint64_t)row->retained_mj;
        start();
    } else {
        power_on();
    }
    assert_int_equal(node.energy.total_mj, row->total_mj);
    assert_int_equal(retained.energy_mj, row->total_mj);
    assert_int_equal(store.saves[STORE_ENERGY], row->saves);
}

static void test_energy_is_saved_each_minute(void **state) {
    (void)state;
    begin(WITH_STORE);
    for (uint64_t now_ms = 5; now_ms < 10 * MINUTE_MS; now_ms += 5) {
        node.energy.total_mj += 3;
        memory_keep(&node, now_ms);
        assert_true(retained.energy_mj == node.energy.total_mj);
    }
    assert_int_equal(store.saves[STORE_ENERGY], 9);
    uint64_t had_mj = node.energy.total_mj;
    power_on();
    assert_in_range(node.energy.total_mj, had_mj - MINUTE_MS / 5 * 3, had_mj);
    for (uint64_t now_ms = 0; now_ms < 10 * MINUTE_MS; now_ms += 5) {
        memory_keep(&node, now_ms);
    }
    assert_int_equal(store.saves[STORE_ENERGY], 0);  // no power, no wear
}

static void test_settings(void **state) {
    (void)state;
    begin(WITH_STORE);
    memory_keep(&node, 100);
    assert_int_equal(store.saves[STORE_SETTINGS], 0);
    node.settings.config[CONFIG_SLAVE_ID] = 17;
    node.settings_changed = true;
    memory_keep(&node, 105);
    memory_keep(&node, 110);
    assert_int_equal(store.saves[STORE_SETTINGS], 1);
    power_on();
    assert_int_equal(node.settings.config[CONFIG_SLAVE_ID], 17);
    assert_false(node.health.settings_default);
    // What does not keep the rules is not believed, nor a record of another length or map.
    store.data[STORE_SETTINGS][offsetof(struct settings, config)] = 248;
    power_on();
    assert_int_equal(node.settings.config[CONFIG_SLAVE_ID], 1);
    assert_true(node.health.settings_default);
    store.data[STORE_SETTINGS][offsetof(struct settings, config)] = 17;
    store.data[STORE_SETTINGS][offsetof(struct settings, version)]++;
    power_on();
    assert_true(node.health.settings_default);
    store.data[STORE_SETTINGS][offsetof(struct settings, version)]--;
    store.length[STORE_SETTINGS]--;
    power_on();
    assert_true(node.health.settings_default);
}

static void test_relays_hold_over_a_reset(void **state) {
    (void)state;
    for (unsigned i = 0; i < COUNT(boards); i++) {
        for (uint16_t relays = 0; relays < 4; relays++) {
            begin(boards[i]);
            node.settings.config[CONFIG_SAFE_RELAY1] = SAFE_STATE_HOLD;
            node.settings_changed = true;
            node.outputs.of[OUTPUT_RELAY1].effective = relays & 1;
            node.outputs.of[OUTPUT_RELAY2].effective = relays >> 1;
            memory_keep(&node, 10);
            assert_int_equal(retained.relays, relays);
            start();
            assert_int_equal(node.outputs.of[OUTPUT_RELAY1].effective, relays & 1);  // nothing is known yet
            assert_int_equal(node.outputs.of[OUTPUT_RELAY2].effective, relays >> 1);
            node.measurement.sequence = 1;
            node_tick(&node, 20);
            assert_int_equal(node.outputs.of[OUTPUT_RELAY2].effective, relays >> 1);
            bool held = boards[i] == WITH_STORE;  // without a store it closes again: that is the default
            assert_int_equal(node.outputs.of[OUTPUT_RELAY1].effective, held ? relays & 1 : 1);
            power_on();
            assert_int_equal(node.outputs.of[OUTPUT_RELAY2].effective, 0);
        }
    }
}

static unsigned told(enum event_code code) {
    unsigned count = 0;
    for (unsigned i = 0; i < EVENTS; i++) {
        count += events_at(&node.events, i)->code == code;
    }
    return count;
}

static void test_store_that_fails(void **state) {
    (void)state;
    begin(WITH_STORE);
    assert_int_equal(node.health.storage_writes, 1);  // the count of starts
    store.full = true;
    node.settings_changed = true;
    memory_keep(&node, 10);
    assert_int_equal(told(EVENT_CODE_STORAGE_FAILED), 1);
    node.energy.total_mj = 9;
    memory_keep(&node, 2 * MINUTE_MS);
    assert_int_equal(node.health.storage_writes, 1);
    assert_int_equal(node.health.storage_errors, 2);
    assert_int_equal(told(EVENT_CODE_STORAGE_FAILED), 1);
}

// A chip that should be there and does not answer is told at once; retained memory counts on.
static void test_store_that_is_gone(void **state) {
    (void)state;
    begin(WITH_STORE);
    store.absent = true;
    retained.energy_mj = 1234;
    start();
    assert_true(node.health.settings_default);
    assert_int_not_equal(node.health.storage_errors, 0);
    assert_int_equal(told(EVENT_CODE_STORAGE_FAILED), 1);
    assert_int_equal(node.health.boot_count, 2);
    assert_int_equal(node.energy.total_mj, 1234);
}

static void test_without_a_store_nothing_is_written(void **state) {
    (void)state;
    begin(WITHOUT_STORE);
    node.settings_changed = true;
    node.energy.total_mj = 9;
    memory_keep(&node, 2 * MINUTE_MS);
    assert_int_equal(node.health.storage_writes, 0);
    assert_int_equal(node.health.storage_errors, 0);
    assert_int_equal(told(EVENT_CODE_STORAGE_FAILED), 0);
}

int main(void) {
    ROWS(test_cause, causes)
    ROWS(test_energy, energies)
    TEST(test_first_start);
    TEST(test_power_cut);
    TEST(test_marks);
    TEST(test_boot_loaders_part_is_left_alone);
    TEST(test_energy_is_saved_each_minute);
    TEST(test_settings);
    TEST(test_relays_hold_over_a_reset);
    TEST(test_store_that_fails);
    TEST(test_store_that_is_gone);
    TEST(test_without_a_store_nothing_is_written);
    return RUN_TESTS();
}
