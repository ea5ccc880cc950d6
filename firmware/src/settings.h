// What is configured and calibrated, held as the registers that show it.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "registers.h"

// What may be written to a holding register, from the map's table.
struct rule {
    uint8_t offset;  // within its block
    uint8_t words;   // 1 or 2
    bool is_signed;
    int64_t minimum, maximum, standard;
};

struct settings {
    uint16_t version;  // of the map that the words follow
    uint16_t config[CONFIG_WORDS];
    uint16_t calibration[CALIBRATION_WORDS];
};

void settings_defaults(struct settings *settings);

// Whether every value keeps its rule: what comes out of the store is believed only then.
bool settings_valid(const struct settings *settings);

// Write `count` registers from `offset` of a block on; all of them or, if one breaks its rule, none.
bool config_write(struct settings *settings, uint16_t offset, uint16_t count, const uint16_t *words);
bool calibration_write(struct settings *settings, uint16_t offset, uint16_t count, const uint16_t *words);

// `measured` counts of a channel, corrected by its gain and offset; never NO_VALUE.
int32_t calibrated(const struct settings *settings, enum channel channel, int32_t measured);
