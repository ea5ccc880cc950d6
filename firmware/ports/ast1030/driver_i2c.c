// The AST1030's I2C buses in their byte-by-byte master mode.
// Source: ASPEED AST2600/AST1030 data sheet, I2C controller, old register definition.
#include "driver_i2c.h"

#include "cpu.h"

enum {
    I2C = 0x7E7B0080,  // bus 0; each bus takes BUS_BYTES
    BUS_BYTES = 0x80,
    BUSES = 2,

    FUNCTION = 0x00,
    TIMING_1 = 0x04,
    TIMING_2 = 0x08,
    ENABLED_FLAGS = 0x0C,
    STATUS = 0x10,
    COMMAND = 0x14,
    BYTE = 0x20,

    MASTER = 1 << 0,

    ACKNOWLEDGED = 1 << 0,
    REFUSED = 1 << 1,
    RECEIVED = 1 << 2,
    LOST = 1 << 3,  // arbitration
    STOPPED = 1 << 4,
    ABNORMAL = 1 << 5,

    START = 1 << 0,
    SEND = 1 << 1,
    RECEIVE = 1 << 3,
    REFUSE_LAST = 1 << 4,  // no acknowledge: the slave is to send no more
    STOP = 1 << 5,

    READ = 1,
    ALL_FLAGS = 0x7F,
    PATIENCE = 200000,  // polls; a byte at 100 kHz takes 90 us
};

// 100 kHz out of a base clock of 50 MHz: divided by 32 times 16, high and low halves alike.
#define HUNDRED_KILOHERTZ 0x77704305u

static uintptr_t base_of(uint8_t bus) {
    return I2C + (uintptr_t)bus * BUS_BYTES;
}

void i2c_init(void) {
    for (uint8_t bus = 0; bus < BUSES; bus++) {
        REG32(base_of(bus) + FUNCTION) = 0;
        REG32(base_of(bus) + TIMING_1) = HUNDRED_KILOHERTZ;
        REG32(base_of(bus) + TIMING_2) = 0;
        REG32(base_of(bus) + FUNCTION) = MASTER;
        REG32(base_of(bus) + ENABLED_FLAGS) = ALL_FLAGS;  // they are polled, but show only when enabled
    }
}

// Give a command; whether it ended by `wanted`.
static bool command(uintptr_t base, uint32_t bits, uint32_t wanted) {
    REG32(base + STATUS) = ALL_FLAGS;
    REG32(base + COMMAND) = bits;
    for (unsigned i = 0; i < PATIENCE; i++) {
        uint32_t flags = REG32(base + STATUS);
        if (flags & wanted) {
            return true;
        }
        if (flags & (REFUSED | LOST | ABNORMAL)) {
            return false;
        }
    }
    return false;
}

static bool send(uintptr_t base, uint8_t byte, uint32_t bits) {
    REG32(base + BYTE) = byte;
    return command(base, bits | SEND, ACKNOWLEDGED);
}

static bool send_all(uintptr_t base, uint8_t address, const uint8_t *data, size_t length) {
    bool well = send(base, (uint8_t)(address << 1), START);
    for (size_t i = 0; well && i < length; i++) {
        well = send(base, data[i], 0);
    }
    return well;
}

static bool receive_all(uintptr_t base, uint8_t address, uint8_t *data, size_t length) {
    bool well = send(base, (uint8_t)(address << 1 | READ), START);
    for (size_t i = 0; well && i < length; i++) {
        well = command(base, RECEIVE | (i + 1 == length ? REFUSE_LAST : 0u), RECEIVED);
        data[i] = (uint8_t)(REG32(base + BYTE) >> 8);
    }
    return well;
}

bool i2c_transfer(uint8_t bus, uint8_t address, const uint8_t *tx, size_t tx_length, uint8_t *rx,
                  size_t rx_length) {
    uintptr_t base = base_of(bus);
    bool well = (!tx_length || send_all(base, address, tx, tx_length)) &&
                (!rx_length || receive_all(base, address, rx, rx_length));
    return command(base, STOP, STOPPED) && well;
}
