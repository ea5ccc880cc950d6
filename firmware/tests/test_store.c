// needs: store.c crc32.c
// The power goes at every step of many saves: each record is then the old or the new one, and saving goes on.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_flash.h"
#include "store.h"

enum { SAVES = 120, TEARS = 3 };

struct save {
    enum store_kind kind;
    uint16_t length;
};

// Lengths of all sorts; settings seldom, energy often, one of a kind that this version does not know.
static struct save save_number(unsigned n) {
    static const struct save pattern[] = {
        {STORE_SETTINGS, 100}, {STORE_ENERGY, 8},    {STORE_BOOTS, 8},  {STORE_TRIAL, 3}, {STORE_ENERGY, 8},
        {STORE_KINDS - 1, 1},  {STORE_SETTINGS, 256}, {STORE_ENERGY, 8}, {STORE_BOOTS, 8}, {STORE_ENERGY, 8},
    };
    return pattern[n % (sizeof pattern / sizeof *pattern)];
}

static void fill(uint8_t *data, unsigned n, uint16_t length) {
    memset(data, (int)(n + 1), length);
    data[length - 1] = (uint8_t)(n * 7 + 3);  // the last byte differs: half of one is no other
}

static bool save(unsigned n) {
    uint8_t data[STORE_RECORD_MAX];
    struct save what = save_number(n);
    fill(data, n, what.length);
    return store_save(what.kind, data, what.length);
}

static bool holds(unsigned n) {
    uint8_t wanted[STORE_RECORD_MAX], found[STORE_RECORD_MAX];
    struct save what = save_number(n);
    fill(wanted, n, what.length);
    return store_load(what.kind, found, what.length) && memcmp(wanted, found, what.length) == 0;
}

// The number of the last save of a kind before save `n`; -1 if there was none.
static int last_of(unsigned kind, unsigned n) {
    int last = (int)n - 1;
    while (last >= 0 && save_number((unsigned)last).kind != kind) {
        last--;
    }
    return last;
}

static bool empty(unsigned kind) {
    static const uint16_t lengths[] = {1, 3, 8, 100, 256};
    uint8_t data[STORE_RECORD_MAX];
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        if (store_load(kind, data, lengths[i])) {
            return false;
        }
    }
    return true;
}

// All kinds are as the first `n` saves left them; the one that save `n` was about may have its value, too.
static void assert_old_or_new(unsigned n) {
    for (unsigned kind = 1; kind < STORE_KINDS; kind++) {
        int last = last_of(kind, n);
        bool old = last < 0 ? empty(kind) : holds((unsigned)last);
        bool new = save_number(n).kind == kind && holds(n);
        assert_true(old || new);
    }
}

static void test_newest_is_found_again(void **state) {
    (void)state;
    fake_flash_new();
    assert_true(store_open());
    for (unsigned n = 0; n < 2000; n++) {
        assert_true(save(n));
        assert_true(holds(n));
        if (n % 7 == 0) {
            assert_true(store_open());
        }
        assert_old_or_new(n + 1);
    }
}

static void test_power_cut_at_every_step(void **state) {
    static uint8_t before[FAKE_FLASH_BYTES];
    unsigned cuts = 0;
    (void)state;
    fake_flash_new();
    for (unsigned n = 0; n < SAVES; n++) {
        memcpy(before, fake_flash, sizeof before);
        bool done = false;
        for (long steps = 1; !done; steps++) {
            for (unsigned tear = 0; tear < TEARS; tear++) {
                memcpy(fake_flash, before, sizeof before);
                fake_noise = (uint32_t)steps * TEARS + tear;
                assert_true(store_open());
                fake_steps_left = steps;
                done = save(n);
                fake_steps_left = -1;
                assert_true(store_open());
                assert_old_or_new(n);
                assert_true(!done || holds(n));
                assert_true(save(n) && holds(n));  // and it goes on
                cuts++;
            }
        }
        memcpy(fake_flash, before, sizeof before);
        assert_true(store_open() && save(n));
    }
    print_message("%u power cuts\n", cuts);
}

// The power fails again and again while the node tries to save: nothing wears away.
static void test_many_cuts_in_a_row(void **state) {
    (void)state;
    fake_flash_new();
    assert_true(store_open());
    unsigned n = 0;
    for (; n < 8; n++) {
        assert_true(save(n));
    }
    for (unsigned cut = 0; cut < 5000; cut++) {
        fake_noise = cut;
        fake_steps_left = 1 + cut % 977;
        bool done = save(n);
        fake_steps_left = -1;
        assert_true(store_open());
        assert_old_or_new(n);
        n += done || holds(n);
    }
}

// The chip fails for a moment, without a reset: the next save does not build upon what was half written.
static void test_a_write_that_fails(void **state) {
    (void)state;
    for (long steps = 1; steps < 400; steps++) {
        fake_flash_new();
        fake_noise = (uint32_t)steps;
        assert_true(store_open() && save(0) && save(1));
        fake_steps_left = steps;
        bool done = save(6);
        fake_steps_left = -1;
        assert_true(holds(done ? 6 : 0) && holds(1));
        assert_true(save(2) && save(6) && holds(1) && holds(2) && holds(6));
        assert_true(store_open() && holds(1) && holds(2) && holds(6));
    }
}

static void test_refused_or_absent(void **state) {
    uint8_t data[STORE_RECORD_MAX + 1] = {0};
    (void)state;
    fake_flash_new();
    assert_true(store_open());
    assert_false(store_load(STORE_ENERGY, data, 8));
    assert_false(store_save(STORE_ENERGY, data, 0));
    assert_false(store_save(STORE_ENERGY, data, STORE_RECORD_MAX + 1));
    assert_true(store_save(STORE_ENERGY, data, 8));
    assert_false(store_load(STORE_ENERGY, data, 7));
    assert_false(store_load(STORE_ENERGY, data, 9));
}

// A chip that does not answer when it is looked for, and then does, is not written to.
static void test_a_chip_that_was_not_found(void **state) {
    static uint8_t before[FAKE_FLASH_BYTES];
    (void)state;
    fake_flash_new();
    assert_true(store_open() && save(0) && save(1));
    memcpy(before, fake_flash, sizeof before);
    fake_absent = true;
    assert_false(store_open());
    assert_false(save(2) || save(6) || holds(0));
    assert_memory_equal(fake_flash, before, sizeof before);
    fake_absent = false;
    assert_true(store_open() && holds(0) && holds(1));
}

// A chip that is full of something else, and one whose newest record has lost a bit.
static void test_garbage_is_no_record(void **state) {
    uint8_t data[8] = {0};
    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        fake_noise = seed;
        for (unsigned i = 0; i < sizeof fake_flash; i++) {
            fake_flash[i] = seed ? fake_noise_byte() : 0;
        }
        assert_true(store_open());
        for (unsigned kind = 1; kind < STORE_KINDS; kind++) {
            assert_true(empty(kind));
        }
        assert_true(save(1) && holds(1));
    }
    fake_flash_new();
    assert_true(store_open() && save(0) && save(1));
    memset(data, 9, sizeof data);
    assert_true(store_save(STORE_ENERGY, data, sizeof data));
    fake_flash[FLASH_SECTOR_BYTES + 12 + 108 + 16 + 10] ^= 1;
    assert_true(store_open() && holds(1) && holds(0));
}

static void test_wear(void **state) {
    (void)state;
    fake_flash_new();
    assert_true(store_open());
    for (unsigned n = 0; n < 10000; n++) {
        uint64_t energy_mj = n;
        assert_true(store_save(STORE_ENERGY, &energy_mj, sizeof energy_mj));
    }
    // 16 bytes a record, 255 to a sector.
    assert_in_range(fake_erases, 1, 10000 / 250);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_is_found_again),
        cmocka_unit_test(test_power_cut_at_every_step),
        cmocka_unit_test(test_many_cuts_in_a_row),
        cmocka_unit_test(test_a_write_that_fails),
        cmocka_unit_test(test_a_chip_that_was_not_found),
        cmocka_unit_test(test_refused_or_absent),
        cmocka_unit_test(test_garbage_is_no_record),
        cmocka_unit_test(test_wear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
