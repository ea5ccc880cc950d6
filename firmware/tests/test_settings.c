// needs: settings.c
// What settings may be: each rule at its borders; and what calibration makes of a value.
#include "cases.h"
#include "settings.h"
#include "words.h"

static const struct rule config_rules[] = {CONFIG_RULES};
static const struct rule calibration_rules[] = {CALIBRATION_RULES};

static bool write_value(bool config, struct settings *settings, const struct rule *rule, int64_t value) {
    uint16_t words[2] = {(uint16_t)value};
    if (rule->words == 2) {
        put_u32(words, (uint32_t)value);
    }
    return config ? config_write(settings, rule->offset, rule->words, words)
                  : calibration_write(settings, rule->offset, rule->words, words);
}

// Whether the rule's register can hold the value at all.
static bool fits(const struct rule *rule, int64_t value) {
    int bits = 16 * rule->words;
    int64_t low = rule->is_signed ? -(1LL << (bits - 1)) : 0;
    return value >= low && value < low + (1LL << bits);
}

static void check_rule(bool config, const struct rule *rule) {
    const int64_t values[] = {rule->minimum - 1, rule->minimum, rule->standard, rule->maximum,
                              rule->maximum + 1};
    struct settings settings;
    for (unsigned i = 0; i < COUNT(values); i++) {
        if (!fits(rule, values[i])) {
            continue;
        }
        settings_defaults(&settings);
        bool allowed = i >= 1 && i <= 3;
        assert_int_equal(write_value(config, &settings, rule, values[i]), allowed);
        const uint16_t *block = config ? settings.config : settings.calibration;
        uint32_t held = rule->words == 2 ? get_u32(block + rule->offset) : block[rule->offset];
        uint32_t mask = rule->words == 2 ? UINT32_MAX : UINT16_MAX;
        assert_int_equal(held, (uint32_t)(allowed ? values[i] : rule->standard) & mask);
        assert_true(settings_valid(&settings));
    }
}

static void test_rules(void **state) {
    (void)state;
    for (unsigned i = 0; i < COUNT(config_rules); i++) {
        check_rule(true, &config_rules[i]);
    }
    for (unsigned i = 0; i < COUNT(calibration_rules); i++) {
        check_rule(false, &calibration_rules[i]);
    }
}

static void test_defaults(void **state) {
    struct settings settings;
    (void)state;
    memset(&settings, 0xFF, sizeof settings);
    settings_defaults(&settings);
    assert_true(settings_valid(&settings));
    assert_int_equal(settings.config[CONFIG_SLAVE_ID], 1);
    assert_int_equal(settings.config[CONFIG_SAFE_FAN1], 10000);
    assert_int_equal(settings.config[CONFIG_GUARD_TEMPERATURE], 85);
    for (unsigned i = 0; i < CALIBRATION_WORDS; i++) {
        assert_int_equal(settings.calibration[i], 0);
    }
}

// One word of what was stored is wrong: nothing of it is believed.
static void test_what_is_stored_is_judged(void **state) {
    struct settings settings;
    (void)state;
    settings_defaults(&settings);
    settings.version++;
    assert_false(settings_valid(&settings));
    for (unsigned i = 0; i < COUNT(config_rules); i++) {
        const struct rule *rule = &config_rules[i];
        settings_defaults(&settings);
        settings.config[rule->offset] = 0xFFFF;
        bool allowed = rule->is_signed || !fits(rule, rule->maximum + 1);  // -1 degree is a limit like others
        assert_int_equal(settings_valid(&settings), allowed);
    }
    settings_defaults(&settings);
    settings.calibration[CALIBRATION_WORDS - 2] = 0x7FFF;
    assert_false(settings_valid(&settings));
    memset(&settings, 0, sizeof settings);
    assert_false(settings_valid(&settings));
}

static void test_all_or_none(void **state) {
    struct settings settings, before;
    uint16_t words[CONFIG_WORDS];
    (void)state;
    settings_defaults(&settings);
    before = settings;
    memcpy(words, settings.config, sizeof words);
    words[CONFIG_SLAVE_ID] = 9;
    words[CONFIG_FAN_STALL_RPM] = 60001;
    assert_false(config_write(&settings, 0, CONFIG_WORDS, words));
    assert_memory_equal(&settings, &before, sizeof settings);
    words[CONFIG_FAN_STALL_RPM] = 60000;
    assert_true(config_write(&settings, 0, CONFIG_WORDS, words));
    assert_memory_equal(settings.config, words, sizeof words);
    assert_memory_equal(settings.calibration, before.calibration, sizeof before.calibration);
}

static const struct correction {
    const char *name;
    int32_t measured, gain, offset, value;
} corrections[] = {
    {"none", 12345, 0, 0, 12345},
    {"none below zero", -12345, 0, 0, -12345},
    {"offset", 1000, 0, -250, 750},
    {"gain", 10000, 500000, 0, 15000},
    {"negative gain", 10000, -500000, 0, 5000},
    {"both: gain first", 10000, 100000, 7, 11007},
    {"rounds down", 1499, 1000, 0, 1500},
    {"rounds half away from zero", 1500, 1000, 0, 1502},
    {"likewise below zero", -1500, 1000, 0, -1502},
    {"rounds a small part to nothing", 499, 1000, 0, 499},
    {"negative gain rounds half away", 1500, -1000, 0, 1498},
    {"the smallest gain", 1000000, 1, 0, 1000001},
    {"as much as there is", INT32_MAX, 500000, 1000000, INT32_MAX},
    {"as little: not taken for no value", INT32_MIN + 1, 500000, -1000000, INT32_MIN + 1},
    {"exactly no value is not met", -2146483648, 0, -1000000, INT32_MIN + 1},
    {"one above it is", -2146483647, 0, -1000000, INT32_MIN + 1},
};

static void test_correction(void **state) {
    const struct correction *row = *state;
    struct settings settings;
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        settings_defaults(&settings);
        uint16_t words[4];
        put_u32(words, (uint32_t)row->gain);
        put_u32(words + 2, (uint32_t)row->offset);
        assert_true(calibration_write(&settings, (uint16_t)(4 * channel), 4, words));
        assert_int_equal(calibrated(&settings, (enum channel)channel, row->measured), row->value);
        enum channel other = (enum channel)((channel + 1) % CHANNELS);
        assert_int_equal(calibrated(&settings, other, row->measured), row->measured);
    }
}

int main(void) {
    ROWS(test_correction, corrections)
    TEST(test_rules);
    TEST(test_defaults);
    TEST(test_what_is_stored_is_judged);
    TEST(test_all_or_none);
    return RUN_TESTS();
}
