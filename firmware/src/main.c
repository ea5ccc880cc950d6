// The node: answers the master, measures, guards, keeps. One loop, which waits for nothing but its own
// answers to leave and, when there is nothing to do, for an interrupt.
#include "blocks.h"
#include "chips.h"
#include "driver_clock.h"
#include "driver_i2c.h"
#include "driver_relay.h"
#include "driver_reset.h"
#include "driver_uart.h"
#include "driver_watchdog.h"
#include "image.h"
#include "memory.h"
#include "modbus.h"
#include "rest.h"
#include "retained.h"
#include "stack.h"

enum {
    TICK_MS = 5,
    PASS_MS = 100,
    WATCHDOG_MS = 2000,
    WELL_MS = 5000,    // an image that ran so long,
    WELL_PASSES = 20,  // measured so often and was spoken to has shown that it works
};

static struct node node;
static struct receiver receiver;

static void apply_outputs(uint64_t now_ms) {
    const struct output *of = node.outputs.of;
    relay_set(0, of[OUTPUT_RELAY1].effective);
    relay_set(1, of[OUTPUT_RELAY2].effective);
    const uint16_t duty[] = {of[OUTPUT_FAN1].effective, of[OUTPUT_FAN2].effective};
    fans_drive(duty, now_ms);
}

// What follows from what the node knows now: its outputs, and what it keeps.
static void settle(uint64_t now_ms) {
    node_tick(&node, now_ms);
    apply_outputs(now_ms);
    memory_keep(&node, now_ms);
}

// Answer what has come in. `last_ms`: when the last byte came.
static void serve(uint64_t now_ms) {
    static uint64_t last_ms;
    uint8_t byte;
    while (receiver.length < FRAME_MAX && uart_get(&byte)) {
        receiver_push(&receiver, byte, &node.line);
        last_ms = now_ms;
    }
    bool silent = now_ms - last_ms >= SILENCE_MS;
    uint16_t length = receiver_frame(&receiver, silent, &node.line);
    if (length) {
        static uint8_t answer[FRAME_MAX];
        uint16_t size = modbus_answer(&node, now_ms, receiver.data, answer);
        receiver_drop(&receiver, length);
        settle(now_ms);  // an answer says that it is done, and will be after a reset
        uart_write(answer, size);
    }
}

// One chip at a time, so that the master never waits for all of them.
static void sense(uint64_t now_ms) {
    static struct chip_reading readings[CHIPS];
    static unsigned next;
    static uint64_t due_ms;
    if (now_ms < due_ms) {
        return;
    }
    readings[next] = chip_read((enum chip)next);
    if (++next < CHIPS) {
        return;
    }
    next = 0;
    due_ms += PASS_MS;
    if (due_ms <= now_ms) {
        due_ms = now_ms + PASS_MS;
    }
    node_take(&node, readings, now_ms);
    node.health.stack_free = stack_free();
}

// The boot loader holds the relays as they are left, and refreshes no lease: they are left in safe states.
static void obey(uint64_t now_ms) {
    if (node.order == ORDER_NONE) {
        return;
    }
    uart_flush();
    outputs_release(&node.outputs);
    settle(now_ms);
    if (node.order == ORDER_BOOT) {
        image_enter_boot();
    }
    retained.request = REQUEST_RESET;
    reset_now();
}

static void report_health(uint64_t now_ms) {
    if (node.health.image_confirmed || now_ms < WELL_MS || node.measurement.sequence < WELL_PASSES ||
        !node.line.frames) {
        return;
    }
    node.health.image_confirmed = image_confirm();
    if (node.health.image_confirmed) {
        events_add(&node.events, now_ms, EVENT_CODE_IMAGE_CONFIRMED, 0);
    }
}

// The watchdog is fed by work that was due: a clock that stands still, and would end no lease, bites too.
static void tick(uint64_t now_ms) {
    static uint64_t due_ms;
    if (now_ms < due_ms) {
        return;
    }
    due_ms = now_ms + TICK_MS;
    settle(now_ms);
    report_health(now_ms);
    node.health.uart_errors = uart_errors();
    watchdog_feed();
}

static void note_turn(uint64_t now_ms) {
    static uint64_t before_ms;
    uint32_t turn_ms = (uint32_t)(now_ms - before_ms);
    if (before_ms && turn_ms > node.health.loop_max_ms) {
        node.health.loop_max_ms = turn_ms;
    }
    before_ms = now_ms;
}

// Named, so that the rig finds where to hang it.
_Noreturn void main_loop(void);
_Noreturn void main_loop(void) {
    for (;;) {
        uint64_t now_ms = clock_ms();
        note_turn(now_ms);
        serve(now_ms);
        sense(now_ms);
        tick(now_ms);
        obey(now_ms);
        rest();
    }
}

int main(void) {
    clock_init();
    watchdog_start(WATCHDOG_MS);
    node_init(&node);
    memory_restore(&node, clock_ms());
    relay_init(retained.relays);
    settle(clock_ms());
    i2c_init();
    uart_init();
    node.health.image_confirmed = image_confirmed();
    main_loop();
}
