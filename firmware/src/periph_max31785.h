// MAX31785 fan controller, over PMBus: one page for each fan. Source: Maxim 19-5703, table 6 and on.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Fan on, set by duty cycle, two tachometer pulses a turn.
bool max31785_init(uint8_t bus, uint8_t address, uint8_t fan);

// `duty` in 0.01 %.
bool max31785_set_duty(uint8_t bus, uint8_t address, uint8_t fan, uint16_t duty);
bool max31785_get_duty(uint8_t bus, uint8_t address, uint8_t fan, uint16_t *duty);

bool max31785_read_speed(uint8_t bus, uint8_t address, uint8_t fan, int32_t *speed_rpm);
