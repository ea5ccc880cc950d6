#include "pmbus.h"

#include "driver_i2c.h"

bool pmbus_read_word(uint8_t bus, uint8_t address, uint8_t command, uint16_t *word) {
    uint8_t bytes[2];
    if (!i2c_transfer(bus, address, &command, 1, bytes, sizeof bytes)) {
        return false;
    }
    *word = (uint16_t)(bytes[0] | bytes[1] << 8);
    return true;
}

bool pmbus_write_byte(uint8_t bus, uint8_t address, uint8_t command, uint8_t byte) {
    const uint8_t bytes[] = {command, byte};
    return i2c_transfer(bus, address, bytes, sizeof bytes, 0, 0);
}

bool pmbus_write_word(uint8_t bus, uint8_t address, uint8_t command, uint16_t word) {
    const uint8_t bytes[] = {command, (uint8_t)word, (uint8_t)(word >> 8)};
    return i2c_transfer(bus, address, bytes, sizeof bytes, 0, 0);
}

int32_t pmbus_direct(struct pmbus_direct coefficients, uint16_t y) {
    int64_t x = y;
    for (int8_t r = coefficients.r; r < 0; r++) {
        x *= 10;
    }
    x = (x - coefficients.b) * 1000000;  // thousandths, by thousandths of m
    int64_t half = coefficients.m / 2;
    x = (x + (x < 0 ? -half : half)) / coefficients.m;
    return x > INT32_MAX ? INT32_MAX : (int32_t)x;
}
