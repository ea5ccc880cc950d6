// The local guard and the shedding of load: they act by the readings alone, without any master.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "outputs.h"
#include "sense.h"

struct guard {
    bool active;         // fans full, sheddable relays open
    uint16_t hot;        // bit n: temperature channel n was at the limit, and not seen below it since
    bool shed;           // sheddable relays open
    bool over_power;     // the power is over the limit now
    uint64_t over_since_ms;
    int32_t shed_at_mw;  // the power that was too much
    uint32_t stalled;    // bit n: fan n + 1
    uint8_t slow_passes[2];
    uint16_t alarms;     // enum alarm, those that the readings give
};

// Judge a new measurement.
void guard_judge(struct guard *guard, const struct measurement *measurement, const struct outputs *outputs,
                 const struct settings *settings, uint64_t now_ms, struct events *events);
