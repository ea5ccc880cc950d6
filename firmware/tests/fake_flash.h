// A flash chip in memory, for one test program: programming only clears bits, erasing sets a sector, and the
// power goes after as many bytes programmed and sectors erased as the test allows. What the cut hits stays
// half done: some bits of the byte, some bytes of the sector.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driver_flash.h"
#include "layout.h"

#ifndef FAKE_FLASH_BYTES
#define FAKE_FLASH_AT STORE_AT  // only the store's part of it
#define FAKE_FLASH_BYTES (2 * FLASH_SECTOR_BYTES)
#else
#define FAKE_FLASH_AT 0u
#endif
static uint8_t fake_flash[FAKE_FLASH_BYTES];
static bool fake_absent;      // nothing answers when it is looked for
static long fake_steps_left;  // until the power goes
static long fake_erases;
static uint32_t fake_noise;  // what a cut leaves behind

static void fake_flash_new(void) {
    memset(fake_flash, 0xFF, sizeof fake_flash);
    fake_absent = false;
    fake_steps_left = -1;
    fake_erases = 0;
}

static uint8_t fake_noise_byte(void) {
    fake_noise = fake_noise * 1664525u + 1013904223u;
    return (uint8_t)(fake_noise >> 24);
}

// The bytes at an address; a driver's caller has no business outside.
static uint8_t *fake_flash_at(uint32_t at, size_t length) {
    uint32_t place = at - FAKE_FLASH_AT;
    if (place > sizeof fake_flash || length > sizeof fake_flash - place) {
        abort();
    }
    return fake_flash + place;
}

bool flash_init(void) {
    return !fake_absent;
}

bool flash_read(uint32_t at, void *data, size_t length) {
    memcpy(data, fake_flash_at(at, length), length);
    return true;
}

bool flash_erase(uint32_t at) {
    uint8_t *sector = fake_flash_at(at, FLASH_SECTOR_BYTES);
    if (at % FLASH_SECTOR_BYTES) {
        abort();
    }
    if (fake_steps_left == 0) {
        return false;
    }
    fake_erases++;
    bool cut = fake_steps_left > 0 && --fake_steps_left == 0;
    for (uint32_t i = 0; i < FLASH_SECTOR_BYTES; i++) {
        sector[i] = cut ? sector[i] | fake_noise_byte() : 0xFF;
    }
    return !cut;
}

bool flash_program(uint32_t at, const void *data, size_t length) {
    const uint8_t *bytes = data;
    uint8_t *cells = fake_flash_at(at, length);
    for (size_t i = 0; i < length; i++) {
        if (fake_steps_left == 0) {
            return false;
        }
        bool cut = fake_steps_left > 0 && --fake_steps_left == 0;
        cells[i] &= cut ? bytes[i] | fake_noise_byte() : bytes[i];
        if (cut || cells[i] != bytes[i]) {
            return false;
        }
    }
    return true;
}
