// needs: node.c settings.c outputs.c events.c sense.c guard.c energy.c
// The parts of the node together: what one pass does to energy, guard and outputs, and what time alone does.
#include "cases.h"
#include "node.h"

static struct node node;
static uint64_t now_ms;

static void begin(void) {
    node_init(&node);
    now_ms = 0;
}

static void pass(int32_t outlet_mc, int32_t power_mw) {
    struct chip_reading readings[CHIPS] = {
        [CHIP_TMP105] = {true, {21000}},
        [CHIP_EMC1413] = {true, {22000, outlet_mc, 24000}},
        [CHIP_ADM1272] = {true, {48000, 12000, 9000, power_mw}},
        [CHIP_MAX31785] = {true, {3000, 3000}},
    };
    readings[CHIP_ADM1272].answered = power_mw != NO_VALUE;
    now_ms += 100;
    node_take(&node, readings, now_ms);
}

static void lease(unsigned output, uint16_t setpoint, uint16_t lease_ms) {
    const uint16_t words[] = {setpoint, 0, lease_ms};
    assert_true(outputs_write(&node.outputs, now_ms, (uint16_t)(3 * output), 3, words));
    node_tick(&node, now_ms);
}

static void test_before_the_first_pass(void **state) {
    (void)state;
    begin();
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].effective, 0);
    node_tick(&node, 0);
    assert_int_equal(node.measurement.valid, 0);
    for (unsigned i = 0; i < CHANNELS; i++) {
        assert_int_equal(node.measurement.value[i], NO_VALUE);
    }
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].effective, 0);  // it may be too hot to close
    assert_int_equal(node.outputs.of[OUTPUT_RELAY2].effective, 0);
    assert_int_equal(node.outputs.of[OUTPUT_FAN1].effective, 10000);
    assert_int_equal(node.outputs.of[OUTPUT_POWER_LIMIT].effective, NO_LIMIT_W);
    assert_int_equal(node.unlocked, LOCKED);
    assert_int_equal(node.settings.config[CONFIG_SLAVE_ID], 1);
    pass(90000, 0);
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].effective, 0);
    pass(20000, 0);
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].effective, 1);  // its safe state
}

// The pass that is too hot opens the relay: not the one behind it.
static void test_guard_acts_in_its_pass(void **state) {
    (void)state;
    begin();
    lease(OUTPUT_RELAY1, 1, 10000);
    lease(OUTPUT_FAN2, 1000, 10000);
    pass(20000, 0);
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].source, SOURCE_LEASE);
    pass(85000, 0);
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].effective, 0);
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].source, SOURCE_GUARD);
    assert_int_equal(node.outputs.of[OUTPUT_FAN2].effective, 10000);
    node_tick(&node, now_ms + 50);  // and time alone does not end it
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].source, SOURCE_GUARD);
    pass(79000, 0);
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].effective, 1);
    assert_int_equal(node.outputs.of[OUTPUT_FAN2].effective, 1000);
}

// The limit's lease runs out while load is shed: no limit, and the load is back.
static void test_shed_ends_with_its_limit(void **state) {
    (void)state;
    begin();
    lease(OUTPUT_POWER_LIMIT, 100, 2000);
    for (unsigned i = 0; i < 7; i++) {
        pass(20000, 150000);
    }
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].source, SOURCE_SHED);
    while (now_ms < 1900) {
        pass(20000, 10000);
        assert_int_equal(node.outputs.of[OUTPUT_RELAY1].effective, 0);
    }
    node_tick(&node, 2000);
    pass(20000, 10000);
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].effective, 1);
    assert_int_equal(node.outputs.of[OUTPUT_RELAY1].source, SOURCE_SAFE);
}

static void test_energy(void **state) {
    (void)state;
    begin();
    for (unsigned i = 0; i < 11; i++) {
        pass(20000, 100000);
    }
    assert_int_equal(node.energy.total_mj, 100000);
    pass(20000, NO_VALUE);
    pass(20000, 100000);
    assert_int_equal(node.energy.total_mj, 100000);
    pass(20000, 100000);
    assert_int_equal(node.energy.total_mj, 110000);
}

int main(void) {
    TEST(test_before_the_first_pass);
    TEST(test_guard_acts_in_its_pass);
    TEST(test_shed_ends_with_its_limit);
    TEST(test_energy);
    return RUN_TESTS();
}
