// The newest events, in a ring.
#pragma once
#include <stdint.h>

#include "registers.h"

struct event {
    uint32_t number;  // from 1; 0 is an empty place
    uint32_t uptime_ms;
    uint16_t code;  // enum event_code
    int32_t detail;
};

struct events {
    struct event ring[EVENTS];
    uint32_t last;  // number of the newest
};

void events_add(struct events *events, uint64_t now_ms, enum event_code code, int32_t detail);

// The event at `place`, from the oldest remembered at 0 up; empty places stand last.
const struct event *events_at(const struct events *events, unsigned place);
