// needs: smp.c request.c upload.c slots.c verify.c sha512.c cbor.c frame.c trial.c store.c crc32.c
// Any bytes to the boot loader: as they come over the line, as packets, and as the image in a slot. What was
// a good image before is one after, whatever comes: the slot that runs is never written.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_FLASH_BYTES 0x400000
#include "fake_flash.h"
#include "fake_image.h"
#include "frame.h"
#include "key.h"
#include "request.h"
#include "smp.h"
#include "store.h"

enum { LINE, PACKETS, SLOT, WAYS };

uint8_t image_memory[SLOT_BYTES];
const uint8_t update_key[KEY_BYTES] = {7};

bool signature_good(const uint8_t signature[SIGNATURE_BYTES], const uint8_t key[KEY_BYTES],
                    const uint8_t message[SIGNED_BYTES]) {
    (void)key, (void)message;
    return signature[0] == 0x5A;
}

static uint8_t installed[2048];
static uint32_t installed_length;

static void new_node(struct smp *smp) {
    static bool made;
    memset(smp, 0, sizeof *smp);
    if (!made) {
        fake_flash_new();
        made = true;
    }
    memset(fake_flash + STORE_AT, 0xFF, 2 * FLASH_SECTOR_BYTES);
    memset(fake_flash + SLOT_B_AT, 0xFF, FLASH_SECTOR_BYTES);
    installed_length = fake_image(installed, 1, 1000, 1);
    memcpy(fake_flash + SLOT_A_AT, installed, installed_length);
    store_open();
    slots_survey(&smp->slots);
    slots_keep(&smp->slots, trial_choose(smp->slots.trial, smp->slots.valid).after);
}

static void answer_packet(struct smp *smp, const uint8_t *packet, uint16_t length) {
    static uint8_t answer[PACKET_BYTES];
    if (smp_answer(smp, packet, length, answer, sizeof answer) > sizeof answer) {
        abort();
    }
}

static void take_line(struct smp *smp, const uint8_t *data, size_t length) {
    struct frame_receiver receiver = {0};
    for (size_t i = 0; i < length; i++) {
        uint16_t packet = frame_receive(&receiver, data[i]);
        if (packet) {
            answer_packet(smp, receiver.data + 2, packet);
        }
    }
}

// Each packet as long as its header says; the header's length is put right.
static void take_packets(struct smp *smp, const uint8_t *data, size_t length) {
    while (length >= SMP_HEADER_BYTES) {
        uint8_t packet[PACKET_BYTES];
        size_t body = (data[2] * 256u + data[3]) % (PACKET_BYTES - SMP_HEADER_BYTES);
        body = body < length - SMP_HEADER_BYTES ? body : length - SMP_HEADER_BYTES;
        memcpy(packet, data, SMP_HEADER_BYTES + body);
        packet[2] = (uint8_t)(body >> 8);
        packet[3] = (uint8_t)body;
        answer_packet(smp, packet, (uint16_t)(SMP_HEADER_BYTES + body));
        data += SMP_HEADER_BYTES + body;
        length -= SMP_HEADER_BYTES + body;
    }
}

static void take_image(struct smp *smp, const uint8_t *data, size_t length) {
    if (length <= FLASH_SECTOR_BYTES) {
        memcpy(fake_flash + SLOT_B_AT, data, length);
        slots_load(&smp->slots, SLOT_B);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
    static struct smp smp;
    if (length == 0) {
        return 0;
    }
    new_node(&smp);
    switch (data[0] % WAYS) {
    case LINE:
        take_line(&smp, data + 1, length - 1);
        break;
    case PACKETS:
        take_packets(&smp, data + 1, length - 1);
        break;
    default:
        take_image(&smp, data + 1, length - 1);
    }
    if (memcmp(fake_flash + SLOT_A_AT, installed, installed_length) != 0) {
        abort();
    }
    return 0;
}
