// From the reset to main, and what happens when the processor faults.
#include <stdint.h>

#include "board.h"
#include "driver_reset.h"
#include "retained.h"
#include "stack.h"

extern uint32_t stack_bottom[], stack_top[];
extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[];

struct retained retained __attribute__((section(".retained")));

int main(void);
void uart_interrupt(void);
void reset_handler(void);

uint32_t stack_free(void) {
    uint32_t *word = stack_bottom;
    while (word < stack_top && *word == STACK_PATTERN) {
        word++;
    }
    return (uint32_t)(word - stack_bottom) * sizeof *word;
}

static void fault(void) {
    retained.request = REQUEST_FAULT;
    reset_now();
}

// A watchdog that barks before it bites: the reset that it would make, with the cause that it would have.
static void bark(void) {
    reset_now();
}

// The tick only wakes the main loop: time is read from a counter that no missed interrupt can slow.
static void tick(void) {}

void reset_handler(void) {
    uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    uint32_t *frame = __builtin_frame_address(0);
    for (uint32_t *word = stack_bottom; word < frame - 16; word++) {
        *word = STACK_PATTERN;
    }
    main();
    fault();
}

// ARM DDI 0403, section B1.5.2: the initial stack, reset, NMI, the faults, SVCall, PendSV and SysTick.
struct vectors {
    uint32_t *stack;
    void (*handlers[15 + UART_IRQ + 1])(void);
};

__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
    stack_top,
    {reset_handler, bark, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, tick,
     [15 + UART_IRQ] = uart_interrupt},
};
