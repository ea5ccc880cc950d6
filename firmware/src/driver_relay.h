// The relays: outputs of the MCU. They keep their state over a reset of the processor where the MCU can.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Drive the outputs, bit n of `closed` for relay n; first their levels, so that none moves that need not.
void relay_init(uint32_t closed);
void relay_set(unsigned relay, bool closed);
