// Which of the two images runs: the one that stays, or a new one that is on trial. A new image is started
// once; if the next reset comes before it has said that it is well, the old one runs again.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum slot { SLOT_A, SLOT_B, SLOTS, NO_SLOT = SLOTS };

enum trial_phase {
    TRIAL_NONE,
    TRIAL_WANTED,   // the candidate is to be started at the next reset
    TRIAL_STARTED,  // it was, and has not said that it is well
    TRIAL_FAILED,   // it was started, and another reset came first
};

// As it lies in the store, kind STORE_TRIAL.
struct trial {
    uint8_t kept;       // enum slot: the image that stays; NO_SLOT in a new node
    uint8_t candidate;  // enum slot: the other one, if `phase` is about it
    uint8_t phase;      // enum trial_phase
    uint8_t spare;
};

struct choice {
    enum slot slot;      // the image to start; NO_SLOT if none is fit
    bool on_trial;       // it has to say that it is well
    bool doubtful;       // it has failed its trial, and is all there is: better wait for another one first
    struct trial after;  // to be saved before it is started
};

// What a node without a record has.
struct trial trial_new(void);

// What to start. `valid`: which slots hold an image whose signature was checked.
struct choice trial_choose(struct trial trial, const bool valid[SLOTS]);

// The slot that a new image may overwrite: never the one that would run.
enum slot trial_free_slot(struct trial trial, const bool valid[SLOTS]);

// Start the image in `slot` at the next reset, on trial.
struct trial trial_want(struct trial trial, enum slot slot);

// No trial is wanted: the slot is about to be overwritten.
struct trial trial_forget(struct trial trial);

// The image in `slot` stays.
struct trial trial_confirm(struct trial trial, enum slot slot);

// The record in the store; a new node's if there is none.
struct trial trial_load(void);
bool trial_save(struct trial trial);
