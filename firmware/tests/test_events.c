// needs: events.c
// The ring of events: how many there have been, and which of them are remembered.
#include "cases.h"
#include "events.h"

static void test_ring(void **state) {
    struct events events = {0};
    (void)state;
    for (unsigned place = 0; place < EVENTS; place++) {
        assert_int_equal(events_at(&events, place)->number, 0);
    }
    for (uint32_t count = 1; count < 5 * EVENTS; count++) {
        events_add(&events, 0x100000000u + 10 * count, EVENT_CODE_SENSOR_LOST, -(int32_t)count);
        assert_int_equal(events.last, count);
        uint32_t oldest = count < EVENTS ? 1 : count - EVENTS + 1;
        for (unsigned place = 0; place < EVENTS; place++) {
            const struct event *event = events_at(&events, place);
            if (oldest + place > count) {
                assert_int_equal(event->number, 0);
                continue;
            }
            assert_int_equal(event->number, oldest + place);
            assert_int_equal(event->uptime_ms, 10 * (oldest + place));
            assert_int_equal(event->code, EVENT_CODE_SENSOR_LOST);
            assert_int_equal(event->detail, -(int32_t)(oldest + place));
        }
    }
}

int main(void) {
    TEST(test_ring);
    return RUN_TESTS();
}
