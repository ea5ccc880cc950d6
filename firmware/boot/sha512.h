// SHA-512. Source: FIPS 180-4, sections 4.1.3, 4.2.3, 5.1.2 and 6.4.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { SHA512_BYTES = 64 };

void sha512(const uint8_t *data, size_t length, uint8_t digest[SHA512_BYTES]);
