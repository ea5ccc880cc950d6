// All that the node knows, in one place.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "energy.h"
#include "events.h"
#include "guard.h"
#include "outputs.h"
#include "sense.h"
#include "settings.h"

enum unlocked { LOCKED = 0, SETPOINTS_UNLOCKED = 1, CONFIG_UNLOCKED = 2 };

// What the master asked the main loop to do once its answer is on the way.
enum order { ORDER_NONE, ORDER_RESET, ORDER_BOOT };

// How the line fares; counts since the reset.
struct line_counts {
    uint32_t frames, crc_errors, other_slaves, exceptions;
};

// How the node itself fares.
struct health {
    uint16_t reset_cause;  // enum reset_cause
    uint32_t boot_count, watchdog_resets;
    uint32_t uart_errors, storage_writes, storage_errors, loop_max_ms, stack_free;
    bool image_confirmed;
    bool settings_default;  // no valid settings were found
};

struct node {
    struct settings settings;
    struct outputs outputs;
    struct measurement measurement;
    struct guard guard;
    struct energy energy;
    struct events events;
    struct line_counts line;
    struct health health;
    enum unlocked unlocked;
    uint64_t config_locks_ms;  // when CONFIG_UNLOCKED ends
    enum order order;
    bool settings_changed;  // and not yet stored
};

// Everything at its start, with default settings.
void node_init(struct node *node);

// Take a whole measuring pass: values, energy, the guard, the outputs.
void node_take(struct node *node, const struct chip_reading readings[CHIPS], uint64_t now_ms);

// What is due by time alone: leases that end, keys that expire.
void node_tick(struct node *node, uint64_t now_ms);
