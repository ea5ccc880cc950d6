// I2C over the two wires of the board's SBCon registers: every edge is made by hand.
// Source: NXP UM10204, section 3.1; ARM DAI 0385, "SBCon".
#include "driver_i2c.h"

#include "cpu.h"

enum {
    I2C = 0x4002A000,  // shield 1
    LEVELS = 0x00,     // read: the wires; write: let go of a wire
    SET = 0x00,
    CLEAR = 0x04,
    SCL = 1 << 0,
    SDA = 1 << 1,

    READ = 1,
    HALF_PERIOD = 40,   // turns of an empty loop, 5 us at 25 MHz
    STRETCH = 1000,     // polls for a slave that holds the clock
};

static void pause(void) {
    for (volatile unsigned i = 0; i < HALF_PERIOD; i++) {
    }
}

static void sda(bool high) {
    REG32(I2C + (high ? SET : CLEAR)) = SDA;
    pause();
}

static void scl_low(void) {
    REG32(I2C + CLEAR) = SCL;
    pause();
}

// False if a slave holds the clock for too long.
static bool scl_high(void) {
    REG32(I2C + SET) = SCL;
    pause();
    for (unsigned i = 0; i < STRETCH; i++) {
        if (REG32(I2C + LEVELS) & SCL) {
            return true;
        }
    }
    return false;
}

static bool put_bit(bool bit) {
    sda(bit);
    bool well = scl_high();
    scl_low();
    return well;
}

static bool get_bit(bool *bit) {
    sda(true);
    bool well = scl_high();
    *bit = REG32(I2C + LEVELS) & SDA;
    scl_low();
    return well;
}

// Also a repeated one: the wires are let go first.
static bool start(void) {
    sda(true);
    bool well = scl_high();
    sda(false);
    scl_low();
    return well;
}

static bool stop(void) {
    sda(false);
    bool well = scl_high();
    sda(true);
    return well;
}

// False if nobody acknowledges.
static bool put_byte(uint8_t byte) {
    bool refused = true;
    for (unsigned bit = 8; bit-- > 0;) {
        if (!put_bit(byte >> bit & 1)) {
            return false;
        }
    }
    return get_bit(&refused) && !refused;
}

static bool get_byte(uint8_t *byte, bool last) {
    uint8_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        bool bit;
        if (!get_bit(&bit)) {
            return false;
        }
        value = (uint8_t)(value << 1 | bit);
    }
    *byte = value;
    return put_bit(last);
}

void i2c_init(void) {
    stop();
}

static bool send_all(uint8_t address, const uint8_t *data, size_t length) {
    bool well = start() && put_byte((uint8_t)(address << 1));
    for (size_t i = 0; well && i < length; i++) {
        well = put_byte(data[i]);
    }
    return well;
}

static bool receive_all(uint8_t address, uint8_t *data, size_t length) {
    bool well = start() && put_byte((uint8_t)(address << 1 | READ));
    for (size_t i = 0; well && i < length; i++) {
        well = get_byte(&data[i], i + 1 == length);
    }
    return well;
}

bool i2c_transfer(uint8_t bus, uint8_t address, const uint8_t *tx, size_t tx_length, uint8_t *rx,
                  size_t rx_length) {
    (void)bus;  // there is one
    bool well =
        (!tx_length || send_all(address, tx, tx_length)) && (!rx_length || receive_all(address, rx, rx_length));
    return stop() && well;
}
