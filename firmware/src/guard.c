#include "guard.h"

enum {
    HYSTERESIS_MC = 5000,
    TEMPERATURES = CHANNEL_TEMPERATURE_COOLANT + 1,
    FANS = 2,
    DRIVEN = 2000,      // duty from which on a fan must turn, 0.01 %
    SLOW_PASSES = 20,   // a fan that starts takes about two seconds
};

// A sensor that is lost while it is hot may have died of the heat: it stays hot until it is seen to be cool.
static uint16_t judge_heat(uint16_t hot, const struct measurement *measurement, int32_t limit_mc) {
    for (unsigned i = 0; i < TEMPERATURES; i++) {
        if (channel_valid(measurement, (enum channel)i)) {
            int32_t ends_mc = hot >> i & 1 ? limit_mc - HYSTERESIS_MC : limit_mc;
            bool is_hot = measurement->value[i] >= ends_mc;
            hot = (uint16_t)((hot & ~(1u << i)) | (unsigned)is_hot << i);
        }
    }
    return hot;
}

// Too hot, or blind: both are met by full fans and an open relay.
static void judge_temperature(struct guard *guard, const struct measurement *measurement,
                              const struct settings *settings, uint64_t now_ms, struct events *events) {
    int32_t limit_mc = (int16_t)settings->config[CONFIG_GUARD_TEMPERATURE] * 1000;
    bool seen = measurement->valid & ((1u << TEMPERATURES) - 1);
    guard->hot = judge_heat(guard->hot, measurement, limit_mc);
    uint16_t alarms = (uint16_t)((guard->hot ? ALARM_OVER_TEMPERATURE : 0) |
                                 (seen ? 0 : ALARM_NO_TEMPERATURE));
    bool active = alarms != 0;
    if (active != guard->active) {
        events_add(events, now_ms, active ? EVENT_CODE_GUARD_BEGAN : EVENT_CODE_GUARD_ENDED, alarms);
    }
    guard->active = active;
    guard->alarms = (uint16_t)((guard->alarms & ~(ALARM_OVER_TEMPERATURE | ALARM_NO_TEMPERATURE)) | alarms);
}

static void end_shed(struct guard *guard, uint16_t limit_w, uint64_t now_ms, struct events *events) {
    guard->shed = false;
    events_add(events, now_ms, EVENT_CODE_SHED_ENDED, limit_w);
}

// Load that was shed stays off until the limit lets in the power that was too much: the fall of the power
// is the work of the open relay, and no reason to close it.
static void judge_power(struct guard *guard, const struct measurement *measurement,
                        const struct outputs *outputs, const struct settings *settings, uint64_t now_ms,
                        struct events *events) {
    uint16_t limit_w = outputs->of[OUTPUT_POWER_LIMIT].effective;
    bool limited = limit_w != NO_LIMIT_W;
    int64_t limit_mw = (int64_t)limit_w * 1000;
    if (guard->shed && (!limited || limit_mw >= guard->shed_at_mw)) {
        end_shed(guard, limit_w, now_ms, events);
    }
    bool known = channel_valid(measurement, CHANNEL_POWER_IN);
    int32_t power_mw = measurement->value[CHANNEL_POWER_IN];
    bool over = limited && (known ? power_mw > limit_mw : guard->over_power);  // a gap ends no excess
    if (over && !guard->over_power) {
        guard->over_since_ms = now_ms;
    }
    guard->over_power = over;
    bool long_enough = now_ms - guard->over_since_ms >= settings->config[CONFIG_SHED_DELAY_MS];
    if (over && known && long_enough && !guard->shed) {
        guard->shed = true;
        guard->shed_at_mw = power_mw;
        events_add(events, now_ms, EVENT_CODE_SHED_BEGAN, power_mw / 1000);
    }
    guard->alarms = (uint16_t)((guard->alarms & ~ALARM_OVER_POWER) | (guard->shed ? ALARM_OVER_POWER : 0));
}

static bool fan_slow(unsigned fan, const struct measurement *measurement, const struct outputs *outputs,
                     const struct settings *settings) {
    return outputs->of[OUTPUT_FAN1 + fan].effective >= DRIVEN &&
           measurement->value[CHANNEL_SPEED_FAN1 + fan] < settings->config[CONFIG_FAN_STALL_RPM];
}

static void judge_fans(struct guard *guard, const struct measurement *measurement,
                       const struct outputs *outputs, const struct settings *settings, uint64_t now_ms,
                       struct events *events) {
    for (unsigned fan = 0; fan < FANS; fan++) {
        if (!channel_valid(measurement, (enum channel)(CHANNEL_SPEED_FAN1 + fan))) {
            continue;  // what was found last holds
        }
        bool slow = fan_slow(fan, measurement, outputs, settings);
        uint8_t passes = guard->slow_passes[fan];
        guard->slow_passes[fan] = (uint8_t)(!slow ? 0 : passes < SLOW_PASSES ? passes + 1 : SLOW_PASSES);
        bool stalled = guard->slow_passes[fan] == SLOW_PASSES;
        bool was = guard->stalled >> fan & 1;
        guard->stalled = (guard->stalled & ~(1u << fan)) | (uint32_t)stalled << fan;
        if (stalled != was) {
            enum event_code code = stalled ? EVENT_CODE_FAN_STALLED : EVENT_CODE_FAN_TURNS;
            events_add(events, now_ms, code, (int32_t)fan + 1);
        }
    }
    guard->alarms = (uint16_t)((guard->alarms & ~ALARM_FAN_STALLED) |
                               (guard->stalled ? ALARM_FAN_STALLED : 0));
}

void guard_judge(struct guard *guard, const struct measurement *measurement, const struct outputs *outputs,
                 const struct settings *settings, uint64_t now_ms, struct events *events) {
    judge_temperature(guard, measurement, settings, now_ms, events);
    judge_power(guard, measurement, outputs, settings, now_ms, events);
    judge_fans(guard, measurement, outputs, settings, now_ms, events);
    guard->alarms = (uint16_t)((guard->alarms & ~ALARM_SENSOR_MISSING) |
                               (measurement->lost_chips ? ALARM_SENSOR_MISSING : 0));
}
