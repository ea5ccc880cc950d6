// A node whose every number differs, for the tests of what a master sees of it.
#pragma once
#include "cases.h"
#include "node.h"

// 64 bits, whose upper half is not 0.
#define WIDE(n) (0x100000002u * (n))

static void fill_node(struct node *node) {
    node_init(node);
    for (unsigned i = 0; i < CHANNELS; i++) {
        node->measurement.value[i] = (int32_t)(i % 2 ? -70000 - (int32_t)i : 70000 + (int32_t)i);
        node->measurement.valid |= 1u << i;
    }
    node->measurement.valid &= ~(1u << CHANNEL_VOLTAGE_OUT);
    node->measurement.value[CHANNEL_VOLTAGE_OUT] = NO_VALUE;
    node->measurement.sequence = 70101;
    node->measurement.measured_ms = WIDE(17);
    for (unsigned i = 0; i < CHIPS; i++) {
        node->measurement.i2c_errors[i] = 70200 + i;
    }
    for (unsigned i = 0; i < OUTPUTS; i++) {
        node->outputs.of[i].effective = (uint16_t)(300 + i);
        node->outputs.of[i].source = (uint16_t)(i % SOURCES);
    }
    node->energy.total_mj = WIDE(19);
    node->guard.alarms = ALARM_OVER_POWER | ALARM_FAN_STALLED;
    node->line = (struct line_counts){70301, 70302, 70303, 70304};
    node->health = (struct health){
        .reset_cause = RESET_CAUSE_FAULT,
        .boot_count = 70401,
        .watchdog_resets = 70402,
        .uart_errors = 70403,
        .storage_writes = 70404,
        .storage_errors = 70405,
        .loop_max_ms = 70406,
        .stack_free = 70407,
        .image_confirmed = true,
        .settings_default = true,
    };
}
