// The processor, ARMv7-M. Source: ARM DDI 0403, sections B1.5 and B3.2.
#pragma once
#include <stdint.h>

#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))

static inline void cpu_hold_interrupts(void) {
    __asm volatile("cpsid i" ::: "memory");
}

static inline void cpu_let_interrupts(void) {
    __asm volatile("cpsie i" ::: "memory");
}

// Until an interrupt is pending, even one that is held.
static inline void cpu_sleep(void) {
    __asm volatile("dsb\n\twfi" ::: "memory");
}

static inline void cpu_enable_irq(unsigned irq) {
    REG32(0xE000E100u + 4 * (irq / 32)) = 1u << irq % 32;
}

static inline void cpu_start_ticks(uint32_t cycles) {
    REG32(0xE000E014u) = cycles - 1;  // SYST_RVR
    REG32(0xE000E018u) = 0;           // SYST_CVR
    REG32(0xE000E010u) = 7;           // SYST_CSR: processor clock, interrupt, on
}

static inline void cpu_request_reset(void) {
    REG32(0xE000ED0Cu) = 0x05FA0004u;  // AIRCR: key, SYSRESETREQ
    __asm volatile("dsb" ::: "memory");
}
