#include "memory.h"

#include "board.h"
#include "retained.h"
#include "store.h"

// A power cut costs the energy of at most this; a sector of flash then lasts for decades.
enum { ENERGY_SAVE_MS = 60000 };

struct boots {
    uint32_t boot_count, watchdog_resets;
};

static uint64_t energy_saved_ms, energy_saved_mj;

static enum reset_cause reset_cause(void) {
    switch (retained.request) {
    case REQUEST_RESET:
    case REQUEST_BOOT:
        return RESET_CAUSE_REQUESTED;
    case REQUEST_FAULT:
        return RESET_CAUSE_FAULT;
    default:
        return RESET_CAUSE_WATCHDOG;
    }
}

static void save(struct node *node, uint64_t now_ms, enum store_kind kind, const void *data,
                 uint16_t length) {
    if (store_save(kind, data, length)) {
        node->health.storage_writes++;
    } else if (!node->health.storage_errors++) {
        events_add(&node->events, now_ms, EVENT_CODE_STORAGE_FAILED, 0);
    }
}

static void save_energy(struct node *node, uint64_t now_ms) {
    uint64_t energy_mj = node->energy.total_mj;
    energy_saved_ms = now_ms;
    if (energy_mj != energy_saved_mj) {
        energy_saved_mj = energy_mj;
        save(node, now_ms, STORE_ENERGY, &energy_mj, sizeof energy_mj);
    }
}

// Retained memory counts on where there is no store; where there is one, the higher count is the later.
static void restore_counts(struct node *node, bool warm, bool stored) {
    struct boots boots = {0};
    uint64_t energy_mj = 0;
    if (stored) {
        store_load(STORE_BOOTS, &boots, sizeof boots);
        store_load(STORE_ENERGY, &energy_mj, sizeof energy_mj);
    }
    energy_saved_mj = energy_mj;
    if (warm && !stored) {
        boots = (struct boots){retained.boot_count, retained.watchdog_resets};
    }
    if (warm && retained.energy_mj > energy_mj) {
        energy_mj = retained.energy_mj;
    }
    node->energy.total_mj = energy_mj;
    node->health.boot_count = boots.boot_count + 1;
    node->health.watchdog_resets = boots.watchdog_resets + (node->health.reset_cause == RESET_CAUSE_WATCHDOG);
}

static void restore_settings(struct node *node) {
    struct settings settings;
    bool found = store_load(STORE_SETTINGS, &settings, sizeof settings) && settings_valid(&settings);
    if (found) {
        node->settings = settings;
    }
    node->health.settings_default = !found;
}

void memory_restore(struct node *node, uint64_t now_ms) {
    bool warm = retained_valid();
    bool stored = store_open();
    node->health.reset_cause = (uint16_t)(warm ? reset_cause() : RESET_CAUSE_POWER_ON);
    restore_counts(node, warm, stored);
    if (BOARD_CAPABILITIES & CAPABILITY_STORAGE) {
        restore_settings(node);
        const struct boots boots = {node->health.boot_count, node->health.watchdog_resets};
        save(node, now_ms, STORE_BOOTS, &boots, sizeof boots);
        save_energy(node, now_ms);
    }
    retained.relays = warm ? retained.relays : 0;
    outputs_init(&node->outputs, retained.relays);
    retained.boot_count = node->health.boot_count;
    retained.watchdog_resets = node->health.watchdog_resets;
    retained.energy_mj = node->energy.total_mj;
    retained.request = REQUEST_NONE;
    retained.check = (uint32_t)~RETAINED_MAGIC;
    retained.magic = RETAINED_MAGIC;
    events_add(&node->events, now_ms, EVENT_CODE_STARTED, node->health.reset_cause);
}

void memory_keep(struct node *node, uint64_t now_ms) {
    retained.energy_mj = node->energy.total_mj;
    retained.relays = (uint32_t)(node->outputs.of[OUTPUT_RELAY1].effective |
                                 node->outputs.of[OUTPUT_RELAY2].effective << 1);
    if (!(BOARD_CAPABILITIES & CAPABILITY_STORAGE)) {
        return;
    }
    if (now_ms - energy_saved_ms >= ENERGY_SAVE_MS) {
        save_energy(node, now_ms);
    }
    if (node->settings_changed) {
        node->settings_changed = false;
        save(node, now_ms, STORE_SETTINGS, &node->settings, sizeof node->settings);
    }
}
