#include "periph_tmp105.h"

#include "driver_i2c.h"

enum { TEMPERATURE = 0, CONFIGURATION = 1, TWELVE_BITS = 0x60 };

bool tmp105_init(uint8_t bus, uint8_t address) {
    const uint8_t bytes[] = {CONFIGURATION, TWELVE_BITS};
    return i2c_transfer(bus, address, bytes, sizeof bytes, 0, 0);
}

bool tmp105_read(uint8_t bus, uint8_t address, int32_t *temperature_mc) {
    const uint8_t command = TEMPERATURE;
    uint8_t bytes[2];
    if (!i2c_transfer(bus, address, &command, 1, bytes, sizeof bytes)) {
        return false;
    }
    int16_t raw = (int16_t)(bytes[0] << 8 | bytes[1]);  // 1/256 degrees
    *temperature_mc = raw * 1000 / 256;
    return true;
}
