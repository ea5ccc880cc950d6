// The chips of this board: where they sit, when they must be set up, and what they read.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "sense.h"

// Read one chip; one that was away is set up first.
struct chip_reading chip_read(enum chip chip);

// Have the fans turn at these duties, in 0.01 %. They are written when they change, when the controller was
// away, and again when it is found to hold something else.
void fans_drive(const uint16_t duty[2], uint64_t now_ms);
