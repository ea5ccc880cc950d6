#include "periph_max31785.h"

#include "pmbus.h"

enum { ENABLED = 0x80, TWO_PULSES = 0x10, SPEED_MASK = 0x7FFF };

static bool select_fan(uint8_t bus, uint8_t address, uint8_t fan) {
    return pmbus_write_byte(bus, address, PMBUS_PAGE, fan);
}

bool max31785_init(uint8_t bus, uint8_t address, uint8_t fan) {
    return select_fan(bus, address, fan) &&
           pmbus_write_byte(bus, address, PMBUS_FAN_CONFIG_1_2, ENABLED | TWO_PULSES);
}

bool max31785_set_duty(uint8_t bus, uint8_t address, uint8_t fan, uint16_t duty) {
    uint16_t holds;
    return select_fan(bus, address, fan) && pmbus_write_word(bus, address, PMBUS_FAN_COMMAND_1, duty) &&
           pmbus_read_word(bus, address, PMBUS_FAN_COMMAND_1, &holds) && holds == duty;
}

bool max31785_get_duty(uint8_t bus, uint8_t address, uint8_t fan, uint16_t *duty) {
    return select_fan(bus, address, fan) && pmbus_read_word(bus, address, PMBUS_FAN_COMMAND_1, duty);
}

bool max31785_read_speed(uint8_t bus, uint8_t address, uint8_t fan, int32_t *speed_rpm) {
    uint16_t word;
    if (!select_fan(bus, address, fan) || !pmbus_read_word(bus, address, PMBUS_READ_FAN_SPEED_1, &word)) {
        return false;
    }
    *speed_rpm = word & SPEED_MASK;
    return true;
}
