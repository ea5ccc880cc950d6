// The CMSDK watchdog: it barks by NMI after its time, and resets after twice of that.
// Source: ARM DDI 0479, section 4.6.
#include "driver_watchdog.h"

#include "board.h"
#include "cpu.h"

enum {
    WATCHDOG = 0x40008000,
    LOAD = 0x00,
    CONTROL = 0x08,
    CLEAR = 0x0C,
    LOCK = 0xC00,
    UNLOCK = 0x1ACCE551,
    INTERRUPTS = 1 << 0,
    RESETS = 1 << 1,
};

void watchdog_start(uint32_t timeout_ms) {
    REG32(WATCHDOG + LOCK) = UNLOCK;
    REG32(WATCHDOG + LOAD) = CPU_HZ / 1000 * timeout_ms;
    REG32(WATCHDOG + CONTROL) = INTERRUPTS | RESETS;
}

void watchdog_feed(void) {
    REG32(WATCHDOG + CLEAR) = 1;
}
