// needs: energy.c
// Energy against closed forms; over gaps, with power that flows back, and over a very long time.
#include "cases.h"
#include "energy.h"

// Passes of a length, each with the next of the powers in turn; the energy that they make.
static const struct row {
    const char *name;
    unsigned passes;
    uint64_t pass_ms;
    int32_t powers_mw[4];
    unsigned powers;
    uint64_t total_mj;
    uint32_t rest_uj;
} rows[] = {
    {"the first pass adds nothing", 1, 100, {1000}, 1, 0, 0},
    {"1 W for 1 s", 11, 100, {1000}, 1, 1000, 0},
    {"1 kW for an hour", 36001, 100, {1000000}, 1, 3600000000, 0},
    {"a ramp is a trapezoid", 2, 100, {1000, 3000}, 2, 200, 0},
    {"a triangle", 3, 500, {0, 1000, 0}, 3, 500, 0},
    {"a saw-tooth over 1000 s", 10001, 100, {0, 2000}, 2, 1000000, 0},
    {"1 mW for 1 s is 1 mJ, carried", 11, 100, {1}, 1, 1, 0},
    {"less than 1 mJ is carried", 10, 100, {1}, 1, 0, 900},
    {"3 mW, each 7 ms", 1001, 7, {3}, 1, 21, 0},
    {"half a mW for 2 s", 3, 1000, {0, 1}, 2, 1, 0},
    {"nothing", 100, 100, {0}, 1, 0, 0},
    {"back", 100, 100, {-5000}, 1, 0, 0},
    {"more in than out", 3, 100, {3000, -1000}, 2, 200, 0},
    {"as much in as out", 101, 100, {1000, -1000}, 2, 0, 0},
    {"a pass of exactly one second", 3, 1000, {1000}, 1, 2000, 0},
    {"passes that are too far apart", 3, 1001, {1000}, 1, 0, 0},
    {"passes at the same moment", 3, 0, {1000}, 1, 0, 0},
    {"as much as 32 bits hold", 3, 1000, {INT32_MAX}, 1, 2u * (uint64_t)INT32_MAX, 0},
    {"as little", 3, 1000, {-INT32_MAX}, 1, 0, 0},
};

static void test_row(void **state) {
    const struct row *row = *state;
    static const uint64_t starts[] = {0, UINT32_MAX - 500u};
    for (unsigned start = 0; start < COUNT(starts); start++) {
        struct energy energy = {0};
        uint64_t before = 0;
        for (unsigned i = 0; i < row->passes; i++) {
            energy_add(&energy, true, row->powers_mw[i % row->powers], starts[start] + i * row->pass_ms);
            assert_true(energy.total_mj >= before);
            before = energy.total_mj;
        }
        assert_int_equal(energy.total_mj, row->total_mj);
        assert_int_equal(energy.rest_uj, row->rest_uj);
    }
}

static void test_gap(void **state) {
    struct energy energy = {0};
    (void)state;
    energy_add(&energy, true, 1000, 0);
    energy_add(&energy, true, 1000, 100);
    energy_add(&energy, false, INT32_MIN, 200);
    energy_add(&energy, true, 1000, 300);  // what flowed while nobody looked is not known
    assert_int_equal(energy.total_mj, 100);
    energy_add(&energy, true, 1000, 400);
    assert_int_equal(energy.total_mj, 200);
}

static void test_goes_on_from_what_was_kept(void **state) {
    struct energy energy = {.total_mj = 0xFFFFFFFFFF};
    (void)state;
    energy_add(&energy, true, 1000, 50000);
    assert_true(energy.total_mj == 0xFFFFFFFFFF);
    energy_add(&energy, true, 1000, 50100);
    assert_true(energy.total_mj == 0xFFFFFFFFFF + 100);
}

// Uneven passes over a power that changes: within a part in a million of the sum in floating point.
static void test_against_floating_point(void **state) {
    struct energy energy = {0};
    uint32_t seed = 7;
    uint64_t now_ms = 0;
    double sum_uj = 0, last_mw = 0;
    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint64_t gap_ms = 20 + (seed >> 8) % 300;
        int32_t power_mw = (int32_t)(seed % 2000000);
        now_ms += gap_ms;
        energy_add(&energy, true, power_mw, now_ms);
        sum_uj += i ? (last_mw + power_mw) / 2 * (double)gap_ms : 0;
        last_mw = power_mw;
    }
    double found_uj = (double)energy.total_mj * 1000 + energy.rest_uj;
    assert_true(found_uj <= sum_uj && found_uj > sum_uj * (1 - 1e-6));
}

int main(void) {
    ROWS(test_row, rows)
    TEST(test_gap);
    TEST(test_goes_on_from_what_was_kept);
    TEST(test_against_floating_point);
    return RUN_TESTS();
}
