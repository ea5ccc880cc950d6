// needs: outputs.c settings.c events.c
// Leases begin, are renewed, end and are released; of guard, shedding, lease and safe state the first rules.
#include "cases.h"
#include "outputs.h"
#include "words.h"

#define LONG_MS 0x7FFFFFFF00000000u  // an uptime that no 32 bits hold

static struct settings settings;
static struct outputs outputs;
static struct events events;

static void begin(void) {
    settings_defaults(&settings);
    outputs_init(&outputs, 0);
    memset(&events, 0, sizeof events);
}

static void update(uint64_t now_ms, bool guard, bool shed) {
    const struct overrides overrides = {.guard = guard, .shed = shed};
    outputs_update(&outputs, &settings, now_ms, overrides, &events);
}

static bool lease(unsigned output, uint64_t now_ms, uint16_t setpoint, uint32_t lease_ms) {
    uint16_t words[3] = {setpoint};
    put_u32(words + 1, lease_ms);
    return outputs_write(&outputs, now_ms, (uint16_t)(3 * output), 3, words);
}

static void assert_output(unsigned output, uint16_t effective, enum source source) {
    assert_int_equal(outputs.of[output].effective, effective);
    assert_int_equal(outputs.of[output].source, source);
}

// Who rules: one output, its lease (setpoint, or none), and what guard and shedding make of it.
enum { NONE = -1 };
static const struct rank {
    const char *name;
    unsigned output;
    int32_t leased;
    uint16_t shed_relays;
    bool guard, shed;
    uint16_t effective;
    enum source source;
} ranks[] = {
    {"relay, nothing", OUTPUT_RELAY1, NONE, 1, 0, 0, 1, SOURCE_SAFE},
    {"relay, lease", OUTPUT_RELAY1, 0, 1, 0, 0, 0, SOURCE_LEASE},
    {"relay, shed", OUTPUT_RELAY1, NONE, 1, 0, 1, 0, SOURCE_SHED},
    {"relay, lease and shed", OUTPUT_RELAY1, 1, 1, 0, 1, 0, SOURCE_SHED},
    {"relay, guard", OUTPUT_RELAY1, NONE, 1, 1, 0, 0, SOURCE_GUARD},
    {"relay, lease and guard", OUTPUT_RELAY1, 1, 1, 1, 0, 0, SOURCE_GUARD},
    {"relay, everything", OUTPUT_RELAY1, 1, 1, 1, 1, 0, SOURCE_GUARD},
    {"relay that is not shed, guard", OUTPUT_RELAY1, NONE, 2, 1, 1, 1, SOURCE_SAFE},
    {"relay that is not shed, lease and guard", OUTPUT_RELAY1, 1, 0, 1, 1, 1, SOURCE_LEASE},
    {"second relay, lease and shed", OUTPUT_RELAY2, 1, 2, 0, 1, 0, SOURCE_SHED},
    {"second relay, shed that is not its", OUTPUT_RELAY2, 1, 1, 0, 1, 1, SOURCE_LEASE},
    {"fan, nothing", OUTPUT_FAN1, NONE, 3, 0, 0, 10000, SOURCE_SAFE},
    {"fan, lease", OUTPUT_FAN1, 3000, 3, 0, 0, 3000, SOURCE_LEASE},
    {"fan, lease and shed", OUTPUT_FAN1, 3000, 3, 0, 1, 3000, SOURCE_LEASE},
    {"fan, lease and guard", OUTPUT_FAN2, 3000, 0, 1, 0, 10000, SOURCE_GUARD},
    {"limit, nothing", OUTPUT_POWER_LIMIT, NONE, 3, 0, 0, NO_LIMIT_W, SOURCE_SAFE},
    {"limit, lease", OUTPUT_POWER_LIMIT, 500, 3, 0, 0, 500, SOURCE_LEASE},
    {"limit, lease of 0 W", OUTPUT_POWER_LIMIT, 0, 3, 0, 0, 0, SOURCE_LEASE},
    {"limit, everything", OUTPUT_POWER_LIMIT, 500, 3, 1, 1, 500, SOURCE_LEASE},
};

static void test_rank(void **state) {
    const struct rank *row = *state;
    begin();
    settings.config[CONFIG_SHED_RELAYS] = row->shed_relays;
    if (row->leased != NONE) {
        assert_true(lease(row->output, 0, (uint16_t)row->leased, 1000));
    }
    update(1, row->guard, row->shed);
    assert_output(row->output, row->effective, row->source);
}

static void test_lease_lives(void **state) {
    static const uint64_t starts[] = {0, 1, 0xFFFFFF00, 0xFFFFFFFF, LONG_MS};
    (void)state;
    for (unsigned i = 0; i < COUNT(starts); i++) {
        uint64_t start = starts[i];
        begin();
        assert_true(lease(OUTPUT_FAN1, start, 2500, 1000));
        update(start, false, false);
        assert_output(OUTPUT_FAN1, 2500, SOURCE_LEASE);
        assert_int_equal(lease_left_ms(&outputs.of[OUTPUT_FAN1], start + 1), 999);
        update(start + 999, false, false);
        assert_output(OUTPUT_FAN1, 2500, SOURCE_LEASE);
        assert_true(lease(OUTPUT_FAN1, start + 999, 2600, 1000));  // renewed
        update(start + 1998, false, false);
        assert_output(OUTPUT_FAN1, 2600, SOURCE_LEASE);
        assert_int_equal(events.last, 0);
        update(start + 1999, false, false);
        assert_output(OUTPUT_FAN1, 10000, SOURCE_SAFE);
        assert_int_equal(lease_left_ms(&outputs.of[OUTPUT_FAN1], start + 1999), 0);
        assert_int_equal(events.last, 1);
        assert_int_equal(events_at(&events, 0)->code, EVENT_CODE_LEASE_EXPIRED);
        assert_int_equal(events_at(&events, 0)->detail, OUTPUT_FAN1);
        update(start + 2000, false, false);
        assert_int_equal(events.last, 1);  // told once
    }
}

static void test_longest_lease(void **state) {
    (void)state;
    begin();
    assert_true(lease(OUTPUT_RELAY1, LONG_MS, 0, LEASE_MAX_MS));
    update(LONG_MS + LEASE_MAX_MS - 1, false, false);
    assert_output(OUTPUT_RELAY1, 0, SOURCE_LEASE);
    assert_int_equal(lease_left_ms(&outputs.of[OUTPUT_RELAY1], LONG_MS), LEASE_MAX_MS);
    assert_false(lease(OUTPUT_RELAY1, LONG_MS, 0, LEASE_MAX_MS + 1));
    assert_false(lease(OUTPUT_RELAY1, LONG_MS, 0, UINT32_MAX));
    assert_int_equal(lease_left_ms(&outputs.of[OUTPUT_RELAY1], LONG_MS), LEASE_MAX_MS);
}

static void test_release(void **state) {
    (void)state;
    begin();
    assert_true(lease(OUTPUT_FAN2, 10, 4000, 5000));
    update(10, false, false);
    assert_true(lease(OUTPUT_FAN2, 20, 4000, 0));
    update(20, false, false);
    assert_output(OUTPUT_FAN2, 10000, SOURCE_SAFE);
    assert_int_equal(events.last, 0);  // given back is not expired
}

// A lease that ends while the guard acts is over when the guard ends.
static void test_lease_ends_under_guard(void **state) {
    (void)state;
    begin();
    assert_true(lease(OUTPUT_FAN1, 0, 2000, 1000));
    update(500, true, false);
    assert_output(OUTPUT_FAN1, 10000, SOURCE_GUARD);
    update(900, false, false);
    assert_output(OUTPUT_FAN1, 2000, SOURCE_LEASE);
    update(950, true, false);
    update(1000, true, false);
    assert_int_equal(events.last, 1);
    settings.config[CONFIG_SAFE_FAN1] = 5000;
    update(1001, false, false);
    assert_output(OUTPUT_FAN1, 5000, SOURCE_SAFE);
}

static const struct safe {
    const char *name;
    uint16_t state;
    bool before, leased, after;
} safes[] = {
    {"open", SAFE_STATE_OPEN, true, true, false},       {"closed", SAFE_STATE_CLOSED, false, false, true},
    {"hold what was closed", SAFE_STATE_HOLD, false, true, true},
    {"hold what was open", SAFE_STATE_HOLD, true, false, false},
};

static void test_safe_state(void **state) {
    const struct safe *row = *state;
    for (unsigned relay = OUTPUT_RELAY1; relay <= OUTPUT_RELAY2; relay++) {
        begin();
        outputs_init(&outputs, (uint32_t)row->before << relay);
        settings.config[CONFIG_SAFE_RELAY1 + relay] = row->state;
        update(0, false, false);
        assert_output(relay, row->state == SAFE_STATE_HOLD ? row->before : row->after, SOURCE_SAFE);
        assert_true(lease(relay, 0, row->leased, 100));
        update(1, false, false);
        assert_output(relay, row->leased, SOURCE_LEASE);
        update(100, false, false);
        assert_output(relay, row->after, SOURCE_SAFE);
    }
}

// A relay that holds stays as the guard left it: nobody has said since that it may close.
// A reset in the heat: until the first pass, relays stay as they are and fans run as they safely do.
static void test_blind(void **state) {
    (void)state;
    const struct overrides blind = {.blind = true};
    for (uint32_t relays = 0; relays < 4; relays++) {
        begin();
        outputs_init(&outputs, relays);
        settings.config[CONFIG_SAFE_RELAY2] = SAFE_STATE_CLOSED;
        outputs_update(&outputs, &settings, 0, blind, &events);
        assert_output(OUTPUT_RELAY1, relays & 1, SOURCE_SAFE);
        assert_output(OUTPUT_RELAY2, (uint16_t)(relays >> 1), SOURCE_SAFE);
        assert_output(OUTPUT_FAN1, 10000, SOURCE_SAFE);
        update(0, false, false);
        assert_output(OUTPUT_RELAY1, 1, SOURCE_SAFE);
        assert_output(OUTPUT_RELAY2, 1, SOURCE_SAFE);
    }
}

static void test_hold_after_guard(void **state) {
    (void)state;
    begin();
    settings.config[CONFIG_SAFE_RELAY1] = SAFE_STATE_HOLD;
    outputs_init(&outputs, 1);
    update(0, false, false);
    assert_output(OUTPUT_RELAY1, 1, SOURCE_SAFE);
    update(1, true, false);
    update(2, false, false);
    assert_output(OUTPUT_RELAY1, 0, SOURCE_SAFE);
}

// Parts of the block: what a write of `count` registers from `offset` on does to the leases of two outputs.
static const struct part {
    const char *name;
    uint16_t offset, count;
    uint16_t words[6];
    uint16_t fan1, fan2;
    uint64_t fan1_ends_ms, fan2_ends_ms;
} parts[] = {
    {"a setpoint alone leaves its lease", SETPOINTS_FAN1, 1, {1111}, 1111, 4000, 5001, 6001},
    {"a lease alone leaves its setpoint", SETPOINTS_FAN1_LEASE_MS, 2, {0, 700}, 3000, 4000, 1700, 6001},
    {"the lower half of a lease", SETPOINTS_FAN1_LEASE_MS + 1, 1, {700}, 3000, 4000, 1700, 6001},
    {"the upper half of a lease", SETPOINTS_FAN1_LEASE_MS, 1, {1}, 3000, 4000, 1000 + 65536 + 4001, 6001},
    {"a lease and the next setpoint", SETPOINTS_FAN1_LEASE_MS, 3, {0, 700, 2222}, 3000, 2222, 1700, 6001},
    {"both outputs", SETPOINTS_FAN1, 6, {1111, 0, 700, 2222, 0, 0}, 1111, 2222, 1700, 0},
    {"another output", SETPOINTS_POWER_LIMIT, 3, {500, 0, 800}, 3000, 4000, 5001, 6001},
    {"another's setpoint out of range", SETPOINTS_RELAY2, 4, {2, 0, 800, 1111}, 3000, 4000, 5001, 6001},
};

static void test_part(void **state) {
    const struct part *row = *state;
    begin();
    assert_true(lease(OUTPUT_FAN1, 1, 3000, 5000));
    assert_true(lease(OUTPUT_FAN2, 1, 4000, 6000));
    outputs_write(&outputs, 1000, row->offset, row->count, row->words);
    assert_int_equal(outputs.of[OUTPUT_FAN1].setpoint, row->fan1);
    assert_int_equal(outputs.of[OUTPUT_FAN2].setpoint, row->fan2);
    assert_true(outputs.of[OUTPUT_FAN1].lease_ends_ms == row->fan1_ends_ms);
    assert_true(outputs.of[OUTPUT_FAN2].lease_ends_ms == row->fan2_ends_ms);
}

// A lease that has run out, and that nobody has looked at since, neither lives again by a write beside it nor
// goes untold.
static void test_no_lease_comes_back(void **state) {
    static const uint16_t setpoint = 4000;
    static const uint16_t beside[] = {SETPOINTS_FAN1, SETPOINTS_FAN2};
    (void)state;
    for (unsigned i = 0; i < COUNT(beside); i++) {
        begin();
        assert_true(lease(OUTPUT_FAN1, 0, 3000, 500));
        assert_true(outputs_write(&outputs, 501, beside[i], 1, &setpoint));
        update(501, false, false);
        assert_output(OUTPUT_FAN1, 10000, SOURCE_SAFE);
        assert_int_equal(events.last, 1);
    }
}

static void test_read(void **state) {
    uint16_t words[SETPOINTS_WORDS];
    (void)state;
    begin();
    assert_true(lease(OUTPUT_RELAY2, LONG_MS, 1, 70000));
    assert_true(lease(OUTPUT_POWER_LIMIT, LONG_MS, 1234, LEASE_MAX_MS));
    outputs_read(&outputs, LONG_MS + 1, words);
    assert_int_equal(words[SETPOINTS_RELAY2], 1);
    assert_int_equal(get_u32(words + SETPOINTS_RELAY2_LEASE_MS), 69999);
    assert_int_equal(words[SETPOINTS_POWER_LIMIT], 1234);
    assert_int_equal(get_u32(words + SETPOINTS_POWER_LIMIT_LEASE_MS), LEASE_MAX_MS - 1);
    assert_int_equal(get_u32(words + SETPOINTS_RELAY1_LEASE_MS), 0);
}

int main(void) {
    ROWS(test_rank, ranks)
    ROWS(test_safe_state, safes)
    ROWS(test_part, parts)
    TEST(test_lease_lives);
    TEST(test_longest_lease);
    TEST(test_release);
    TEST(test_lease_ends_under_guard);
    TEST(test_blind);
    TEST(test_hold_after_guard);
    TEST(test_no_lease_comes_back);
    TEST(test_read);
    return RUN_TESTS();
}
