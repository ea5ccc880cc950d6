#include "sense.h"

// Which channels a chip gives, in the order of its readings.
static const struct {
    uint8_t first, count;
} channels_of[CHIPS] = {
    [CHIP_TMP105] = {CHANNEL_TEMPERATURE_BOARD, 1},
    [CHIP_EMC1413] = {CHANNEL_TEMPERATURE_INLET, 3},
    [CHIP_ADM1272] = {CHANNEL_VOLTAGE_IN, 4},
    [CHIP_MAX31785] = {CHANNEL_SPEED_FAN1, 2},
};

bool channel_valid(const struct measurement *measurement, enum channel channel) {
    return measurement->valid >> channel & 1;
}

static void take_values(struct measurement *measurement, unsigned chip, const struct chip_reading *reading,
                        const struct settings *settings) {
    for (unsigned i = 0; i < channels_of[chip].count; i++) {
        unsigned channel = channels_of[chip].first + i;
        bool there = reading->answered && reading->value[i] != NO_VALUE;
        measurement->value[channel] =
            there ? calibrated(settings, (enum channel)channel, reading->value[i]) : NO_VALUE;
        measurement->valid |= (uint32_t)there << channel;
    }
}

static void note_health(struct measurement *measurement, unsigned chip, bool answered, uint64_t now_ms,
                        struct events *events) {
    uint16_t bit = (uint16_t)(1u << chip);
    bool was_lost = measurement->lost_chips & bit;
    if (!answered) {
        measurement->i2c_errors[chip]++;
        measurement->lost_chips |= bit;
    } else {
        measurement->lost_chips &= (uint16_t)~bit;
    }
    if (was_lost == answered) {
        events_add(events, now_ms, answered ? EVENT_CODE_SENSOR_BACK : EVENT_CODE_SENSOR_LOST, (int32_t)chip);
    }
}

void measure(struct measurement *measurement, const struct chip_reading readings[CHIPS],
             const struct settings *settings, uint64_t now_ms, struct events *events) {
    measurement->sequence++;
    measurement->measured_ms = now_ms;
    measurement->valid = 0;
    for (unsigned chip = 0; chip < CHIPS; chip++) {
        take_values(measurement, chip, &readings[chip], settings);
        note_health(measurement, chip, readings[chip].answered, now_ms, events);
    }
}
