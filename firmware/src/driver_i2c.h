// I2C as a master. Every wait has a limit: a bus that hangs is an error, not a hang.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void i2c_init(void);

// Write `tx_length` bytes to the 7-bit `address`, then with a repeated start read `rx_length` bytes;
// either may be 0. False if nobody acknowledges, or the bus does not answer in time.
bool i2c_transfer(uint8_t bus, uint8_t address, const uint8_t *tx, size_t tx_length, uint8_t *rx,
                  size_t rx_length);
