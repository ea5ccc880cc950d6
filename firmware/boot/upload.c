#include "upload.h"

#include <string.h>

#include "driver_flash.h"

static bool same_session(const struct upload *upload, const struct upload_piece *piece) {
    return upload->length == piece->length && piece->session_length != 0 &&
           upload->session_length == piece->session_length &&
           memcmp(upload->session, piece->session, piece->session_length) == 0;
}

static bool older(const struct slots *slots, enum slot free_slot, const struct version *version) {
    enum slot running = free_slot == SLOT_A ? SLOT_B : SLOT_A;
    return slots->valid[running] && version_compare(version, &slots->images[running].version) <= 0;
}

static enum verdict begin(struct upload *upload, struct slots *slots, const struct upload_piece *piece) {
    struct image_header header;
    enum slot slot = trial_free_slot(slots->trial, slots->valid);
    if (piece->length > SLOT_BYTES) {
        return TOO_LARGE;
    }
    if (piece->data_length < HEADER_BYTES || piece->session_length > SESSION_MAX) {
        return BAD_ARGUMENT;
    }
    enum verdict verdict = image_read_header(piece->data, &header);
    if (verdict != GOOD) {
        return verdict;
    }
    if (header.signed_bytes >= piece->length) {
        return MALFORMED;
    }
    if (piece->only_newer && older(slots, slot, &header.version)) {
        return OLDER;
    }
    if (!slots_keep(slots, trial_forget(slots->trial))) {
        return FLASH_FAILED;
    }
    slots->valid[slot] = false;
    *upload = (struct upload){
        .length = piece->length, .slot = slot, .session_length = piece->session_length};
    if (piece->session_length) {
        memcpy(upload->session, piece->session, piece->session_length);
    }
    return GOOD;
}

// Erase the sectors that begin in this piece, and write it.
static bool write(uint32_t at, const uint8_t *data, uint32_t length) {
    uint32_t sector = (at + FLASH_SECTOR_BYTES - 1) / FLASH_SECTOR_BYTES * FLASH_SECTOR_BYTES;
    for (; sector < at + length; sector += FLASH_SECTOR_BYTES) {
        if (!flash_erase(sector)) {
            return false;
        }
    }
    return flash_program(at, data, length);
}

static enum verdict finish(struct upload *upload, struct slots *slots) {
    enum verdict verdict = slots_load(slots, upload->slot);
    if (verdict != GOOD) {
        upload->length = upload->offset = 0;
        flash_erase(slot_address(upload->slot));
    }
    return verdict;
}

enum verdict upload_take(struct upload *upload, struct slots *slots, const struct upload_piece *piece) {
    if (piece->offset == 0 && !(upload->offset && same_session(upload, piece))) {
        upload->length = upload->offset = 0;
        enum verdict verdict = begin(upload, slots, piece);
        if (verdict != GOOD) {
            return verdict;
        }
    }
    if (piece->offset != upload->offset || piece->data_length == 0) {
        return GOOD;
    }
    if (piece->data_length > upload->length - upload->offset) {
        return TOO_LARGE;
    }
    if (!write(slot_address(upload->slot) + upload->offset, piece->data, piece->data_length)) {
        upload->length = upload->offset = 0;
        return FLASH_FAILED;
    }
    upload->offset += piece->data_length;
    return upload->offset == upload->length ? finish(upload, slots) : GOOD;
}
