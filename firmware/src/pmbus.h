// What PMBus chips share: words in little-endian order, and the DIRECT format.
// Source: PMBus Specification, part II, revision 1.3, section 7.4: X = (Y * 10^-R - b) / m.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum pmbus_command {
    PMBUS_PAGE = 0x00,
    PMBUS_FAN_CONFIG_1_2 = 0x3A,
    PMBUS_FAN_COMMAND_1 = 0x3B,
    PMBUS_READ_VIN = 0x88,
    PMBUS_READ_VOUT = 0x8B,
    PMBUS_READ_IOUT = 0x8C,
    PMBUS_READ_FAN_SPEED_1 = 0x90,
    PMBUS_READ_PIN = 0x97,
};

bool pmbus_read_word(uint8_t bus, uint8_t address, uint8_t command, uint16_t *word);
bool pmbus_write_byte(uint8_t bus, uint8_t address, uint8_t command, uint8_t byte);
bool pmbus_write_word(uint8_t bus, uint8_t address, uint8_t command, uint16_t word);

struct pmbus_direct {
    int32_t m, b;
    int8_t r;  // R, negative for all chips here
};

// The DIRECT number `y` in thousandths of the quantity's unit; `m` counts thousandths, so that a shunt can
// be multiplied in: m = coefficient * shunt.
int32_t pmbus_direct(struct pmbus_direct coefficients, uint16_t y);
