#include "trial.h"

#include "store.h"

static enum slot other(enum slot slot) {
    return slot == SLOT_A ? SLOT_B : SLOT_A;
}

static bool fit(unsigned slot, const bool valid[SLOTS]) {
    return slot < SLOTS && valid[slot];
}

struct trial trial_new(void) {
    return (struct trial){.kept = NO_SLOT, .candidate = NO_SLOT, .phase = TRIAL_NONE};
}

struct trial trial_forget(struct trial trial) {
    return (struct trial){.kept = trial.kept, .candidate = NO_SLOT, .phase = TRIAL_NONE};
}

struct trial trial_want(struct trial trial, enum slot slot) {
    return (struct trial){.kept = trial.kept, .candidate = (uint8_t)slot, .phase = TRIAL_WANTED};
}

struct trial trial_confirm(struct trial trial, enum slot slot) {
    trial.kept = (uint8_t)slot;
    return trial_forget(trial);
}

// The kept image is gone, or there never was one: the other one will do.
static struct choice choose_without_kept(struct trial trial, const bool valid[SLOTS]) {
    enum slot slot = valid[SLOT_A] && trial.kept != SLOT_A ? SLOT_A : SLOT_B;
    if (!fit(slot, valid)) {
        return (struct choice){.slot = NO_SLOT, .after = trial};
    }
    if (trial.phase == TRIAL_FAILED && trial.candidate == slot) {
        return (struct choice){.slot = slot, .on_trial = true, .doubtful = true, .after = trial};
    }
    return (struct choice){.slot = slot, .after = trial_confirm(trial, slot)};
}

struct choice trial_choose(struct trial trial, const bool valid[SLOTS]) {
    if (trial.phase == TRIAL_WANTED && fit(trial.candidate, valid)) {
        struct choice choice = {.slot = (enum slot)trial.candidate, .on_trial = true, .after = trial};
        choice.after.phase = TRIAL_STARTED;
        return choice;
    }
    if (trial.phase == TRIAL_STARTED) {
        trial.phase = TRIAL_FAILED;
    }
    if (trial.phase == TRIAL_WANTED || !fit(trial.candidate, valid)) {
        trial = trial_forget(trial);
    }
    if (fit(trial.kept, valid)) {
        return (struct choice){.slot = (enum slot)trial.kept, .after = trial};
    }
    return choose_without_kept(trial, valid);
}

enum slot trial_free_slot(struct trial trial, const bool valid[SLOTS]) {
    return other(trial_choose(trial_forget(trial), valid).slot);
}

struct trial trial_load(void) {
    struct trial trial;
    return store_load(STORE_TRIAL, &trial, sizeof trial) ? trial : trial_new();
}

bool trial_save(struct trial trial) {
    return store_save(STORE_TRIAL, &trial, sizeof trial);
}
