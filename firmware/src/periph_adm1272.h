// ADM1272 hot-swap controller and power monitor, over PMBus.
// Source: Analog Devices ADM1272 data sheet, revision C, "PMBus direct format conversion".
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct adm1272_reading {
    int32_t vin_mv, vout_mv, iout_ma, pin_mw;
};

bool adm1272_init(uint8_t bus, uint8_t address);

// `shunt_uohm`: the sense resistor of the board.
bool adm1272_read(uint8_t bus, uint8_t address, int32_t shunt_uohm, struct adm1272_reading *reading);
