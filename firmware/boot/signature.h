// Ed25519. Source: RFC 8032, section 5.1.7.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { SIGNATURE_BYTES = 64, KEY_BYTES = 32, SIGNED_BYTES = 64 };

// Whether the owner of the key signed the message; it is always a digest here.
bool signature_good(const uint8_t signature[SIGNATURE_BYTES], const uint8_t key[KEY_BYTES],
                    const uint8_t message[SIGNED_BYTES]);
