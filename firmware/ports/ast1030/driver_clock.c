// Timer 1 of the AST1030 counts down at 1 MHz; its 32 bits last for 71 minutes and are extended here.
#include "driver_clock.h"

#include "board.h"
#include "cpu.h"

enum { TIMER = 0x7E782000, COUNT = 0x00, RELOAD = 0x04, CONTROL = 0x30, ON = 1 << 0, MEGAHERTZ = 1 << 1 };

enum { TICKS_PER_S = 200 };

static uint64_t time_us;
static uint32_t last_count;

void clock_init(void) {
    REG32(TIMER + CONTROL) = 0;
    REG32(TIMER + RELOAD) = UINT32_MAX;
    REG32(TIMER + COUNT) = UINT32_MAX;
    REG32(TIMER + CONTROL) = ON | MEGAHERTZ;
    last_count = REG32(TIMER + COUNT);
    cpu_start_ticks(CPU_HZ / TICKS_PER_S);
}

uint64_t clock_ms(void) {
    uint32_t count = REG32(TIMER + COUNT);
    time_us += last_count - count;  // it counts down
    last_count = count;
    return time_us / 1000;
}
