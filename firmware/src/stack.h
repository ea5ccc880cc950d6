// How much of the stack was never used, by the pattern that start-up fills it with.
#pragma once
#include <stdint.h>

#define STACK_PATTERN 0xA5C3A5C3u

uint32_t stack_free(void);
