#include "blocks.h"

#include <stdbool.h>
#include <string.h>

#include "board.h"
#include "version.h"
#include "words.h"

enum { BLOCK_MAX = 125 };  // no request reads more registers than that

_Static_assert(IDENTITY_WORDS <= BLOCK_MAX && TELEMETRY_WORDS <= BLOCK_MAX &&
                   DIAGNOSTICS_WORDS <= BLOCK_MAX && EVENTS_WORDS <= BLOCK_MAX &&
                   CALIBRATION_WORDS <= BLOCK_MAX,
               "a block is one request");

static void put_head(uint16_t *block, unsigned number, const struct node *node, uint64_t now_ms) {
    block[TELEMETRY_BLOCK] = (uint16_t)number;
    put_u32(block + TELEMETRY_SEQUENCE, node->measurement.sequence);
    put_u64(block + TELEMETRY_UPTIME_MS, now_ms);
}

static void identity(const struct node *node, uint64_t now_ms, uint16_t *block) {
    put_head(block, IDENTITY_NUMBER, node, now_ms);
    block[IDENTITY_MAGIC] = MAGIC;
    block[IDENTITY_MAP_VERSION] = MAP_VERSION;
    block[IDENTITY_BOARD] = BOARD_ID;
    block[IDENTITY_CAPABILITIES] = BOARD_CAPABILITIES;
    block[IDENTITY_CHANNELS] = CHANNELS;
    block[IDENTITY_OUTPUTS] = OUTPUTS;
    memcpy(block + IDENTITY_SERIAL_NUMBER, node->settings.config + CONFIG_SERIAL_NUMBER, 2 * sizeof *block);
    block[IDENTITY_VERSION_MAJOR] = VERSION_MAJOR;
    block[IDENTITY_VERSION_MINOR] = VERSION_MINOR;
    block[IDENTITY_VERSION_PATCH] = VERSION_PATCH;
    put_u32(block + IDENTITY_BUILD, VERSION_BUILD);
}

static uint32_t alarms(const struct node *node) {
    return node->guard.alarms | (node->health.storage_errors ? ALARM_STORAGE_FAILED : 0u) |
           (node->health.settings_default ? ALARM_SETTINGS_DEFAULT : 0u);
}

static void telemetry(const struct node *node, uint64_t now_ms, uint16_t *block) {
    const struct measurement *measurement = &node->measurement;
    put_head(block, TELEMETRY_NUMBER, node, now_ms);
    put_u64(block + TELEMETRY_MEASURED_MS, measurement->measured_ms);
    put_u32(block + TELEMETRY_BOOT_COUNT, node->health.boot_count);
    put_u32(block + TELEMETRY_LAST_EVENT, node->events.last);
    put_u32(block + TELEMETRY_VALID, measurement->valid);
    put_u32(block + TELEMETRY_ALARMS, alarms(node));
    for (unsigned i = 0; i < CHANNELS; i++) {
        put_u32(block + TELEMETRY_TEMPERATURE_BOARD + 2 * i, (uint32_t)measurement->value[i]);
    }
    put_u64(block + TELEMETRY_ENERGY_IN, node->energy.total_mj);
    for (unsigned i = 0; i < OUTPUTS; i++) {
        const struct output *output = &node->outputs.of[i];
        block[TELEMETRY_OUTPUT_RELAY1 + i] = output->effective;
        block[TELEMETRY_SOURCE_RELAY1 + i] = output->source;
        put_u32(block + TELEMETRY_LEASE_RELAY1 + 2 * i, lease_left_ms(output, now_ms));
    }
    block[TELEMETRY_UNLOCKED] = (uint16_t)node->unlocked;
}

static void diagnostics(const struct node *node, uint64_t now_ms, uint16_t *block) {
    const struct health *health = &node->health;
    put_head(block, DIAGNOSTICS_NUMBER, node, now_ms);
    block[DIAGNOSTICS_RESET_CAUSE] = health->reset_cause;
    put_u32(block + DIAGNOSTICS_WATCHDOG_RESETS, health->watchdog_resets);
    put_u32(block + DIAGNOSTICS_FRAMES, node->line.frames);
    put_u32(block + DIAGNOSTICS_CRC_ERRORS, node->line.crc_errors);
    put_u32(block + DIAGNOSTICS_OTHER_SLAVES, node->line.other_slaves);
    put_u32(block + DIAGNOSTICS_EXCEPTIONS, node->line.exceptions);
    put_u32(block + DIAGNOSTICS_UART_ERRORS, health->uart_errors);
    for (unsigned i = 0; i < CHIPS; i++) {
        put_u32(block + DIAGNOSTICS_I2C_ERRORS_TMP105 + 2 * i, node->measurement.i2c_errors[i]);
    }
    put_u32(block + DIAGNOSTICS_STORAGE_WRITES, health->storage_writes);
    put_u32(block + DIAGNOSTICS_STORAGE_ERRORS, health->storage_errors);
    put_u32(block + DIAGNOSTICS_LOOP_MAX_MS, health->loop_max_ms);
    put_u32(block + DIAGNOSTICS_STACK_FREE, health->stack_free);
    block[DIAGNOSTICS_IMAGE_CONFIRMED] = health->image_confirmed;
}

static void event_log(const struct node *node, uint64_t now_ms, uint16_t *block) {
    put_head(block, EVENTS_NUMBER, node, now_ms);
    uint16_t *place = block + EVENTS_EVENT0_NUMBER;
    for (unsigned i = 0; i < EVENTS; i++, place += EVENTS_EVENT1_NUMBER - EVENTS_EVENT0_NUMBER) {
        const struct event *event = events_at(&node->events, i);
        put_u32(place, event->number);
        put_u32(place + 2, event->uptime_ms);
        place[4] = event->code;
        put_u32(place + 5, (uint32_t)event->detail);
    }
}

static bool within(uint16_t address, uint16_t count, uint16_t block, uint16_t words) {
    return address >= block && count <= words && address - block <= words - count;
}

enum exception input_read(const struct node *node, uint64_t now_ms, uint16_t address, uint16_t count,
                          uint16_t *words) {
    uint16_t block[BLOCK_MAX];
    uint16_t base;
    if (within(address, count, IDENTITY_ADDRESS, IDENTITY_WORDS)) {
        base = IDENTITY_ADDRESS;
        identity(node, now_ms, block);
    } else if (within(address, count, TELEMETRY_ADDRESS, TELEMETRY_WORDS)) {
        base = TELEMETRY_ADDRESS;
        telemetry(node, now_ms, block);
    } else if (within(address, count, DIAGNOSTICS_ADDRESS, DIAGNOSTICS_WORDS)) {
        base = DIAGNOSTICS_ADDRESS;
        diagnostics(node, now_ms, block);
    } else if (within(address, count, EVENTS_ADDRESS, EVENTS_WORDS)) {
        base = EVENTS_ADDRESS;
        event_log(node, now_ms, block);
    } else {
        return EXCEPTION_ADDRESS;
    }
    memcpy(words, block + (address - base), count * sizeof *words);
    return EXCEPTION_NONE;
}

enum exception holding_read(const struct node *node, uint64_t now_ms, uint16_t address, uint16_t count,
                            uint16_t *words) {
    if (within(address, count, ACCESS_ADDRESS, ACCESS_WORDS)) {
        const uint16_t block[ACCESS_WORDS] = {[ACCESS_ACCESS] = (uint16_t)node->unlocked};
        memcpy(words, block + (address - ACCESS_ADDRESS), count * sizeof *words);
    } else if (within(address, count, SETPOINTS_ADDRESS, SETPOINTS_WORDS)) {
        uint16_t block[SETPOINTS_WORDS];
        outputs_read(&node->outputs, now_ms, block);
        memcpy(words, block + (address - SETPOINTS_ADDRESS), count * sizeof *words);
    } else if (within(address, count, CONFIG_ADDRESS, CONFIG_WORDS)) {
        memcpy(words, node->settings.config + (address - CONFIG_ADDRESS), count * sizeof *words);
    } else if (within(address, count, CALIBRATION_ADDRESS, CALIBRATION_WORDS)) {
        memcpy(words, node->settings.calibration + (address - CALIBRATION_ADDRESS), count * sizeof *words);
    } else {
        return EXCEPTION_ADDRESS;
    }
    return EXCEPTION_NONE;
}

static enum exception write_key(struct node *node, uint64_t now_ms, uint16_t key) {
    switch (key) {
    case 0:
        node->unlocked = LOCKED;
        return EXCEPTION_NONE;
    case KEY_CONTROL:
        node->unlocked = SETPOINTS_UNLOCKED;
        return EXCEPTION_NONE;
    case KEY_CONFIG:
        node->unlocked = CONFIG_UNLOCKED;
        node->config_locks_ms = now_ms + CONFIG_UNLOCKED_MS;
        return EXCEPTION_NONE;
    default:
        return EXCEPTION_VALUE;
    }
}

static enum exception write_reset(struct node *node, uint16_t value) {
    if (node->unlocked < CONFIG_UNLOCKED) {
        return EXCEPTION_FUNCTION;
    }
    if (value == RESET_PLAIN) {
        node->order = ORDER_RESET;
    } else if (value == RESET_TO_BOOT && (BOARD_CAPABILITIES & CAPABILITY_UPDATE)) {
        node->order = ORDER_BOOT;
    } else {
        return EXCEPTION_VALUE;
    }
    return EXCEPTION_NONE;
}

// A key and an order in one request would be an order without a second thought: one register at a time.
static enum exception write_access(struct node *node, uint64_t now_ms, uint16_t address, uint16_t count,
                                   const uint16_t *words) {
    if (count != 1) {
        return EXCEPTION_ADDRESS;
    }
    return address == ACCESS_ADDRESS + ACCESS_ACCESS ? write_key(node, now_ms, words[0])
                                                     : write_reset(node, words[0]);
}

// What is written as it is already wears out no flash; unless it is a default, which nothing keeps yet.
static bool kept_already(const struct node *node, uint64_t now_ms, uint16_t address, uint16_t count,
                          const uint16_t *words) {
    uint16_t held[BLOCK_MAX];
    return !node->health.settings_default &&
           holding_read(node, now_ms, address, count, held) == EXCEPTION_NONE &&
           memcmp(held, words, count * sizeof *words) == 0;
}

static enum exception write_settings(struct node *node, uint64_t now_ms, uint16_t address, uint16_t count,
                                     const uint16_t *words) {
    struct settings *settings = &node->settings;
    if (kept_already(node, now_ms, address, count, words)) {
        return EXCEPTION_NONE;
    }
    bool valid = within(address, count, CONFIG_ADDRESS, CONFIG_WORDS)
                     ? config_write(settings, (uint16_t)(address - CONFIG_ADDRESS), count, words)
                     : calibration_write(settings, (uint16_t)(address - CALIBRATION_ADDRESS), count, words);
    if (!valid) {
        return EXCEPTION_VALUE;
    }
    node->settings_changed = true;
    node->health.settings_default = false;
    events_add(&node->events, now_ms, EVENT_CODE_SETTINGS_CHANGED, address);
    return EXCEPTION_NONE;
}

enum exception holding_write(struct node *node, uint64_t now_ms, uint16_t address, uint16_t count,
                             const uint16_t *words) {
    if (within(address, count, ACCESS_ADDRESS, ACCESS_WORDS)) {
        return write_access(node, now_ms, address, count, words);
    }
    bool setpoints = within(address, count, SETPOINTS_ADDRESS, SETPOINTS_WORDS);
    if (!setpoints && !within(address, count, CONFIG_ADDRESS, CONFIG_WORDS) &&
        !within(address, count, CALIBRATION_ADDRESS, CALIBRATION_WORDS)) {
        return EXCEPTION_ADDRESS;
    }
    if (node->unlocked < (setpoints ? SETPOINTS_UNLOCKED : CONFIG_UNLOCKED)) {
        return EXCEPTION_FUNCTION;
    }
    if (!setpoints) {
        return write_settings(node, now_ms, address, count, words);
    }
    uint16_t offset = (uint16_t)(address - SETPOINTS_ADDRESS);
    return outputs_write(&node->outputs, now_ms, offset, count, words) ? EXCEPTION_NONE : EXCEPTION_VALUE;
}
