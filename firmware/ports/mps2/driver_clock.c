// The FPGA's counter, at 1 MHz behind its prescaler; its 32 bits last for 71 minutes and are extended here.
#include "driver_clock.h"

#include "board.h"
#include "cpu.h"

enum { FPGAIO = 0x40028000, COUNTER = 0x18, PRESCALE = 0x1C };

enum { TICKS_PER_S = 200, MEGAHERTZ = CPU_HZ / 1000000 - 1 };

static uint64_t time_us;
static uint32_t last_count;

void clock_init(void) {
    REG32(FPGAIO + PRESCALE) = MEGAHERTZ;
    last_count = REG32(FPGAIO + COUNTER);
    cpu_start_ticks(CPU_HZ / TICKS_PER_S);
}

uint64_t clock_ms(void) {
    uint32_t count = REG32(FPGAIO + COUNTER);
    time_us += count - last_count;
    last_count = count;
    return time_us / 1000;
}
