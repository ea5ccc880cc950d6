// EMC1413 temperature sensor: its own diode and two remote ones. Source: Microchip DS20005274, registers.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { EMC1413_DIODES = 3 };

bool emc1413_init(uint8_t bus, uint8_t address);

// A remote diode that is open or shorted reads as NO_VALUE.
bool emc1413_read(uint8_t bus, uint8_t address, int32_t temperature_mc[EMC1413_DIODES]);
