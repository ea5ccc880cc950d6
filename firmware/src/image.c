#include "image.h"

#include "board.h"
#include "driver_reset.h"
#include "registers.h"
#include "retained.h"
#include "trial.h"

bool image_confirmed(void) {
    return !(BOARD_CAPABILITIES & CAPABILITY_UPDATE) || !retained.image_trial;
}

bool image_confirm(void) {
    if (!image_confirmed()) {
        retained.image_trial = !trial_save(trial_confirm(trial_load(), (enum slot)retained.image_slot));
    }
    return image_confirmed();
}

_Noreturn void image_enter_boot(void) {
    retained.request = REQUEST_BOOT;
    reset_now();
}
