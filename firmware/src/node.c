#include "node.h"

void node_init(struct node *node) {
    *node = (struct node){0};
    settings_defaults(&node->settings);
    outputs_init(&node->outputs, 0);
    for (unsigned i = 0; i < CHANNELS; i++) {
        node->measurement.value[i] = NO_VALUE;
    }
}

static void update_outputs(struct node *node, uint64_t now_ms) {
    const struct overrides overrides = {
        .guard = node->guard.active,
        .shed = node->guard.shed,
        .blind = node->measurement.sequence == 0,
    };
    outputs_update(&node->outputs, &node->settings, now_ms, overrides, &node->events);
}

void node_take(struct node *node, const struct chip_reading readings[CHIPS], uint64_t now_ms) {
    struct measurement *measurement = &node->measurement;
    measure(measurement, readings, &node->settings, now_ms, &node->events);
    energy_add(&node->energy, channel_valid(measurement, CHANNEL_POWER_IN),
               measurement->value[CHANNEL_POWER_IN], now_ms);
    guard_judge(&node->guard, measurement, &node->outputs, &node->settings, now_ms, &node->events);
    update_outputs(node, now_ms);
}

void node_tick(struct node *node, uint64_t now_ms) {
    if (node->unlocked == CONFIG_UNLOCKED && now_ms >= node->config_locks_ms) {
        node->unlocked = SETPOINTS_UNLOCKED;
    }
    update_outputs(node, now_ms);
}
