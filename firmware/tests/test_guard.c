// needs: guard.c sense.c settings.c outputs.c events.c
// The guard and the shedding of load, as series of passes: what is measured, and what follows from it.
#include "cases.h"
#include "guard.h"

enum { PASS_MS = 100 };

static struct settings settings;
static struct outputs outputs;
static struct events events;
static struct measurement measurement;
static struct guard guard;
static uint64_t now_ms;

static void begin(void) {
    settings_defaults(&settings);
    outputs_init(&outputs, 0);
    memset(&events, 0, sizeof events);
    memset(&guard, 0, sizeof guard);
    memset(&measurement, 0, sizeof measurement);
    outputs.of[OUTPUT_POWER_LIMIT].effective = NO_LIMIT_W;
    now_ms = UINT32_MAX - 1000u;  // 32 bits are not enough for what follows
    for (unsigned i = 0; i < CHANNELS; i++) {
        measurement.value[i] = NO_VALUE;
    }
    measurement.value[CHANNEL_VOLTAGE_IN] = 99000;  // no temperature
    measurement.valid = 1u << CHANNEL_VOLTAGE_IN;
}

static void see(enum channel channel, int32_t value) {
    measurement.value[channel] = value;
    measurement.valid = (measurement.valid & ~(1u << channel)) | (unsigned)(value != NO_VALUE) << channel;
}

static void pass(void) {
    now_ms += PASS_MS;
    guard_judge(&guard, &measurement, &outputs, &settings, now_ms, &events);
}

static const struct event *newest(void) {
    return events_at(&events, events.last ? (events.last < EVENTS ? events.last : EVENTS) - 1 : 0);
}

enum { GONE = NO_VALUE, END = INT32_MAX, PASSES = 8 };

// Temperatures of two channels, in thousandths of a degree, and in which passes the guard acts (85 degrees).
static const struct heat {
    const char *name;
    int32_t board[PASSES], outlet[PASSES];
    const char *acts;     // by pass
    const char *blind;
    uint32_t events;
} heats[] = {
    {"cool", {20000, 84999, END}, {20000, 84999}, "--", "--", 0},
    {"at the limit", {20000, 85000, END}, {20000, 20000}, "-G", "--", 1},
    {"any channel", {20000, 20000, END}, {20000, 85000}, "-G", "--", 1},
    {"ends under 80 degrees", {85000, 84999, 80000, 79999, END}, {GONE, GONE, GONE, GONE}, "GGG-", "----", 2},
    {"does not begin again there", {85000, 79999, 80000, 84999, 85000, END}, {GONE, GONE, GONE, GONE, GONE},
     "G---G", "-----", 3},
    {"the cool one does not end it", {20000, 20000, 20000, END}, {90000, 82000, 79000}, "GG-", "---", 2},
    {"blind", {20000, GONE, GONE, END}, {20000, GONE, GONE}, "-GG", "-BB", 1},
    {"blind from the start", {GONE, GONE, END}, {GONE, GONE}, "GG", "BB", 1},
    {"sees again", {GONE, GONE, END}, {GONE, 20000}, "G-", "B-", 2},
    {"half blind", {20000, GONE, END}, {20000, 20000}, "--", "--", 0},
    {"blind while hot", {86000, GONE, 83000, 79000, END}, {GONE, GONE, GONE, GONE}, "GGG-", "-B--", 2},
    {"the hot one is lost", {20000, 20000, 20000, 20000, END}, {90000, GONE, GONE, 79000}, "GGG-", "----", 2},
    {"below zero", {-55000, -40000, END}, {GONE, GONE}, "--", "--", 0},
};

static void test_heat(void **state) {
    const struct heat *row = *state;
    begin();
    for (unsigned i = 0; row->board[i] != END; i++) {
        see(CHANNEL_TEMPERATURE_BOARD, row->board[i]);
        see(CHANNEL_TEMPERATURE_OUTLET, row->outlet[i]);
        pass();
        assert_int_equal(guard.active, row->acts[i] == 'G');
        assert_int_equal((guard.alarms & ALARM_NO_TEMPERATURE) != 0, row->blind[i] == 'B');
        assert_true(guard.active == ((guard.alarms & (ALARM_OVER_TEMPERATURE | ALARM_NO_TEMPERATURE)) != 0));
    }
    assert_int_equal(events.last, row->events);
    if (row->events) {
        assert_int_equal(newest()->code, guard.active ? EVENT_CODE_GUARD_BEGAN : EVENT_CODE_GUARD_ENDED);
    }
}

static void test_limit_below_zero(void **state) {
    (void)state;
    begin();
    settings.config[CONFIG_GUARD_TEMPERATURE] = (uint16_t)-40;
    see(CHANNEL_TEMPERATURE_COOLANT, -40001);
    pass();
    assert_false(guard.active);
    see(CHANNEL_TEMPERATURE_COOLANT, -40000);
    pass();
    assert_true(guard.active);
    assert_int_equal(newest()->detail, ALARM_OVER_TEMPERATURE);
}

// Input power in W and the limit, by pass; the shed delay is 300 ms.
enum { NO_LIMIT = NO_LIMIT_W };
static const struct power {
    const char *name;
    int32_t power_w[PASSES];
    uint16_t limit_w[PASSES];
    const char *sheds;
} powers[] = {
    {"no limit", {60000, 60000, END}, {NO_LIMIT, NO_LIMIT}, "--"},
    {"at the limit", {500, 500, 500, 500, 500, END}, {500, 500, 500, 500, 500}, "-----"},
    {"over it for long enough", {501, 501, 501, 501, END}, {500, 500, 500, 500}, "---S"},
    {"over it twice, too short", {501, 501, 501, 500, 501, 501, END}, {500, 500, 500, 500, 500, 500},
     "------"},
    {"stays shed though the power falls", {600, 600, 600, 600, 10, 10, END}, {500, 500, 500, 500, 500, 500},
     "---SSS"},
    {"a higher limit that is not enough", {600, 600, 600, 600, 10, 10, END}, {500, 500, 500, 500, 599, 599},
     "---SSS"},
    {"a limit that lets in what was shed", {600, 600, 600, 600, 10, 10, END}, {500, 500, 500, 500, 600, 600},
     "---S--"},
    {"no limit any more", {600, 600, 600, 600, 10, END}, {500, 500, 500, 500, NO_LIMIT}, "---S-"},
    {"more power by now: no relay moves", {600, 600, 600, 600, 900, 900, END}, {500, 500, 500, 500, 700, 700},
     "---SSS"},
    {"a limit of nothing", {1, 1, 1, 1, END}, {0, 0, 0, 0}, "---S"},
    {"a limit that comes late", {600, 600, 600, 600, 600, END}, {NO_LIMIT, 500, 500, 500, 500}, "----S"},
    {"a gap ends no excess", {600, GONE, 600, GONE, 600, END}, {500, 500, 500, 500, 500}, "----S"},
    {"nothing is shed unseen", {600, GONE, GONE, GONE, GONE, END}, {500, 500, 500, 500, 500}, "-----"},
    {"never seen", {GONE, GONE, GONE, GONE, END}, {0, 0, 0, 0}, "----"},
    {"power that flows back", {-600, -600, -600, -600, END}, {0, 0, 0, 0}, "----"},
};

static void test_power(void **state) {
    const struct power *row = *state;
    begin();
    settings.config[CONFIG_SHED_DELAY_MS] = 300;
    see(CHANNEL_TEMPERATURE_BOARD, 20000);
    for (unsigned i = 0; row->power_w[i] != END; i++) {
        see(CHANNEL_POWER_IN, row->power_w[i] == GONE ? GONE : row->power_w[i] * 1000);
        outputs.of[OUTPUT_POWER_LIMIT].effective = row->limit_w[i];
        pass();
        assert_int_equal(guard.shed, row->sheds[i] == 'S');
        assert_int_equal((guard.alarms & ALARM_OVER_POWER) != 0, row->sheds[i] == 'S');
        assert_false(guard.active);
    }
}

static void test_shed_at_once(void **state) {
    (void)state;
    begin();
    settings.config[CONFIG_SHED_DELAY_MS] = 0;
    outputs.of[OUTPUT_POWER_LIMIT].effective = 500;
    see(CHANNEL_TEMPERATURE_BOARD, 20000);
    see(CHANNEL_POWER_IN, 500001);
    pass();
    assert_true(guard.shed);
    assert_int_equal(newest()->code, EVENT_CODE_SHED_BEGAN);
    assert_int_equal(newest()->detail, 500);
    outputs.of[OUTPUT_POWER_LIMIT].effective = 501;
    see(CHANNEL_POWER_IN, 0);
    pass();
    assert_false(guard.shed);
    assert_int_equal(newest()->code, EVENT_CODE_SHED_ENDED);
    assert_int_equal(newest()->detail, 501);
}

// So many passes with a fan at this duty and speed; 20 slow ones in a row are a stall.
static const struct fan {
    const char *name;
    struct {
        unsigned passes;
        uint16_t duty;
        int32_t speed_rpm;
        bool stalled;  // at their end
    } series[4];
} fans[] = {
    {"turns", {{40, 10000, 100, false}}},
    {"stalls", {{19, 10000, 99, false}, {1, 10000, 99, true}}},
    {"starts in time", {{19, 10000, 0, false}, {1, 10000, 100, false}, {19, 10000, 0, false}}},
    {"is not driven", {{40, 1999, 0, false}}},
    {"is driven just so, and stands on", {{20, 2000, 0, true}, {20, 2000, 0, true}}},
    {"turns again", {{20, 5000, 0, true}, {1, 5000, 3000, false}}},
    {"is stopped", {{20, 5000, 0, true}, {1, 0, 0, false}}},
    {"is not seen: nothing is known", {{40, 5000, GONE, false}}},
    {"is lost while it stands", {{20, 5000, 0, true}, {20, 5000, GONE, true}, {1, 5000, 3000, false}}},
    {"is seen in between", {{19, 5000, 0, false}, {5, 5000, GONE, false}, {1, 5000, 0, true}}},
};

static void test_fan(void **state) {
    const struct fan *row = *state;
    for (unsigned fan = 0; fan < 2; fan++) {
        uint32_t told = 0;
        bool was = false;
        begin();
        see(CHANNEL_TEMPERATURE_BOARD, 20000);
        for (unsigned i = 0; i < COUNT(row->series) && row->series[i].passes; i++) {
            outputs.of[OUTPUT_FAN1 + fan].effective = row->series[i].duty;
            see((enum channel)(CHANNEL_SPEED_FAN1 + fan), row->series[i].speed_rpm);
            for (unsigned n = 0; n < row->series[i].passes; n++) {
                pass();
            }
            assert_int_equal(guard.stalled, (unsigned)row->series[i].stalled << fan);
            assert_int_equal((guard.alarms & ALARM_FAN_STALLED) != 0, row->series[i].stalled);
            told += row->series[i].stalled != was;
            was = row->series[i].stalled;
            assert_int_equal(events.last, told);
        }
        if (told) {
            assert_int_equal(newest()->code, was ? EVENT_CODE_FAN_STALLED : EVENT_CODE_FAN_TURNS);
            assert_int_equal(newest()->detail, fan + 1);
        }
        assert_false(guard.active);  // a fan that stands is told; the heat is what the guard acts on
    }
}

static void test_nothing_is_asked_of_fans(void **state) {
    (void)state;
    begin();
    settings.config[CONFIG_FAN_STALL_RPM] = 0;
    outputs.of[OUTPUT_FAN1].effective = 10000;
    see(CHANNEL_SPEED_FAN1, 0);
    for (unsigned i = 0; i < 100; i++) {
        pass();
    }
    assert_int_equal(guard.stalled, 0);
}

static void test_missing_chip(void **state) {
    (void)state;
    begin();
    see(CHANNEL_TEMPERATURE_BOARD, 20000);
    measurement.lost_chips = 1u << CHIP_MAX31785;
    pass();
    assert_int_equal(guard.alarms, ALARM_SENSOR_MISSING);
    assert_false(guard.active);
    measurement.lost_chips = 0;
    pass();
    assert_int_equal(guard.alarms, 0);
}

int main(void) {
    ROWS(test_heat, heats)
    ROWS(test_power, powers)
    ROWS(test_fan, fans)
    TEST(test_limit_below_zero);
    TEST(test_shed_at_once);
    TEST(test_nothing_is_asked_of_fans);
    TEST(test_missing_chip);
    return RUN_TESTS();
}
