// CRC-32 as in Ethernet and zip (polynomial 0x04C11DB7 reflected, start and end inverted).
#pragma once
#include <stddef.h>
#include <stdint.h>

// Continue a CRC over more bytes; `crc` is 0 at the beginning.
uint32_t crc32_update(uint32_t crc, const void *data, size_t length);
