#include "slots.h"

#include <string.h>

#include "driver_flash.h"
#include "key.h"

uint32_t slot_address(enum slot slot) {
    return slot == SLOT_A ? SLOT_A_AT : SLOT_B_AT;
}

// The image with its fields to `image_memory`; its length, 0 if there is none.
static uint32_t copy(uint32_t from) {
    struct image_header header;
    if (!flash_read(from, image_memory, HEADER_BYTES) || image_read_header(image_memory, &header) != GOOD ||
        header.signed_bytes + FIELDS_HEAD_BYTES > SLOT_BYTES ||
        !flash_read(from, image_memory, header.signed_bytes + FIELDS_HEAD_BYTES)) {
        return 0;
    }
    uint32_t fields = image_field_bytes(image_memory + header.signed_bytes);
    uint32_t length = header.signed_bytes + fields;
    if (length > SLOT_BYTES || !flash_read(from, image_memory, length)) {
        return 0;
    }
    return length;
}

enum verdict slots_load(struct slots *slots, enum slot slot) {
    uint32_t length = copy(slot_address(slot));
    enum verdict verdict = image_verify(image_memory, length, update_key, &slots->images[slot]);
    slots->valid[slot] = verdict == GOOD;
    return verdict;
}

void slots_survey(struct slots *slots) {
    slots->trial = trial_load();
    slots_load(slots, SLOT_A);
    slots_load(slots, SLOT_B);
}

bool slots_keep(struct slots *slots, struct trial trial) {
    if (memcmp(&trial, &slots->trial, sizeof trial) != 0) {
        if (!trial_save(trial)) {
            return false;
        }
        slots->trial = trial;
    }
    return true;
}
