// The relays: outputs of the MCU. They keep their state over a reset of the processor where the MCU can.
#pragma once
#include <stdbool.h>

void relay_init(void);
void relay_set(unsigned relay, bool closed);
