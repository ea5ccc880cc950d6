// Leave the processor as a reset does, and begin at another vector table.
// Source: ARM DDI 0403, sections B1.5.5, B3.2.5 and B3.4.
#pragma once
#include <stdint.h>

#include "cpu.h"

static inline _Noreturn void jump_to_image(uint32_t vectors) {
    REG32(0xE000E010u) = 0;  // SYST_CSR: no more ticks,
    REG32(0xE000ED04u) = 1u << 25;  // ICSR: and none pending
    for (unsigned i = 0; i < 8; i++) {
        REG32(0xE000E180u + 4 * i) = UINT32_MAX;  // NVIC_ICER: no interrupt enabled,
        REG32(0xE000E280u + 4 * i) = UINT32_MAX;  // NVIC_ICPR: and none pending
    }
    REG32(0xE000ED08u) = vectors;  // VTOR
    __asm volatile("dsb\n\tisb\n\tmsr msp, %0\n\tbx %1"
                   :
                   : "r"(REG32(vectors)), "r"(REG32(vectors + 4))
                   : "memory");
    __builtin_unreachable();
}
