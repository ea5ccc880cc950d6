// The two images in the flash chip, and which of them is to run.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "layout.h"
#include "trial.h"
#include "verify.h"

struct slots {
    struct trial trial;
    bool valid[SLOTS];  // signature checked
    struct image images[SLOTS];
};

// Where an image is checked and from where it runs: SRAM from LOAD_AT on.
extern uint8_t image_memory[SLOT_BYTES];

uint32_t slot_address(enum slot slot);

// Copy the image to `image_memory` and check it there; `valid` says the same.
enum verdict slots_load(struct slots *slots, enum slot slot);

// Check both, and find out what was kept about them.
void slots_survey(struct slots *slots);

// Keep this; false, and as it was, if it could not be written.
bool slots_keep(struct slots *slots, struct trial trial);
