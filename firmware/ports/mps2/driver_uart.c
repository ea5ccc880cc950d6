// UART 0 of the CMSDK: one byte each way, no FIFO. Source: ARM DDI 0479, section 4.3.
#include "driver_uart.h"

#include "board.h"
#include "cpu.h"
#include "ring.h"

enum {
    UART = 0x40004000,
    DATA = 0x00,
    STATE = 0x04,
    CONTROL = 0x08,
    INTERRUPTS = 0x0C,
    BAUD_DIVISOR = 0x10,

    SEND_FULL = 1 << 0,
    RECEIVED = 1 << 1,
    OVERRUN = 1 << 3,

    SEND_ON = 1 << 0,
    RECEIVE_ON = 1 << 1,
    RECEIVE_INTERRUPT = 1 << 3,
    RECEIVE_PENDING = 1 << 1,

    BAUD = 115200,
    PATIENCE = 200000,  // polls; a byte is sent in 87 us
};

static struct ring received;
static volatile uint32_t errors;

void uart_init(void) {
    REG32(UART + BAUD_DIVISOR) = CPU_HZ / BAUD;
    REG32(UART + CONTROL) = SEND_ON | RECEIVE_ON | RECEIVE_INTERRUPT;
    cpu_enable_irq(UART_IRQ);
}

void uart_interrupt(void);
void uart_interrupt(void) {
    REG32(UART + INTERRUPTS) = RECEIVE_PENDING;
    uint32_t state = REG32(UART + STATE);
    if (state & OVERRUN) {
        errors++;
        REG32(UART + STATE) = OVERRUN;
    }
    if (state & RECEIVED) {
        errors += !ring_put(&received, (uint8_t)REG32(UART + DATA));
    }
}

bool uart_waiting(void) {
    return !ring_empty(&received);
}

bool uart_get(uint8_t *byte) {
    return ring_get(&received, byte);
}

static bool wait_for_room(void) {
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (!(REG32(UART + STATE) & SEND_FULL)) {
            return true;
        }
    }
    return false;
}

void uart_write(const uint8_t *data, size_t length) {
    for (size_t i = 0; i < length && wait_for_room(); i++) {
        REG32(UART + DATA) = data[i];
    }
}

void uart_flush(void) {
    wait_for_room();
}

uint32_t uart_errors(void) {
    return errors;
}
