#include "periph_emc1413.h"

#include "driver_i2c.h"
#include "registers.h"

enum { DIODE_FAULT = 0x1B, PRODUCT_ID = 0xFD, EMC1413 = 0x21 };

// Integer degrees; eighths in the top bits of the other. Reading the first holds the second.
static const struct {
    uint8_t high, low;
} diodes[EMC1413_DIODES] = {{0x00, 0x29}, {0x01, 0x10}, {0x23, 0x24}};

static bool read_byte(uint8_t bus, uint8_t address, uint8_t which, uint8_t *byte) {
    return i2c_transfer(bus, address, &which, 1, byte, 1);
}

bool emc1413_init(uint8_t bus, uint8_t address) {
    uint8_t id;
    return read_byte(bus, address, PRODUCT_ID, &id) && id == EMC1413;
}

bool emc1413_read(uint8_t bus, uint8_t address, int32_t temperature_mc[EMC1413_DIODES]) {
    uint8_t faults;
    if (!read_byte(bus, address, DIODE_FAULT, &faults)) {
        return false;
    }
    for (unsigned i = 0; i < EMC1413_DIODES; i++) {
        uint8_t high, low;
        if (!read_byte(bus, address, diodes[i].high, &high) ||
            !read_byte(bus, address, diodes[i].low, &low)) {
            return false;
        }
        bool faulty = i > 0 && (faults >> i & 1);
        temperature_mc[i] = faulty ? NO_VALUE : high * 1000 + (low >> 5) * 125;
    }
    return true;
}
