#include "events.h"

void events_add(struct events *events, uint64_t now_ms, enum event_code code, int32_t detail) {
    events->last++;
    events->ring[events->last % EVENTS] = (struct event){
        .number = events->last,
        .uptime_ms = (uint32_t)now_ms,
        .code = (uint16_t)code,
        .detail = detail,
    };
}

const struct event *events_at(const struct events *events, unsigned place) {
    uint32_t oldest = events->last < EVENTS ? 1 : events->last - EVENTS + 1;
    return &events->ring[(oldest + place) % EVENTS];
}
