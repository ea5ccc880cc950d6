// TMP105 temperature sensor. Source: Texas Instruments SBOS648, tables 5 to 9.
#pragma once
#include <stdbool.h>
#include <stdint.h>

bool tmp105_init(uint8_t bus, uint8_t address);
bool tmp105_read(uint8_t bus, uint8_t address, int32_t *temperature_mc);
