// The public key whose owner may make images for this node. The build writes it: `tools/image.py key`.
#pragma once
#include <stdint.h>

#include "signature.h"

extern const uint8_t update_key[KEY_BYTES];
