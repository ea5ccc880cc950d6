// Watchdog 1 of the AST1030, at 1 MHz: it resets the whole chip.
#include "driver_watchdog.h"

#include "cpu.h"

enum {
    WATCHDOG = 0x7E785000,
    RELOAD = 0x04,
    RESTART = 0x08,
    CONTROL = 0x0C,
    RESTART_KEY = 0x4755,
    ON = 1 << 0,
    RESETS = 1 << 1,
    MEGAHERTZ = 1 << 4,
};

void watchdog_start(uint32_t timeout_ms) {
    REG32(WATCHDOG + CONTROL) = 0;
    REG32(WATCHDOG + RELOAD) = timeout_ms * 1000;
    watchdog_feed();
    REG32(WATCHDOG + CONTROL) = ON | RESETS | MEGAHERTZ;
}

void watchdog_feed(void) {
    REG32(WATCHDOG + RESTART) = RESTART_KEY;
}
