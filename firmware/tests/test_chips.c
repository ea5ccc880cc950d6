// needs: chips.c periph_tmp105.c periph_emc1413.c periph_adm1272.c periph_max31785.c pmbus.c
// The chips of the board: set up when they are there, again when they come back, and fans that turn as told.
#include "board.h"
#include "chips.h"
#include "fake_i2c.h"

enum { FAN_CONFIG = 0x3A, FAN_COMMAND = 0x3B, VERIFY_MS = 10000 };

static struct fake_chip *const fans = &fake_chips[CHIP_MAX31785];
static uint64_t now_ms = 1;

// All chips on the bus again; what chips.c remembers of them is that none answers.
static void begin(void) {
    fake_bus_new();
    fake_all_refused = true;
    for (unsigned chip = 0; chip < CHIPS; chip++) {
        assert_false(chip_read((enum chip)chip).answered);
    }
    fake_bus_new();
    fake_chips[CHIP_TMP105] = (struct fake_chip){.bus = TMP105_BUS, .address = TMP105_ADDRESS};
    fake_chips[CHIP_EMC1413] = (struct fake_chip){.bus = EMC1413_BUS, .address = EMC1413_ADDRESS};
    fake_chips[CHIP_ADM1272] = (struct fake_chip){.bus = ADM1272_BUS, .address = ADM1272_ADDRESS};
    *fans = (struct fake_chip){.bus = MAX31785_BUS, .address = MAX31785_ADDRESS, .paged = true};
    fake_chips[CHIP_TMP105].registers[0][0][0] = 25;
    fake_chips[CHIP_EMC1413].registers[0][0xFD][0] = 0x21;
    fake_chips[CHIP_EMC1413].registers[0][0x01][0] = 30;
    fake_chips[CHIP_ADM1272].registers[0][0x88][1] = 0x10;  // 4096
    fans->registers[1][0x90][1] = 0x10;
}

static uint16_t duty_of(unsigned fan) {
    const uint8_t *held = fans->registers[fan][FAN_COMMAND];
    return (uint16_t)(held[0] | held[1] << 8);
}

static void test_values(void **state) {
    (void)state;
    begin();
    assert_int_equal(chip_read(CHIP_TMP105).value[0], 25000);
    assert_int_equal(chip_read(CHIP_EMC1413).value[1], 30000);
    assert_int_equal(chip_read(CHIP_ADM1272).value[0], 60502);
    struct chip_reading reading = chip_read(CHIP_MAX31785);
    assert_true(reading.answered);
    assert_int_equal(reading.value[0], 0);
    assert_int_equal(reading.value[1], 4096);
}

// Refused once, anywhere in its pass: nothing is answered; at the next pass all is set up again.
static void test_refused_once(void **state) {
    (void)state;
    for (unsigned chip = 0; chip < CHIPS; chip++) {
        begin();
        assert_true(chip_read((enum chip)chip).answered);
        unsigned before = fake_transfers;
        assert_true(chip_read((enum chip)chip).answered);
        unsigned transfers = fake_transfers - before;
        for (unsigned refused = 1; refused <= transfers; refused++) {
            fake_refused = fake_transfers + refused;
            assert_false(chip_read((enum chip)chip).answered);
            before = fake_transfers;
            assert_true(chip_read((enum chip)chip).answered);
            assert_true(fake_transfers - before > transfers);
        }
    }
}

static void test_set_up_after_power_loss(void **state) {
    (void)state;
    begin();
    chip_read(CHIP_MAX31785);
    fake_all_refused = true;
    chip_read(CHIP_MAX31785);
    memset(fans->registers, 0, sizeof fans->registers);
    fake_all_refused = false;
    assert_true(chip_read(CHIP_MAX31785).answered);
    assert_int_equal(fans->registers[0][FAN_CONFIG][0], 0x90);
    assert_int_equal(fans->registers[1][FAN_CONFIG][0], 0x90);
}

static void test_fans(void **state) {
    uint16_t duty[] = {10000, 4000};
    (void)state;
    begin();
    fans_drive(duty, now_ms);
    assert_int_equal(duty_of(0), 0);  // nobody has found the controller yet
    chip_read(CHIP_MAX31785);
    fans_drive(duty, now_ms);
    assert_int_equal(duty_of(0), 10000);
    assert_int_equal(duty_of(1), 4000);
    unsigned before = fake_transfers;
    fans_drive(duty, ++now_ms);
    assert_int_equal(fake_transfers, before);  // as it is already
    duty[1] = 0;
    fans_drive(duty, ++now_ms);
    assert_int_equal(duty_of(0), 10000);
    assert_int_equal(duty_of(1), 0);
}

static void test_fan_that_refuses(void **state) {
    static const uint16_t full[] = {10000, 10000}, slow[] = {1000, 1000};
    (void)state;
    begin();
    chip_read(CHIP_MAX31785);
    fans_drive(slow, now_ms);
    for (unsigned refused = 1; refused <= 6; refused++) {
        fake_refused = fake_transfers + refused;
        fans_drive(full, ++now_ms);
        fans_drive(full, ++now_ms);
        assert_int_equal(duty_of(0), 10000);
        assert_int_equal(duty_of(1), 10000);
        fans_drive(slow, ++now_ms);
        assert_int_equal(duty_of(0), 1000);
    }
}

static void test_fans_after_power_loss(void **state) {
    static const uint16_t duty[] = {7000, 8000};
    (void)state;
    begin();
    chip_read(CHIP_MAX31785);
    fans_drive(duty, now_ms);
    fake_all_refused = true;
    chip_read(CHIP_MAX31785);
    memset(fans->registers, 0, sizeof fans->registers);
    fake_all_refused = false;
    chip_read(CHIP_MAX31785);
    fans_drive(duty, now_ms);
    assert_int_equal(duty_of(0), 7000);
    assert_int_equal(duty_of(1), 8000);
}

// Somebody else has written to the controller: that lasts for ten seconds at most.
static void test_fans_are_verified(void **state) {
    static const uint16_t duty[] = {7000, 8000};
    (void)state;
    begin();
    chip_read(CHIP_MAX31785);
    now_ms += 2 * VERIFY_MS;
    fans_drive(duty, now_ms);
    memset(fans->registers[1][FAN_COMMAND], 0, 2);
    fans_drive(duty, now_ms + VERIFY_MS - 1);
    assert_int_equal(duty_of(1), 0);
    fans_drive(duty, now_ms + VERIFY_MS);
    assert_int_equal(duty_of(1), 8000);
    assert_int_equal(duty_of(0), 7000);
    unsigned before = fake_transfers;
    fans_drive(duty, now_ms + 2 * VERIFY_MS);
    assert_int_equal(fake_transfers - before, 4);  // found as it should be, it is not written
    now_ms += 2 * VERIFY_MS;
}

int main(void) {
    TEST(test_values);
    TEST(test_refused_once);
    TEST(test_set_up_after_power_loss);
    TEST(test_fans);
    TEST(test_fan_that_refuses);
    TEST(test_fans_after_power_loss);
    TEST(test_fans_are_verified);
    return RUN_TESTS();
}
