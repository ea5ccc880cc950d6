#include "settings.h"

#include <string.h>

#include "words.h"

static const struct rule config_rules[] = {CONFIG_RULES};
static const struct rule calibration_rules[] = {CALIBRATION_RULES};

enum {
    CONFIG_COUNT = sizeof config_rules / sizeof config_rules[0],
    CALIBRATION_COUNT = sizeof calibration_rules / sizeof calibration_rules[0],
    BLOCK_MAX = CALIBRATION_WORDS > CONFIG_WORDS ? CALIBRATION_WORDS : CONFIG_WORDS,
    MILLION = 1000000,
};

static int64_t value_of(const struct rule *rule, const uint16_t *block) {
    const uint16_t *words = block + rule->offset;
    if (rule->words == 1) {
        return rule->is_signed ? (int16_t)words[0] : words[0];
    }
    return rule->is_signed ? get_i32(words) : (int64_t)get_u32(words);
}

static void set_defaults(const struct rule *rules, unsigned count, uint16_t *block) {
    for (unsigned i = 0; i < count; i++) {
        uint16_t *words = block + rules[i].offset;
        if (rules[i].words == 1) {
            words[0] = (uint16_t)rules[i].standard;
        } else {
            put_u32(words, (uint32_t)rules[i].standard);
        }
    }
}

static bool all_valid(const struct rule *rules, unsigned count, const uint16_t *block) {
    for (unsigned i = 0; i < count; i++) {
        int64_t value = value_of(&rules[i], block);
        if (value < rules[i].minimum || value > rules[i].maximum) {
            return false;
        }
    }
    return true;
}

void settings_defaults(struct settings *settings) {
    settings->version = MAP_VERSION;
    set_defaults(config_rules, CONFIG_COUNT, settings->config);
    set_defaults(calibration_rules, CALIBRATION_COUNT, settings->calibration);
}

bool settings_valid(const struct settings *settings) {
    return settings->version == MAP_VERSION && all_valid(config_rules, CONFIG_COUNT, settings->config) &&
           all_valid(calibration_rules, CALIBRATION_COUNT, settings->calibration);
}

// Try on a copy, keep it if every rule is kept. `words_all`: the length of the block, at most BLOCK_MAX.
static bool write_block(const struct rule *rules, unsigned rule_count, uint16_t *block, size_t words_all,
                        uint16_t offset, uint16_t count, const uint16_t *words) {
    uint16_t draft[BLOCK_MAX];
    memcpy(draft, block, words_all * sizeof *block);
    memcpy(draft + offset, words, count * sizeof *words);
    if (!all_valid(rules, rule_count, draft)) {
        return false;
    }
    memcpy(block, draft, words_all * sizeof *block);
    return true;
}

bool config_write(struct settings *settings, uint16_t offset, uint16_t count, const uint16_t *words) {
    return write_block(config_rules, CONFIG_COUNT, settings->config, CONFIG_WORDS, offset, count, words);
}

bool calibration_write(struct settings *settings, uint16_t offset, uint16_t count, const uint16_t *words) {
    return write_block(calibration_rules, CALIBRATION_COUNT, settings->calibration, CALIBRATION_WORDS, offset,
                       count, words);
}

int32_t calibrated(const struct settings *settings, enum channel channel, int32_t measured) {
    const uint16_t *words = settings->calibration + 4 * channel;  // gain and offset, two registers each
    int64_t gained = (int64_t)measured * get_i32(words);
    gained = (gained + (gained < 0 ? -MILLION / 2 : MILLION / 2)) / MILLION;
    int64_t value = measured + gained + get_i32(words + 2);
    if (value > INT32_MAX) {
        return INT32_MAX;
    }
    return value <= NO_VALUE ? NO_VALUE + 1 : (int32_t)value;
}
