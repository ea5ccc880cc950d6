// How the processor came here, and how it begins again.
#pragma once
#include <stdint.h>

// Begin again at the reset vector, peripherals included.
_Noreturn void reset_now(void);
