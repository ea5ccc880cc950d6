// One pass over all chips, and what it found: calibrated values, each valid or absent, never stale.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "events.h"
#include "settings.h"

struct measurement {
    uint32_t sequence;  // of this pass, from 1
    uint64_t measured_ms;
    uint32_t valid;  // bit n: channel n has a value
    int32_t value[CHANNELS];
    uint16_t lost_chips;  // bit n: chip n did not answer
    uint32_t i2c_errors[CHIPS];
};

// What a chip gave: its raw channels, or that it did not answer.
struct chip_reading {
    bool answered;
    int32_t value[4];
};

// Take what the chips gave into a new measurement, and tell which have been lost or came back.
void measure(struct measurement *measurement, const struct chip_reading readings[CHIPS],
             const struct settings *settings, uint64_t now_ms, struct events *events);

bool channel_valid(const struct measurement *measurement, enum channel channel);
