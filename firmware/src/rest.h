// Sleep until the next interrupt; not if a byte came in since the line was looked at.
#pragma once
#include "cpu.h"
#include "driver_uart.h"

static inline void rest(void) {
    cpu_hold_interrupts();
    if (!uart_waiting()) {
        cpu_sleep();
    }
    cpu_let_interrupts();
}
