#include "chips.h"

#include "board.h"
#include "periph_adm1272.h"
#include "periph_emc1413.h"
#include "periph_max31785.h"
#include "periph_tmp105.h"

enum { FANS = 2, VERIFY_MS = 10000 };

static bool ready[CHIPS];  // set up, and answered ever since

static struct {
    uint16_t duty[FANS];  // as the controller was told
    bool told[FANS];
    uint64_t verified_ms;
} fans;

static bool set_up(enum chip chip) {
    switch (chip) {
    case CHIP_TMP105:
        return tmp105_init(TMP105_BUS, TMP105_ADDRESS);
    case CHIP_EMC1413:
        return emc1413_init(EMC1413_BUS, EMC1413_ADDRESS);
    case CHIP_ADM1272:
        return adm1272_init(ADM1272_BUS, ADM1272_ADDRESS);
    case CHIP_MAX31785:
        fans.told[0] = fans.told[1] = false;
        return max31785_init(MAX31785_BUS, MAX31785_ADDRESS, 0) &&
               max31785_init(MAX31785_BUS, MAX31785_ADDRESS, 1);
    default:
        return false;
    }
}

static bool read_values(enum chip chip, int32_t value[4]) {
    struct adm1272_reading power;
    switch (chip) {
    case CHIP_TMP105:
        return tmp105_read(TMP105_BUS, TMP105_ADDRESS, value);
    case CHIP_EMC1413:
        return emc1413_read(EMC1413_BUS, EMC1413_ADDRESS, value);
    case CHIP_ADM1272:
        if (!adm1272_read(ADM1272_BUS, ADM1272_ADDRESS, ADM1272_SHUNT_UOHM, &power)) {
            return false;
        }
        value[0] = power.vin_mv;
        value[1] = power.vout_mv;
        value[2] = power.iout_ma;
        value[3] = power.pin_mw;
        return true;
    case CHIP_MAX31785:
        return max31785_read_speed(MAX31785_BUS, MAX31785_ADDRESS, 0, &value[0]) &&
               max31785_read_speed(MAX31785_BUS, MAX31785_ADDRESS, 1, &value[1]);
    default:
        return false;
    }
}

struct chip_reading chip_read(enum chip chip) {
    struct chip_reading reading = {0};
    ready[chip] = ready[chip] || set_up(chip);
    reading.answered = ready[chip] && read_values(chip, reading.value);
    ready[chip] = reading.answered;
    return reading;
}

static void verify(unsigned fan) {
    uint16_t holds;
    if (max31785_get_duty(MAX31785_BUS, MAX31785_ADDRESS, (uint8_t)fan, &holds) && holds != fans.duty[fan]) {
        fans.told[fan] = false;
    }
}

void fans_drive(const uint16_t duty[2], uint64_t now_ms) {
    if (!ready[CHIP_MAX31785]) {
        return;
    }
    bool verifies = now_ms - fans.verified_ms >= VERIFY_MS;
    for (unsigned fan = 0; fan < FANS; fan++) {
        if (verifies) {
            verify(fan);
        }
        if (!fans.told[fan] || fans.duty[fan] != duty[fan]) {
            fans.told[fan] = max31785_set_duty(MAX31785_BUS, MAX31785_ADDRESS, (uint8_t)fan, duty[fan]);
            fans.duty[fan] = duty[fan];
        }
    }
    if (verifies) {
        fans.verified_ms = now_ms;
    }
}
