// Energy out of power: a total that never falls.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct energy {
    uint64_t total_mj;
    uint32_t rest_uj;  // less than one mJ
    bool has_last;
    int32_t last_mw;
    uint64_t last_ms;
};

// Add what flowed since the last pass, by the trapezoidal rule. Over a gap in the readings, or one longer
// than a second, nothing is added: what was not measured is not invented.
void energy_add(struct energy *energy, bool valid, int32_t power_mw, uint64_t now_ms);
