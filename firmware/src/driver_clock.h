// Time since the reset.
#pragma once
#include <stdint.h>

void clock_init(void);

// Milliseconds since the reset; never goes back.
uint64_t clock_ms(void);
