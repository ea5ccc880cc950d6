#include "outputs.h"

#include <string.h>

#include "words.h"

static const uint16_t maxima[OUTPUTS] = OUTPUT_MAXIMA;

enum { WORDS_EACH = SETPOINTS_WORDS / OUTPUTS, LEASE = 1 };  // a setpoint, then its lease

static bool is_relay(unsigned output) {
    return output <= OUTPUT_RELAY2;
}

static bool is_fan(unsigned output) {
    return output == OUTPUT_FAN1 || output == OUTPUT_FAN2;
}

void outputs_init(struct outputs *outputs, uint32_t relays) {
    *outputs = (struct outputs){0};
    for (unsigned i = OUTPUT_RELAY1; i <= OUTPUT_RELAY2; i++) {
        outputs->of[i].effective = relays >> i & 1;
    }
}

uint32_t lease_left_ms(const struct output *output, uint64_t now_ms) {
    return output->lease_ends_ms > now_ms ? (uint32_t)(output->lease_ends_ms - now_ms) : 0;
}

void outputs_read(const struct outputs *outputs, uint64_t now_ms, uint16_t words[SETPOINTS_WORDS]) {
    for (unsigned i = 0; i < OUTPUTS; i++, words += WORDS_EACH) {
        words[0] = outputs->of[i].setpoint;
        put_u32(words + LEASE, lease_left_ms(&outputs->of[i], now_ms));
    }
}

void outputs_release(struct outputs *outputs) {
    for (unsigned i = 0; i < OUTPUTS; i++) {
        outputs->of[i].lease_ends_ms = 0;
    }
}

static bool in_range(const uint16_t words[SETPOINTS_WORDS]) {
    for (unsigned i = 0; i < OUTPUTS; i++, words += WORDS_EACH) {
        if (words[0] > maxima[i] || get_u32(words + LEASE) > LEASE_MAX_MS) {
            return false;
        }
    }
    return true;
}

bool outputs_write(struct outputs *outputs, uint64_t now_ms, uint16_t offset, uint16_t count,
                   const uint16_t *words) {
    uint16_t draft[SETPOINTS_WORDS];
    outputs_read(outputs, now_ms, draft);
    memcpy(draft + offset, words, count * sizeof *words);
    if (!in_range(draft)) {
        return false;
    }
    for (unsigned i = 0; i < OUTPUTS; i++) {
        const uint16_t *own = draft + i * WORDS_EACH;
        unsigned lease = i * WORDS_EACH + LEASE;
        outputs->of[i].setpoint = own[0];
        // Only a lease that was written begins anew; its neighbours run on to the millisecond.
        if (offset < lease + 2u && lease < offset + (unsigned)count) {
            uint32_t left_ms = get_u32(own + LEASE);
            outputs->of[i].lease_ends_ms = left_ms ? now_ms + left_ms : 0;
        }
    }
    return true;
}

static uint16_t safe_relay(uint16_t state, uint16_t now) {
    return state == SAFE_STATE_HOLD ? now : state;
}

static uint16_t safe_value(const struct settings *settings, unsigned output, uint16_t now) {
    const uint16_t *config = settings->config;
    switch (output) {
    case OUTPUT_RELAY1:
        return safe_relay(config[CONFIG_SAFE_RELAY1], now);
    case OUTPUT_RELAY2:
        return safe_relay(config[CONFIG_SAFE_RELAY2], now);
    case OUTPUT_FAN1:
        return config[CONFIG_SAFE_FAN1];
    case OUTPUT_FAN2:
        return config[CONFIG_SAFE_FAN2];
    default:
        return config[CONFIG_SAFE_POWER_LIMIT];
    }
}

static void decide(struct output *output, unsigned i, const struct settings *settings,
                   struct overrides overrides) {
    bool sheds = is_relay(i) && (settings->config[CONFIG_SHED_RELAYS] >> i & 1);
    if (overrides.guard && (sheds || is_fan(i))) {
        output->effective = is_fan(i) ? maxima[i] : 0;
        output->source = SOURCE_GUARD;
    } else if (overrides.blind && is_relay(i)) {
        output->source = SOURCE_SAFE;
    } else if (overrides.shed && sheds) {
        output->effective = 0;
        output->source = SOURCE_SHED;
    } else if (output->lease_ends_ms) {
        output->effective = output->setpoint;
        output->source = SOURCE_LEASE;
    } else {
        output->effective = safe_value(settings, i, output->effective);
        output->source = SOURCE_SAFE;
    }
}

void outputs_update(struct outputs *outputs, const struct settings *settings, uint64_t now_ms,
                    struct overrides overrides, struct events *events) {
    for (unsigned i = 0; i < OUTPUTS; i++) {
        struct output *output = &outputs->of[i];
        if (output->lease_ends_ms && output->lease_ends_ms <= now_ms) {
            output->lease_ends_ms = 0;
            events_add(events, now_ms, EVENT_CODE_LEASE_EXPIRED, (int32_t)i);
        }
        decide(output, i, settings, overrides);
    }
}
