#include "smp.h"

#include <string.h>

#include "cbor.h"
#include "frame.h"
#include "request.h"

// Source of the codes: Zephyr, mgmt_defines.h.
enum rc {
    UNKNOWN = 1,
    INVALID = 3,
    NO_ENTRY = 5,
    BAD_STATE = 6,
    MESSAGE_SIZE = 7,
    UNSUPPORTED = 8,
    CORRUPTED = 9,
    DENIED = 11,
};

static const struct {
    uint8_t rc;
    const char *reason;
} refusals[VERDICTS] = {
    [NO_IMAGE] = {INVALID, "this is not an image"},
    [MALFORMED] = {INVALID, "the image is malformed"},
    [TOO_LARGE] = {INVALID, "the image is too large"},
    [OTHER_ADDRESS] = {INVALID, "the image is for other memory, or of another kind"},
    [OTHER_BOARD] = {INVALID, "the image is for another board"},
    [CORRUPT] = {CORRUPTED, "the image is corrupt"},
    [NOT_SIGNED] = {DENIED, "the image is not signed by the right key"},
    [OLDER] = {BAD_STATE, "the image is not newer"},
    [FLASH_FAILED] = {UNKNOWN, "the flash could not be written"},
    [BAD_ARGUMENT] = {INVALID, "an argument is missing or wrong"},
    [NO_SUCH_IMAGE] = {NO_ENTRY, "there is no such image"},
    [NOT_TRIED] = {DENIED, "an image confirms itself when it runs well"},
    [TOO_LONG] = {MESSAGE_SIZE, "the answer is too long"},
    [UNKNOWN_COMMAND] = {UNSUPPORTED, "unknown command"},
};

static enum verdict echo(const struct request *request, struct cbor_writer *answer) {
    const struct cbor_item *text = &request->of[ECHOED];
    if (!request->given[ECHOED]) {
        return BAD_ARGUMENT;
    }
    cbor_put_map(answer, 1);
    cbor_put_text(answer, "r");
    cbor_put_string(answer, CBOR_TEXT, text->bytes, (size_t)text->value);
    return GOOD;
}

static void put_parameters(struct cbor_writer *answer) {
    cbor_put_map(answer, 2);
    cbor_put_text(answer, "buf_size");
    cbor_put_uint(answer, FRAME_BYTES);
    cbor_put_text(answer, "buf_count");
    cbor_put_uint(answer, 1);
}

static char *write_number(char *to, uint32_t value) {
    char digits[10];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count) {
        *to++ = digits[--count];
    }
    return to;
}

// "1.2.3", and ".4" behind it for a build number.
static void put_version(struct cbor_writer *answer, const struct version *version) {
    const uint32_t parts[] = {version->major, version->minor, version->revision, version->build};
    char text[4 * 10 + 4], *end = text;
    for (unsigned i = 0; i < (version->build ? 4 : 3); i++) {
        if (i) {
            *end++ = '.';
        }
        end = write_number(end, parts[i]);
    }
    *end = 0;
    cbor_put_text(answer, text);
}

static void put_flag(struct cbor_writer *answer, const char *name, bool value) {
    cbor_put_text(answer, name);
    cbor_put_bool(answer, value);
}

static void put_image(struct cbor_writer *answer, const struct slots *slots, enum slot slot) {
    const struct trial *trial = &slots->trial;
    bool runs = slot == trial_choose(trial_forget(*trial), slots->valid).slot;
    cbor_put_map(answer, 8);
    cbor_put_text(answer, "slot");
    cbor_put_uint(answer, slot);
    cbor_put_text(answer, "version");
    put_version(answer, &slots->images[slot].version);
    cbor_put_text(answer, "hash");
    cbor_put_string(answer, CBOR_BYTES, slots->images[slot].digest, SHA512_BYTES);
    put_flag(answer, "bootable", true);
    put_flag(answer, "pending", trial->phase == TRIAL_WANTED && trial->candidate == slot);
    put_flag(answer, "confirmed", trial->kept == slot);
    put_flag(answer, "active", runs);
    put_flag(answer, "permanent", false);
}

static void put_images(struct cbor_writer *answer, const struct slots *slots) {
    cbor_put_map(answer, 1);
    cbor_put_text(answer, "images");
    cbor_put_array(answer, slots->valid[SLOT_A] + (uint32_t)slots->valid[SLOT_B]);
    for (enum slot slot = SLOT_A; slot < SLOTS; slot++) {
        if (slots->valid[slot]) {
            put_image(answer, slots, slot);
        }
    }
}

// The slot with this image; of two that hold it, the one that is not in use.
static enum slot slot_with(const struct slots *slots, const struct cbor_item *digest) {
    enum slot found = NO_SLOT;
    for (enum slot slot = SLOT_A; slot < SLOTS; slot++) {
        bool same = slots->valid[slot] && digest->value == SHA512_BYTES &&
                    memcmp(digest->bytes, slots->images[slot].digest, SHA512_BYTES) == 0;
        if (same && (found == NO_SLOT || slots->trial.kept != slot)) {
            found = slot;
        }
    }
    return found;
}

// Mark an image for its trial. None is confirmed from here: each does that itself.
static enum verdict set_state(struct smp *smp, const struct request *request, struct cbor_writer *answer) {
    struct slots *slots = &smp->slots;
    if (!request->given[HASH]) {
        return request_truth(request, CONFIRM) ? NOT_TRIED : BAD_ARGUMENT;
    }
    enum slot slot = slot_with(slots, &request->of[HASH]);
    if (slot == NO_SLOT) {
        return NO_SUCH_IMAGE;
    }
    bool kept = slots->trial.kept == slot;
    if (request_truth(request, CONFIRM) && !kept) {
        return NOT_TRIED;
    }
    if (!slots_keep(slots, kept ? trial_forget(slots->trial) : trial_want(slots->trial, slot))) {
        return FLASH_FAILED;
    }
    put_images(answer, slots);
    return GOOD;
}

static enum verdict take_upload(struct smp *smp, const struct request *request, struct cbor_writer *answer) {
    const struct cbor_item *data = &request->of[DATA], *session = &request->of[SESSION];
    const struct upload_piece piece = {
        .offset = request_number(request, OFFSET),
        .data = data->bytes,
        .data_length = request_number(request, DATA),
        .length = request_number(request, LENGTH),
        .session = session->bytes,
        .session_length = request_number(request, SESSION),
        .only_newer = request_truth(request, UPGRADE),
    };
    if (!request->given[OFFSET] || !request->given[DATA] || request_number(request, IMAGE) != 0 ||
        (piece.offset == 0 && piece.length == 0)) {
        return BAD_ARGUMENT;
    }
    enum verdict verdict = upload_take(&smp->upload, &smp->slots, &piece);
    if (verdict == GOOD) {
        cbor_put_map(answer, 1);
        cbor_put_text(answer, "off");
        cbor_put_uint(answer, smp->upload.offset);
    }
    return verdict;
}

static enum verdict obey(struct smp *smp, const struct request *request, struct cbor_writer *answer) {
    switch (request->order) {
    case ECHO:
        return echo(request, answer);
    case RESET:
        smp->reset = true;
        cbor_put_map(answer, 0);
        return GOOD;
    case PARAMETERS:
        put_parameters(answer);
        return GOOD;
    case GET_STATE:
        put_images(answer, &smp->slots);
        return GOOD;
    case SET_STATE:
        return set_state(smp, request, answer);
    case UPLOAD:
        return take_upload(smp, request, answer);
    default:
        return UNKNOWN_COMMAND;
    }
}

static void put_refusal(struct cbor_writer *answer, enum verdict verdict) {
    cbor_put_map(answer, 2);
    cbor_put_text(answer, "rc");
    cbor_put_uint(answer, refusals[verdict].rc);
    cbor_put_text(answer, "rsn");
    cbor_put_text(answer, refusals[verdict].reason);
}

uint16_t smp_answer(struct smp *smp, const uint8_t *packet, uint16_t length, uint8_t *answer, uint16_t room) {
    struct request request;
    const struct cbor_writer start = {answer + SMP_HEADER_BYTES, answer + room, false};
    struct cbor_writer writer = start;
    if (!request_is(packet, length)) {
        return 0;
    }
    bool sound = request_read(&request, packet, length);
    enum verdict verdict = sound ? obey(smp, &request, &writer) : BAD_ARGUMENT;
    if (writer.full) {
        verdict = TOO_LONG;
    }
    if (verdict != GOOD) {
        writer = start;
        put_refusal(&writer, verdict);
    }
    uint16_t payload = (uint16_t)(writer.at - answer - SMP_HEADER_BYTES);
    request_put_answer_head(packet, payload, answer);
    return (uint16_t)(SMP_HEADER_BYTES + payload);
}
