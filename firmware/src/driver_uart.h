// The serial port that the master speaks to: 8N1, 115200 baud.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void uart_init(void);

// The oldest byte received; false if there is none. Bytes come by interrupt, into a ring.
bool uart_get(uint8_t *byte);

// Whether `uart_get` has something to give.
bool uart_waiting(void);

// Send, waiting until all is in the transmitter; gives up on a transmitter that stands still.
void uart_write(const uint8_t *data, size_t length);

// Wait until the last byte is on the line.
void uart_flush(void);

// Framing, parity and overrun errors, and bytes that found the ring full, since the reset.
uint32_t uart_errors(void);
