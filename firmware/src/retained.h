// Memory that keeps its contents over a reset of the processor, though not over a power cut: no start-up
// code touches it. Boot loader and application share it, at the same address.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum retained_request {
    REQUEST_NONE = 0,       // whoever resets without a request did not mean to: the watchdog
    REQUEST_RESET = 1,      // asked for by the reset register
    REQUEST_BOOT = 2,       // wait in the boot loader for a new image
    REQUEST_FAULT = 3,      // a processor fault
};

struct retained {
    uint32_t magic;  // RETAINED_MAGIC, and check = ~magic: otherwise the power was cut
    uint32_t check;
    uint32_t request;  // enum retained_request; set just before a reset, cleared by the application
    uint32_t boot_count;
    uint32_t watchdog_resets;
    uint32_t image_slot;  // which slot the boot loader started; the application confirms that one
    uint32_t image_trial; // not 0: the slot is on trial
    uint64_t energy_mj;
    uint32_t relays;      // bit n: relay n+1 was closed, for one that is to hold over a reset
};

#define RETAINED_MAGIC 0x52455441u

extern struct retained retained;

// Whether the power was on since it was written.
static inline bool retained_valid(void) {
    return retained.magic == RETAINED_MAGIC && retained.check == (uint32_t)~RETAINED_MAGIC;
}
