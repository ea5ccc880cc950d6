// An I2C bus with register-based chips on it, for one test program. A transfer may be refused by its number,
// and leaves rubbish behind, as a bus that breaks off does.
#pragma once
#include "cases.h"
#include "driver_i2c.h"

enum { FAKE_CHIPS = 4, FAKE_PAGES = 2 };

struct fake_chip {
    uint8_t bus, address;
    bool paged;  // a write to register 0 selects the page
    bool keeps;  // it acknowledges what is written, and keeps what it has
    uint8_t page;
    uint8_t registers[FAKE_PAGES][256][2];
};

static struct fake_chip fake_chips[FAKE_CHIPS];
static unsigned fake_transfers;  // so far
static unsigned fake_refused;    // the number of the transfer that is refused, from 1
static bool fake_all_refused;

static void fake_bus_new(void) {
    memset(fake_chips, 0, sizeof fake_chips);
    fake_transfers = 0;
    fake_refused = 0;
    fake_all_refused = false;
}

static struct fake_chip *fake_chip_at(uint8_t bus, uint8_t address) {
    for (unsigned i = 0; i < FAKE_CHIPS; i++) {
        if (fake_chips[i].address == address && fake_chips[i].bus == bus) {
            return &fake_chips[i];
        }
    }
    return NULL;
}

bool i2c_transfer(uint8_t bus, uint8_t address, const uint8_t *tx, size_t tx_length, uint8_t *rx,
                  size_t rx_length) {
    struct fake_chip *asked = fake_chip_at(bus, address);
    if (rx_length) {
        memset(rx, 0xEE, rx_length);
    }
    if (++fake_transfers == fake_refused || fake_all_refused || !asked) {
        return false;
    }
    assert_in_range(tx_length, 1, 3);
    assert_in_range(rx_length, 0, 2);
    if (asked->paged && tx[0] == 0 && tx_length == 2) {
        assert_in_range(tx[1], 0, FAKE_PAGES - 1);
        asked->page = tx[1];
        return true;
    }
    uint8_t *held = asked->registers[asked->page][tx[0]];
    memcpy(held, tx + 1, asked->keeps ? 0 : tx_length - 1);
    if (rx_length) {
        memcpy(rx, held, rx_length);
    }
    return true;
}
