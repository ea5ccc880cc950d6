// The relays: GPIOA0 and GPIOA1, high is closed.
#include "driver_relay.h"

#include "cpu.h"

enum { GPIO = 0x7E780000, DATA_ABCD = 0x000, DIRECTION_ABCD = 0x004, RELAYS = 0x3 };

static uint32_t latch;

void relay_init(uint32_t closed) {
    latch = (REG32(GPIO + DATA_ABCD) & ~(uint32_t)RELAYS) | (closed & RELAYS);
    REG32(GPIO + DATA_ABCD) = latch;
    REG32(GPIO + DIRECTION_ABCD) |= RELAYS;
    REG32(GPIO + DATA_ABCD) = latch;  // QEMU takes no level for what is not yet an output
}

void relay_set(unsigned relay, bool closed) {
    latch = (latch & ~(1u << relay)) | (uint32_t)closed << relay;
    REG32(GPIO + DATA_ABCD) = latch;
}
