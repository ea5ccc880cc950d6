// needs: trial.c store.c crc32.c
// Which image runs, as a table of cases; then the whole life of an update, with the power cut in its middle.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_flash.h"
#include "store.h"
#include "trial.h"

#define A SLOT_A
#define B SLOT_B
#define NONE NO_SLOT

static const struct {
    const char *name;
    struct trial before;
    bool valid[SLOTS];
    enum slot slot;
    bool on_trial, doubtful;
    struct trial after;
    enum slot free_slot;
} cases[] = {
    {"fresh, image in A", {NONE, NONE, TRIAL_NONE, 0}, {true, false}, A, 0, 0, {A, NONE, TRIAL_NONE, 0}, B},
    {"fresh, image in B", {NONE, NONE, TRIAL_NONE, 0}, {false, true}, B, 0, 0, {B, NONE, TRIAL_NONE, 0}, A},
    {"fresh, both", {NONE, NONE, TRIAL_NONE, 0}, {true, true}, A, 0, 0, {A, NONE, TRIAL_NONE, 0}, B},
    {"fresh, none", {NONE, NONE, TRIAL_NONE, 0}, {false, false}, NONE, 0, 0, {NONE, NONE, TRIAL_NONE, 0}, A},
    {"fresh, wanted", {NONE, A, TRIAL_WANTED, 0}, {true, false}, A, 1, 0, {NONE, A, TRIAL_STARTED, 0}, B},
    {"kept", {A, NONE, TRIAL_NONE, 0}, {true, true}, A, 0, 0, {A, NONE, TRIAL_NONE, 0}, B},
    {"kept B", {B, NONE, TRIAL_NONE, 0}, {true, true}, B, 0, 0, {B, NONE, TRIAL_NONE, 0}, A},
    {"trial wanted", {A, B, TRIAL_WANTED, 0}, {true, true}, B, 1, 0, {A, B, TRIAL_STARTED, 0}, B},
    {"trial of a bad image", {A, B, TRIAL_WANTED, 0}, {true, false}, A, 0, 0, {A, NONE, TRIAL_NONE, 0}, B},
    {"not confirmed: back", {A, B, TRIAL_STARTED, 0}, {true, true}, A, 0, 0, {A, B, TRIAL_FAILED, 0}, B},
    {"not confirmed, next reset", {A, B, TRIAL_FAILED, 0}, {true, true}, A, 0, 0, {A, B, TRIAL_FAILED, 0}, B},
    {"failed one overwritten", {A, B, TRIAL_FAILED, 0}, {true, false}, A, 0, 0, {A, NONE, TRIAL_NONE, 0}, B},
    {"not confirmed, old gone", {A, B, TRIAL_STARTED, 0}, {false, true}, B, 1, 1, {A, B, TRIAL_FAILED, 0}, A},
    {"wanted, old one gone", {A, B, TRIAL_WANTED, 0}, {false, true}, B, 1, 0, {A, B, TRIAL_STARTED, 0}, A},
    {"kept one gone", {B, NONE, TRIAL_NONE, 0}, {true, false}, A, 0, 0, {A, NONE, TRIAL_NONE, 0}, B},
    {"both bad", {A, NONE, TRIAL_NONE, 0}, {false, false}, NONE, 0, 0, {A, NONE, TRIAL_NONE, 0}, A},
    {"both bad on trial", {A, B, TRIAL_STARTED, 0}, {false, false}, NONE, 0, 0, {A, NONE, TRIAL_NONE, 0}, A},
    {"record of nonsense", {77, 99, 55, 0}, {false, true}, B, 0, 0, {B, NONE, TRIAL_NONE, 0}, A},
};

static void test_cases(void **state) {
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct choice choice = trial_choose(cases[i].before, cases[i].valid);
        bool right = choice.slot == cases[i].slot && choice.on_trial == cases[i].on_trial &&
                     choice.doubtful == cases[i].doubtful &&
                     memcmp(&choice.after, &cases[i].after, sizeof choice.after) == 0 &&
                     trial_free_slot(cases[i].before, cases[i].valid) == cases[i].free_slot;
        if (!right) {
            fail_msg("%s: slot %d trial %d doubtful %d after %d %d %d", cases[i].name, choice.slot,
                     choice.on_trial, choice.doubtful, choice.after.kept, choice.after.candidate,
                     choice.after.phase);
        }
    }
}

// Over all records and all slots: what would run without a trial is never what may be overwritten.
static void test_running_image_is_never_overwritten(void **state) {
    (void)state;
    for (unsigned n = 0; n < 4 * 4 * 5 * 4; n++) {
        struct trial trial = {.kept = n & 3, .candidate = n >> 2 & 3, .phase = (uint8_t)(n >> 6 & 7)};
        const bool valid[SLOTS] = {n >> 4 & 1, n >> 5 & 1};
        enum slot free_slot = trial_free_slot(trial, valid);
        assert_in_range(free_slot, SLOT_A, SLOT_B);
        assert_int_not_equal(free_slot, trial_choose(trial_forget(trial), valid).slot);
    }
}

static struct choice reset(const bool valid[SLOTS]) {
    assert_true(store_open());
    struct choice choice = trial_choose(trial_load(), valid);
    assert_true(trial_save(choice.after));
    return choice;
}

static void test_life_of_an_update(void **state) {
    static const bool both[SLOTS] = {true, true}, first[SLOTS] = {true, false};
    (void)state;
    fake_flash_new();
    assert_int_equal(reset(first).slot, SLOT_A);
    assert_true(trial_save(trial_want(trial_load(), SLOT_B)));
    assert_true(reset(both).on_trial);  // B runs, says nothing
    assert_int_equal(reset(both).slot, SLOT_A);
    assert_int_equal(reset(both).slot, SLOT_A);
    assert_true(trial_save(trial_want(trial_load(), SLOT_B)));
    assert_int_equal(reset(both).slot, SLOT_B);
    assert_true(trial_save(trial_confirm(trial_load(), SLOT_B)));
    assert_int_equal(reset(both).slot, SLOT_B);
    assert_false(reset(both).on_trial);
    assert_int_equal(trial_free_slot(trial_load(), both), SLOT_A);
}

// Wherever the power goes, an image that has confirmed itself runs, or the one on trial for its only time.
static void test_power_cut_in_an_update(void **state) {
    static const bool both[SLOTS] = {true, true};
    (void)state;
    for (long steps = 1; steps < 80; steps++) {
        fake_flash_new();
        fake_noise = (uint32_t)steps;
        assert_true(store_open() && trial_save(trial_confirm(trial_new(), SLOT_A)));
        fake_steps_left = steps;
        bool wanted = trial_save(trial_want(trial_load(), SLOT_B));
        bool started = wanted && store_open() && trial_save(trial_choose(trial_load(), both).after);
        bool confirmed = started && trial_save(trial_confirm(trial_load(), SLOT_B));
        fake_steps_left = -1;
        struct choice choice = reset(both);
        assert_true(!confirmed || (choice.slot == SLOT_B && !choice.on_trial));
        assert_true(choice.slot == SLOT_A || choice.on_trial || started);
        struct choice next = reset(both);
        assert_false(next.on_trial);
        assert_true(choice.on_trial ? next.slot == SLOT_A : next.slot == choice.slot);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_running_image_is_never_overwritten),
        cmocka_unit_test(test_life_of_an_update),
        cmocka_unit_test(test_power_cut_in_an_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
