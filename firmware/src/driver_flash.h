// The flash chip: read anywhere, erase a sector, program what is erased. A port without one says so.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLASH_SECTOR_BYTES 4096u

// False if there is no flash, or it does not answer.
bool flash_init(void);

bool flash_read(uint32_t at, void *data, size_t length);

// Set the sector that begins at `at` to 0xFF.
bool flash_erase(uint32_t at);

// Clear bits; `at` and `length` are free, the bytes must be erased. Read back and compared.
bool flash_program(uint32_t at, const void *data, size_t length);
