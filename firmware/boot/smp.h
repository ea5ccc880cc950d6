// The Simple Management Protocol, as much as an update takes: echo, parameters, reset; the images' state;
// upload. Source: Zephyr, "SMP protocol specification", groups 0 and 1.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "slots.h"
#include "upload.h"

struct smp {
    struct slots slots;
    struct upload upload;
    bool reset;  // was asked for; to be done once the answer is sent
};

// Answer a packet; the answer's length, 0 if the packet is no request. `answer` has room for `room` bytes.
uint16_t smp_answer(struct smp *smp, const uint8_t *packet, uint16_t length, uint8_t *answer, uint16_t room);
