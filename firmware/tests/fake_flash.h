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
#define FAKE_FLASH_BYTES (2 * FLASH_SECTOR_BYTES)  // the store's
#endif
static uint8_t fake_flash[FAKE_FLASH_BYTES];
static long fake_steps_left;  // until the power goes
static long fake_erases;
static uint32_t fake_noise;  // what a cut leaves behind

static void fake_flash_new(void) {
    memset(fake_flash, 0xFF, sizeof fake_flash);
    fake_steps_left = -1;
    fake_erases = 0;
}

static uint8_t fake_noise_byte(void) {
    fake_noise = fake_noise * 1664525u + 1013904223u;
    return (uint8_t)(fake_noise >> 24);
}

bool flash_init(void) { return true; }

bool flash_read(uint32_t at, void *data, size_t length) {
    if (at + length > sizeof fake_flash) {
        abort();
    }
    memcpy(data, fake_flash + at, length);
    return true;
}

bool flash_erase(uint32_t at) {
    if (at % FLASH_SECTOR_BYTES || at >= sizeof fake_flash) {
        abort();
    }
    if (fake_steps_left == 0) {
        return false;
    }
    fake_erases++;
    bool cut = fake_steps_left > 0 && --fake_steps_left == 0;
    for (uint32_t i = 0; i < FLASH_SECTOR_BYTES; i++) {
        fake_flash[at + i] = cut ? fake_flash[at + i] | fake_noise_byte() : 0xFF;
    }
    return !cut;
}

bool flash_program(uint32_t at, const void *data, size_t length) {
    const uint8_t *bytes = data;
    if (at + length > sizeof fake_flash) {
        abort();
    }
    for (size_t i = 0; i < length; i++) {
        if (fake_steps_left == 0) {
            return false;
        }
        bool cut = fake_steps_left > 0 && --fake_steps_left == 0;
        fake_flash[at + i] &= cut ? bytes[i] | fake_noise_byte() : bytes[i];
        if (cut || fake_flash[at + i] != bytes[i]) {
            return false;
        }
    }
    return true;
}
