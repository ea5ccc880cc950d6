// UART5 of the AST1030: a 16550 with its registers four bytes apart, fed by 24 MHz / 13.
#include "driver_uart.h"

#include "board.h"
#include "cpu.h"
#include "ring.h"

enum {
    UART = 0x7E784000,
    DATA = 0x00,  // also the divisor's low byte
    INTERRUPTS = 0x04,
    FIFO = 0x08,
    FORMAT = 0x0C,
    STATUS = 0x14,

    RECEIVED_INTERRUPT = 1 << 0,
    FIFO_ON_CLEARED = 0x07,
    EIGHT_N_ONE = 0x03,
    DIVISOR_ACCESS = 1 << 7,
    DIVISOR_115200 = 1,  // 24 MHz / 13 / 16 / 115200 = 1.0016

    RECEIVED = 1 << 0,
    ERRORS = 0x0E,  // overrun, parity, framing
    FIFO_EMPTY = 1 << 5,
    IDLE = 1 << 6,

    FIFO_BYTES = 16,
    PATIENCE = 2000000,  // polls; a FIFO is sent in 1.4 ms
};

static struct ring received;
static volatile uint32_t errors;

void uart_init(void) {
    REG32(UART + FORMAT) = DIVISOR_ACCESS | EIGHT_N_ONE;
    REG32(UART + DATA) = DIVISOR_115200;
    REG32(UART + INTERRUPTS) = 0;  // the divisor's high byte
    REG32(UART + FORMAT) = EIGHT_N_ONE;
    REG32(UART + FIFO) = FIFO_ON_CLEARED;
    REG32(UART + INTERRUPTS) = RECEIVED_INTERRUPT;
    cpu_enable_irq(UART_IRQ);
}

void uart_interrupt(void);
void uart_interrupt(void) {
    uint32_t status;
    for (unsigned i = 0; i < RING_BYTES && ((status = REG32(UART + STATUS)) & RECEIVED); i++) {
        errors += (status & ERRORS) != 0;
        errors += !ring_put(&received, (uint8_t)REG32(UART + DATA));
    }
}

bool uart_waiting(void) {
    return !ring_empty(&received);
}

bool uart_get(uint8_t *byte) {
    return ring_get(&received, byte);
}

static bool wait_for(uint32_t flag) {
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (REG32(UART + STATUS) & flag) {
            return true;
        }
    }
    return false;
}

void uart_write(const uint8_t *data, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (i % FIFO_BYTES == 0 && !wait_for(FIFO_EMPTY)) {
            return;
        }
        REG32(UART + DATA) = data[i];
    }
}

void uart_flush(void) {
    wait_for(IDLE);
}

uint32_t uart_errors(void) {
    return errors;
}
