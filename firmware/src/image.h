// What the node does about its own image: the boot loader tries a new one once, and goes back to the
// old one unless the new one has said that it is well.
#pragma once
#include <stdbool.h>

// Whether the running image is the one that stays.
bool image_confirmed(void);

// Make the running image the one that stays. False if that could not be written.
bool image_confirm(void);

// Reset, and wait in the boot loader for a new image.
_Noreturn void image_enter_boot(void);
