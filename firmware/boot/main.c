// The boot loader: checks the images, starts the one that is to run, and waits for a new one on the serial
// port when it was asked to, or when there is nothing fit to run.
#include "driver_clock.h"
#include "driver_relay.h"
#include "driver_reset.h"
#include "driver_uart.h"
#include "driver_watchdog.h"
#include "frame.h"
#include "jump.h"
#include "rest.h"
#include "retained.h"
#include "smp.h"
#include "store.h"

enum {
    WATCHDOG_MS = 10000,  // the longest image takes a second to read and check
    QUIET_MS = 10000,     // so long nobody speaks, and the node goes back to its work
};

#define VECTORS_AT (LOAD_AT + IMAGE_HEADER_BYTES)

uint8_t image_memory[SLOT_BYTES] __attribute__((section(".image")));

static bool asked_to_wait(void) {
    return retained_valid() && retained.request == REQUEST_BOOT;
}

static void send(const uint8_t *packet, uint16_t length) {
    uint8_t line[LINE_BYTES];
    struct frame_sender sender = {.packet = packet, .length = length};
    size_t line_length;
    while ((line_length = frame_next_line(&sender, line)) != 0) {
        uart_write(line, line_length);
    }
}

// Answer what has come in; whether there was anything to answer.
static bool serve(struct smp *smp) {
    static struct frame_receiver receiver;
    static uint8_t answer[PACKET_BYTES];
    uint8_t byte;
    for (unsigned i = 0; i < FRAME_BYTES && uart_get(&byte); i++) {
        uint16_t length = frame_receive(&receiver, byte);
        length = length ? smp_answer(smp, receiver.data + 2, length, answer, sizeof answer) : 0;
        if (length) {
            send(answer, length);
            return true;
        }
    }
    return false;
}

static bool can_start(const struct slots *slots) {
    return trial_choose(slots->trial, slots->valid).slot != NO_SLOT;
}

// Take orders, until nobody speaks any more and there is an image to start.
static void wait_for_image(struct smp *smp) {
    uint64_t spoken_ms = clock_ms();
    retained.request = REQUEST_RESET;
    while (clock_ms() - spoken_ms < QUIET_MS || !can_start(&smp->slots)) {
        watchdog_feed();
        if (serve(smp)) {
            spoken_ms = clock_ms();
        }
        if (smp->reset) {
            uart_flush();
            reset_now();
        }
        rest();
    }
}

// What is to run, once that is on record: an image on trial is started only when the record says so.
static struct choice choose(struct slots *slots) {
    struct choice choice = trial_choose(slots->trial, slots->valid);
    if (!slots_keep(slots, choice.after) && choice.on_trial) {
        choice = trial_choose(trial_forget(slots->trial), slots->valid);
    }
    return choice;
}

static _Noreturn void start(struct slots *slots, struct choice choice) {
    if (choice.slot == NO_SLOT || slots_load(slots, choice.slot) != GOOD) {
        reset_now();
    }
    retained.image_slot = choice.slot;
    retained.image_trial = choice.on_trial;
    watchdog_feed();
    jump_to_image(VECTORS_AT);
}

int main(void) {
    static struct smp smp;
    relay_init(retained_valid() ? retained.relays : 0);  // the load stays on as the application left it
    watchdog_start(WATCHDOG_MS);
    clock_init();
    uart_init();
    store_open();
    slots_survey(&smp.slots);
    struct choice choice = trial_choose(smp.slots.trial, smp.slots.valid);
    if (asked_to_wait() || choice.slot == NO_SLOT || choice.doubtful) {
        wait_for_image(&smp);
    }
    start(&smp.slots, choose(&smp.slots));
}
