// The hardware watchdog: a main loop that hangs starts again by itself.
#pragma once
#include <stdint.h>

void watchdog_start(uint32_t timeout_ms);
void watchdog_feed(void);
