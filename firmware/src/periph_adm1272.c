#include "periph_adm1272.h"

#include "pmbus.h"

enum {
    PMON_CONTROL = 0xD3,
    PMON_CONFIG = 0xD4,
    RANGE_30_MV = 1 << 0,
    VOUT_ENABLED = 1 << 1,
    RANGE_100_V = 1 << 5,
    STOP = 0,
    CONVERT = 1,
};

// Table of the data sheet, by range; m of current and power counts milliohms of shunt.
static const struct pmbus_direct voltage[] = {{6770, 0, -2}, {4062, 0, -2}};      // 60 V, 100 V
static const struct pmbus_direct current[] = {{1326, 20480, -1}, {663, 20480, -1}};  // 15 mV, 30 mV
static const struct pmbus_direct power[2][2] = {
    {{3512, 0, -2}, {17561, 0, -3}},   // 60 V: 15 mV, 30 mV
    {{21071, 0, -3}, {10535, 0, -3}},  // 100 V
};

// The output's voltage is not measured unless asked for; the set-up changes only while nothing converts.
bool adm1272_init(uint8_t bus, uint8_t address) {
    uint16_t config;
    return pmbus_read_word(bus, address, PMON_CONFIG, &config) &&
           pmbus_write_byte(bus, address, PMON_CONTROL, STOP) &&
           pmbus_write_word(bus, address, PMON_CONFIG, config | VOUT_ENABLED) &&
           pmbus_write_byte(bus, address, PMON_CONTROL, CONVERT);
}

static bool read_direct(uint8_t bus, uint8_t address, uint8_t command, struct pmbus_direct coefficients,
                        int32_t m_per_1000, int32_t *value) {
    uint16_t y;
    if (!pmbus_read_word(bus, address, command, &y)) {
        return false;
    }
    coefficients.m *= m_per_1000;
    *value = pmbus_direct(coefficients, y);
    return true;
}

bool adm1272_read(uint8_t bus, uint8_t address, int32_t shunt_uohm, struct adm1272_reading *reading) {
    uint16_t config;
    if (!pmbus_read_word(bus, address, PMON_CONFIG, &config)) {
        return false;
    }
    unsigned volts = config & RANGE_100_V ? 1 : 0;
    unsigned millivolts = config & RANGE_30_MV ? 1 : 0;
    return read_direct(bus, address, PMBUS_READ_VIN, voltage[volts], 1000, &reading->vin_mv) &&
           read_direct(bus, address, PMBUS_READ_VOUT, voltage[volts], 1000, &reading->vout_mv) &&
           read_direct(bus, address, PMBUS_READ_IOUT, current[millivolts], shunt_uohm, &reading->iout_ma) &&
           read_direct(bus, address, PMBUS_READ_PIN, power[volts][millivolts], shunt_uohm, &reading->pin_mw);
}
