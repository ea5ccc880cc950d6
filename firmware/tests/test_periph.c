// needs: periph_tmp105.c periph_emc1413.c periph_adm1272.c periph_max31785.c pmbus.c
// The chips' bytes and what they mean, from the data sheets' tables; and no value from a chip that is silent.
#include "fake_i2c.h"
#include "periph_adm1272.h"
#include "periph_emc1413.h"
#include "periph_max31785.h"
#include "periph_tmp105.h"
#include "pmbus.h"
#include "registers.h"

enum { BUS = 1, ADDRESS = 0x2A };

static struct fake_chip *chip;

static void begin(void) {
    fake_bus_new();
    chip = &fake_chips[0];
    chip->bus = BUS;
    chip->address = ADDRESS;
}

static void hold(uint8_t command, uint16_t little_endian) {
    chip->registers[0][command][0] = (uint8_t)little_endian;
    chip->registers[0][command][1] = (uint8_t)(little_endian >> 8);
}

// SBOS648, table 5: twelve bits of temperature.
static const struct tmp105 {
    const char *name;
    uint8_t high, low;
    int32_t temperature_mc;
} tmp105s[] = {
    {"TMP105 127.9375", 0x7F, 0xF0, 127937}, {"TMP105 100", 0x64, 0x00, 100000},
    {"TMP105 80", 0x50, 0x00, 80000},        {"TMP105 25", 0x19, 0x00, 25000},
    {"TMP105 0.25", 0x00, 0x40, 250},        {"TMP105 0", 0x00, 0x00, 0},
    {"TMP105 -0.25", 0xFF, 0xC0, -250},      {"TMP105 -25", 0xE7, 0x00, -25000},
    {"TMP105 -55", 0xC9, 0x00, -55000},      {"TMP105 -128", 0x80, 0x00, -128000},
};

static void test_tmp105(void **state) {
    const struct tmp105 *row = *state;
    int32_t temperature_mc;
    begin();
    assert_true(tmp105_init(BUS, ADDRESS));
    assert_int_equal(chip->registers[0][1][0], 0x60);  // twelve bits
    chip->registers[0][0][0] = row->high;
    chip->registers[0][0][1] = row->low;
    assert_true(tmp105_read(BUS, ADDRESS, &temperature_mc));
    assert_int_equal(temperature_mc, row->temperature_mc);
}

// DS20005274, temperature data format: eleven bits, and the diodes' faults.
static const struct emc1413 {
    const char *name;
    uint8_t high[3], low[3], faults;
    int32_t temperature_mc[3];
} emc1413s[] = {
    {"EMC1413 0 and up", {0, 0, 1}, {0, 0x20, 0}, 0, {0, 125, 1000}},
    {"EMC1413 middle", {64, 65, 20}, {0, 0xE0, 0x80}, 0, {64000, 65875, 20500}},
    {"EMC1413 most", {127, 127, 127}, {0xE0, 0xE0, 0xE0}, 0, {127875, 127875, 127875}},
    {"EMC1413 low bits that mean nothing", {25, 25, 25}, {0x1F, 0x3F, 0}, 0, {25000, 25125, 25000}},
    {"EMC1413 diode 1 open", {25, 0, 30}, {0, 0, 0}, 0x02, {25000, NO_VALUE, 30000}},
    {"EMC1413 diode 2 open", {25, 30, 0}, {0, 0, 0}, 0x04, {25000, 30000, NO_VALUE}},
    {"EMC1413 both open", {25, 0, 0}, {0, 0, 0}, 0x06, {25000, NO_VALUE, NO_VALUE}},
    {"EMC1413 a fault of no diode", {25, 26, 27}, {0, 0, 0}, 0xF1, {25000, 26000, 27000}},
};

static void test_emc1413(void **state) {
    static const uint8_t highs[] = {0x00, 0x01, 0x23}, lows[] = {0x29, 0x10, 0x24};
    const struct emc1413 *row = *state;
    int32_t temperature_mc[EMC1413_DIODES];
    begin();
    chip->registers[0][0xFD][0] = 0x21;
    chip->registers[0][0x1B][0] = row->faults;
    for (unsigned i = 0; i < EMC1413_DIODES; i++) {
        chip->registers[0][highs[i]][0] = row->high[i];
        chip->registers[0][lows[i]][0] = row->low[i];
    }
    assert_true(emc1413_init(BUS, ADDRESS));
    assert_true(emc1413_read(BUS, ADDRESS, temperature_mc));
    for (unsigned i = 0; i < EMC1413_DIODES; i++) {
        assert_int_equal(temperature_mc[i], row->temperature_mc[i]);
    }
    chip->registers[0][0xFD][0] = 0x20;  // an EMC1412 has one diode less
    assert_false(emc1413_init(BUS, ADDRESS));
}

// X = (Y * 10^-R - b) / m with the table of ranges; worked out by hand.
enum { RANGE_60V_15MV = 0x00, RANGE_60V_30MV = 0x01, RANGE_100V_15MV = 0x20, RANGE_100V_30MV = 0x21 };
static const struct adm1272 {
    const char *name;
    uint16_t config;
    int32_t shunt_uohm;
    uint16_t vin, vout, iout, pin;
    struct adm1272_reading reading;
} adm1272s[] = {
    {"ADM1272 60 V, 15 mV", RANGE_60V_15MV, 300, 3250, 3249, 3000, 1000, {48006, 47991, 23932, 94913}},
    {"ADM1272 60 V, 30 mV", RANGE_60V_30MV, 300, 3250, 3249, 3000, 1000, {48006, 47991, 47863, 189815}},
    {"ADM1272 100 V, 15 mV", RANGE_100V_15MV, 300, 3250, 3249, 3000, 1000, {80010, 79985, 23932, 158195}},
    {"ADM1272 100 V, 30 mV", RANGE_100V_30MV, 300, 3250, 3249, 3000, 1000, {80010, 79985, 47863, 316406}},
    {"ADM1272 other bits", 0xFFDE, 300, 3250, 3249, 3000, 1000, {48006, 47991, 23932, 94913}},
    {"ADM1272 another shunt", RANGE_60V_15MV, 1000, 3250, 3249, 3000, 1000, {48006, 47991, 7179, 28474}},
    {"ADM1272 nothing flows", RANGE_60V_15MV, 300, 0, 0, 2048, 0, {0, 0, 0, 0}},
    {"ADM1272 current flows back", RANGE_60V_15MV, 300, 3250, 3250, 2000, 0, {48006, 48006, -1207, 0}},
    {"ADM1272 full scale", RANGE_60V_15MV, 300, 4095, 4095, 4095, 4095, {60487, 60487, 51458, 388667}},
    {"ADM1272 all bits", RANGE_100V_30MV, 1, 65535, 65535, 65535, 65535,
     {1613368, 1613368, 957571644, INT32_MAX}},
};

static void test_adm1272(void **state) {
    const struct adm1272 *row = *state;
    struct adm1272_reading reading;
    begin();
    hold(0xD4, row->config);
    hold(0x88, row->vin);
    hold(0x8B, row->vout);
    hold(0x8C, row->iout);
    hold(0x97, row->pin);
    assert_true(adm1272_init(BUS, ADDRESS));
    assert_int_equal(chip->registers[0][0xD4][0], (row->config | 0x02) & 0xFF);  // the output's voltage, too
    assert_int_equal(chip->registers[0][0xD4][1], row->config >> 8);
    assert_int_equal(chip->registers[0][0xD3][0], 1);
    assert_true(adm1272_read(BUS, ADDRESS, row->shunt_uohm, &reading));
    assert_int_equal(reading.vin_mv, row->reading.vin_mv);
    assert_int_equal(reading.vout_mv, row->reading.vout_mv);
    assert_int_equal(reading.iout_ma, row->reading.iout_ma);
    assert_int_equal(reading.pin_mw, row->reading.pin_mw);
}

// While it is set up, it measures nothing.
static void test_adm1272_stops(void **state) {
    (void)state;
    begin();
    hold(0xD3, 1);
    fake_refused = 3;  // the new set-up
    assert_false(adm1272_init(BUS, ADDRESS));
    assert_int_equal(chip->registers[0][0xD3][0], 0);
}

static void test_max31785(void **state) {
    int32_t speed_rpm;
    uint16_t duty;
    (void)state;
    begin();
    chip->paged = true;
    for (uint8_t fan = 0; fan < 2; fan++) {
        assert_true(max31785_init(BUS, ADDRESS, fan));
        assert_int_equal(chip->registers[fan][0x3A][0], 0x90);  // on, by duty, two pulses
        assert_true(max31785_set_duty(BUS, ADDRESS, fan, (uint16_t)(10000 - fan)));
        chip->registers[fan][0x90][0] = (uint8_t)(0xB8 + fan);
        chip->registers[fan][0x90][1] = 0x8B;  // the top bit is no speed
    }
    for (uint8_t fan = 0; fan < 2; fan++) {
        assert_true(max31785_get_duty(BUS, ADDRESS, fan, &duty));
        assert_int_equal(duty, 10000 - fan);
        assert_true(max31785_read_speed(BUS, ADDRESS, fan, &speed_rpm));
        assert_int_equal(speed_rpm, 3000 + fan);
    }
}

static void test_direct(void **state) {
    (void)state;
    assert_int_equal(pmbus_direct((struct pmbus_direct){1000, 0, 0}, 1), 1000);
    assert_int_equal(pmbus_direct((struct pmbus_direct){2000, 0, 0}, 1), 500);
    assert_int_equal(pmbus_direct((struct pmbus_direct){2000000, 0, 0}, 1), 1);  // half a thousandth, rounded
    assert_int_equal(pmbus_direct((struct pmbus_direct){2000001, 0, 0}, 1), 0);
    assert_int_equal(pmbus_direct((struct pmbus_direct){2000000, 1, 0}, 0), -1);
    assert_int_equal(pmbus_direct((struct pmbus_direct){2000001, 1, 0}, 0), 0);
    assert_int_equal(pmbus_direct((struct pmbus_direct){1000, 5, -3}, 7), 6995000);
    assert_int_equal(pmbus_direct((struct pmbus_direct){1, 0, -3}, 65535), INT32_MAX);
}

// Everything that talks to a chip, by number; what it would give is not looked at, only whether it says so.
enum { TALKS = 10 };
static bool talk(unsigned which) {
    struct adm1272_reading reading;
    int32_t values[EMC1413_DIODES];
    uint16_t word;
    switch (which) {
    case 0:
        return tmp105_init(BUS, ADDRESS);
    case 1:
        return tmp105_read(BUS, ADDRESS, values);
    case 2:
        return emc1413_init(BUS, ADDRESS);
    case 3:
        return emc1413_read(BUS, ADDRESS, values);
    case 4:
        return adm1272_init(BUS, ADDRESS);
    case 5:
        return adm1272_read(BUS, ADDRESS, 300, &reading);
    case 6:
        return max31785_init(BUS, ADDRESS, 1);
    case 7:
        return max31785_set_duty(BUS, ADDRESS, 1, 5000);
    case 8:
        return max31785_get_duty(BUS, ADDRESS, 1, &word);
    default:
        return max31785_read_speed(BUS, ADDRESS, 1, values);
    }
}

static void test_refused_at_every_transfer(void **state) {
    static const unsigned transfers[TALKS] = {1, 1, 1, 7, 4, 5, 2, 3, 2, 2};
    (void)state;
    for (unsigned which = 0; which < TALKS; which++) {
        begin();
        chip->registers[0][0xFD][0] = 0x21;
        assert_true(talk(which));
        assert_int_equal(fake_transfers, transfers[which]);
        for (unsigned refused = 1; refused <= transfers[which]; refused++) {
            fake_transfers = 0;
            fake_refused = refused;
            assert_false(talk(which));
            assert_int_equal(fake_transfers, refused);  // and nothing more is asked
        }
    }
}

// A fan controller that takes a duty and holds another one has not taken it.
static void test_duty_is_read_back(void **state) {
    (void)state;
    begin();
    chip->keeps = true;
    assert_false(max31785_set_duty(BUS, ADDRESS, 0, 5000));
    hold(0x3B, 5000);
    assert_true(max31785_set_duty(BUS, ADDRESS, 0, 5000));
}

int main(void) {
    ROWS(test_tmp105, tmp105s)
    ROWS(test_emc1413, emc1413s)
    ROWS(test_adm1272, adm1272s)
    TEST(test_adm1272_stops);
    TEST(test_max31785);
    TEST(test_direct);
    TEST(test_refused_at_every_transfer);
    TEST(test_duty_is_read_back);
    return RUN_TESTS();
}
