// What is set from outside, each output under a lease of its own, and what it does in the end.
//
// The order of rank: the guard, the shedding of load, a live lease, the configured safe state.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "events.h"
#include "settings.h"

struct output {
    uint16_t setpoint;
    uint64_t lease_ends_ms;  // 0 without a lease
    uint16_t effective;
    uint16_t source;  // enum source
};

struct outputs {
    struct output of[OUTPUTS];
};

// Before the first `outputs_update`: relays that are to hold hold `relays`, bit n for relay n + 1.
void outputs_init(struct outputs *outputs, uint32_t relays);

// Write `count` registers from `offset` of the setpoint block on; all or, if one is out of range, none.
bool outputs_write(struct outputs *outputs, uint64_t now_ms, uint16_t offset, uint16_t count,
                   const uint16_t *words);

// End every lease, now.
void outputs_release(struct outputs *outputs);

// The setpoint block as it reads at `now_ms`.
void outputs_read(const struct outputs *outputs, uint64_t now_ms, uint16_t words[SETPOINTS_WORDS]);

// What is left of an output's lease.
uint32_t lease_left_ms(const struct output *output, uint64_t now_ms);

// What outranks leases and safe states.
struct overrides {
    bool guard;  // fans full, sheddable relays open
    bool shed;   // sheddable relays open
    bool blind;  // nothing is measured yet, so nobody knows what the guard would do: relays stay as they are
};

// End the leases whose time is over, and decide what each output does.
void outputs_update(struct outputs *outputs, const struct settings *settings, uint64_t now_ms,
                    struct overrides overrides, struct events *events);
