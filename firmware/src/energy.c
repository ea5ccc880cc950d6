#include "energy.h"

enum { GAP_MS = 1000 };

void energy_add(struct energy *energy, bool valid, int32_t power_mw, uint64_t now_ms) {
    uint64_t gap_ms = now_ms - energy->last_ms;
    if (valid && energy->has_last && gap_ms <= GAP_MS) {
        int64_t doubled_mw = (int64_t)energy->last_mw + power_mw;
        if (doubled_mw > 0) {  // what flows back is not taken off a total that never falls
            uint64_t gained_uj = (uint64_t)doubled_mw * gap_ms / 2 + energy->rest_uj;  // mW x ms = uJ
            energy->total_mj += gained_uj / 1000;
            energy->rest_uj = (uint32_t)(gained_uj % 1000);
        }
    }
    energy->has_last = valid;
    energy->last_mw = power_mw;
    energy->last_ms = now_ms;
}
