// needs: sense.c settings.c events.c
// A pass over the chips: each channel has a calibrated value or none, and a chip that goes or comes is told.
#include "cases.h"
#include "sense.h"
#include "words.h"

enum { GONE = NO_VALUE };

static const struct chip_reading all_well[CHIPS] = {
    [CHIP_TMP105] = {true, {21000}},
    [CHIP_EMC1413] = {true, {22000, 23000, 24000}},
    [CHIP_ADM1272] = {true, {48000, 12000, 9000, 110000}},
    [CHIP_MAX31785] = {true, {3000, 0}},
};

static struct settings settings;
static struct events events;
static struct measurement measurement;

static void begin(void) {
    settings_defaults(&settings);
    memset(&events, 0, sizeof events);
    memset(&measurement, 0, sizeof measurement);
}

static const struct pass {
    const char *name;
    uint32_t silent;  // bit n: chip n does not answer
    bool diode_open;  // remote diode 2
    uint32_t valid;
    int32_t value[CHANNELS];
} passes[] = {
    {"all well", 0, false, 0x3FF, {21000, 22000, 23000, 24000, 48000, 12000, 9000, 110000, 3000, 0}},
    {"a diode open", 0, true, 0x3F7, {21000, 22000, 23000, GONE, 48000, 12000, 9000, 110000, 3000, 0}},
    {"no TMP105", 1, false, 0x3FE, {GONE, 22000, 23000, 24000, 48000, 12000, 9000, 110000, 3000, 0}},
    {"no EMC1413", 2, false, 0x3F1, {21000, GONE, GONE, GONE, 48000, 12000, 9000, 110000, 3000, 0}},
    {"no ADM1272", 4, false, 0x30F, {21000, 22000, 23000, 24000, GONE, GONE, GONE, GONE, 3000, 0}},
    {"no MAX31785", 8, false, 0x0FF, {21000, 22000, 23000, 24000, 48000, 12000, 9000, 110000, GONE, GONE}},
    {"nothing", 15, false, 0, {GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE}},
};

static void read_chips(const struct pass *pass, struct chip_reading readings[CHIPS]) {
    memcpy(readings, all_well, sizeof all_well);
    for (unsigned chip = 0; chip < CHIPS; chip++) {
        readings[chip].answered = !(pass->silent >> chip & 1);
    }
    if (pass->diode_open) {
        readings[CHIP_EMC1413].value[2] = NO_VALUE;
    }
}

static void test_pass(void **state) {
    const struct pass *row = *state;
    struct chip_reading readings[CHIPS];
    begin();
    measure(&measurement, all_well, &settings, 1, &events);  // nothing of it may be left
    read_chips(row, readings);
    measure(&measurement, readings, &settings, 0x100000000, &events);
    assert_int_equal(measurement.sequence, 2);
    assert_true(measurement.measured_ms == 0x100000000);
    assert_int_equal(measurement.valid, row->valid);
    for (unsigned i = 0; i < CHANNELS; i++) {
        assert_int_equal(measurement.value[i], row->value[i]);
        assert_int_equal(channel_valid(&measurement, (enum channel)i), row->value[i] != NO_VALUE);
    }
    assert_int_equal(measurement.lost_chips, row->silent);
    uint32_t told = 0;
    for (unsigned chip = 0; chip < CHIPS; chip++) {
        bool silent = row->silent >> chip & 1;
        assert_int_equal(measurement.i2c_errors[chip], silent);
        if (silent) {
            const struct event *event = events_at(&events, told++);
            assert_int_equal(event->code, EVENT_CODE_SENSOR_LOST);
            assert_int_equal(event->detail, chip);
        }
    }
    assert_int_equal(events.last, told);
}

static void test_lost_and_back(void **state) {
    static const char *const passes_of_fans = "++--+--";
    static const uint16_t codes[] = {EVENT_CODE_SENSOR_LOST, EVENT_CODE_SENSOR_BACK, EVENT_CODE_SENSOR_LOST};
    struct chip_reading readings[CHIPS];
    (void)state;
    begin();
    memcpy(readings, all_well, sizeof all_well);
    for (unsigned i = 0; passes_of_fans[i]; i++) {
        readings[CHIP_MAX31785].answered = passes_of_fans[i] == '+';
        measure(&measurement, readings, &settings, 100 * i, &events);
    }
    assert_int_equal(measurement.i2c_errors[CHIP_MAX31785], 4);
    assert_int_equal(events.last, COUNT(codes));
    for (unsigned i = 0; i < COUNT(codes); i++) {
        assert_int_equal(events_at(&events, i)->code, codes[i]);
        assert_int_equal(events_at(&events, i)->detail, CHIP_MAX31785);
    }
}

static void test_calibration_is_of_the_channel(void **state) {
    uint16_t words[2];
    (void)state;
    begin();
    put_u32(words, (uint32_t)-1500);
    assert_true(calibration_write(&settings, CALIBRATION_TEMPERATURE_OUTLET_OFFSET, 2, words));
    put_u32(words, 100000);
    assert_true(calibration_write(&settings, CALIBRATION_POWER_IN_GAIN, 2, words));
    measure(&measurement, all_well, &settings, 0, &events);
    assert_int_equal(measurement.value[CHANNEL_TEMPERATURE_OUTLET], 21500);
    assert_int_equal(measurement.value[CHANNEL_POWER_IN], 121000);
    assert_int_equal(measurement.value[CHANNEL_CURRENT_OUT], 9000);
}

int main(void) {
    ROWS(test_pass, passes)
    TEST(test_lost_and_back);
    TEST(test_calibration_is_of_the_channel);
    return RUN_TESTS();
}
