#include "smp.h"

#include <string.h>

#include "cbor.h"
#include "frame.h"

enum operation { READ = 0, WRITE = 2, RESPONSE = 1, OPERATION_MASK = 7 };

// Requests that are obeyed. Group 0 is the system, group 1 the images.
enum order { ECHO, RESET, PARAMETERS, GET_STATE, SET_STATE, UPLOAD, ORDERS };

static const struct {
    uint8_t operation, group, command;
} orders[ORDERS] = {
    [ECHO] = {WRITE, 0, 0},     [RESET] = {WRITE, 0, 5},     [PARAMETERS] = {READ, 0, 6},
    [GET_STATE] = {READ, 1, 0}, [SET_STATE] = {WRITE, 1, 0}, [UPLOAD] = {WRITE, 1, 1},
};

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
    [OTHER_ADDRESS] = {INVALID, "the image is for other memory"},
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

// What a request may tell.
enum argument { DATA, HASH, IMAGE, LENGTH, OFFSET, SESSION, CONFIRM, ECHOED, UPGRADE, ARGUMENTS };

static const struct {
    const char *name;
    enum cbor_type type;
} arguments[ARGUMENTS] = {
    [DATA] = {"data", CBOR_BYTES},   [HASH] = {"hash", CBOR_BYTES},        [IMAGE] = {"image", CBOR_UINT},
    [LENGTH] = {"len", CBOR_UINT},   [OFFSET] = {"off", CBOR_UINT},        [SESSION] = {"sha", CBOR_BYTES},
    [ECHOED] = {"d", CBOR_TEXT},     [CONFIRM] = {"confirm", CBOR_SIMPLE}, [UPGRADE] = {"upgrade", CBOR_SIMPLE},
};

struct request {
    unsigned order;
    bool given[ARGUMENTS];
    struct cbor_item of[ARGUMENTS];
};

static unsigned argument_named(const struct cbor_item *name) {
    unsigned argument = 0;
    while (argument < ARGUMENTS && !cbor_is_text(name, arguments[argument].name)) {
        argument++;
    }
    return argument;
}

// The arguments that are known, each of its type; others are passed over.
static bool read_arguments(struct request *request, struct cbor_reader reader) {
    struct cbor_item map, name, value;
    if (!cbor_next(&reader, &map) || map.type != CBOR_MAP) {
        return false;
    }
    for (uint64_t i = 0; i < map.value; i++) {
        if (!cbor_next(&reader, &name) || !cbor_skip(&reader, &name) || !cbor_next(&reader, &value) ||
            !cbor_skip(&reader, &value)) {
            return false;
        }
        unsigned argument = argument_named(&name);
        if (argument == ARGUMENTS) {
            continue;
        }
        if (value.type != arguments[argument].type || value.value > UINT32_MAX) {
            return false;
        }
        request->given[argument] = true;
        request->of[argument] = value;
    }
    return true;
}

static uint32_t number(const struct request *request, enum argument argument) {
    return request->given[argument] ? (uint32_t)request->of[argument].value : 0;
}

static bool truth(const struct request *request, enum argument argument) {
    return number(request, argument) == CBOR_TRUE;
}

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
        return truth(request, CONFIRM) ? NOT_TRIED : BAD_ARGUMENT;
    }
    enum slot slot = slot_with(slots, &request->of[HASH]);
    if (slot == NO_SLOT) {
        return NO_SUCH_IMAGE;
    }
    bool kept = slots->trial.kept == slot;
    if (truth(request, CONFIRM) && !kept) {
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
        .offset = number(request, OFFSET),
        .data = data->bytes,
        .data_length = number(request, DATA),
        .length = number(request, LENGTH),
        .session = session->bytes,
        .session_length = number(request, SESSION),
        .only_newer = truth(request, UPGRADE),
    };
    if (!request->given[OFFSET] || !request->given[DATA] || number(request, IMAGE) != 0 ||
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

static unsigned order_of(const uint8_t *header) {
    unsigned order = 0;
    while (order < ORDERS &&
           !((header[0] & OPERATION_MASK) == orders[order].operation &&
             header[4] * 256u + header[5] == orders[order].group && header[7] == orders[order].command)) {
        order++;
    }
    return order;
}

uint16_t smp_answer(struct smp *smp, const uint8_t *request, uint16_t length, uint8_t *answer, uint16_t room) {
    if (length < SMP_HEADER_BYTES || request[0] & RESPONSE ||
        request[2] * 256u + request[3] != length - (unsigned)SMP_HEADER_BYTES) {
        return 0;
    }
    struct request read = {.order = order_of(request)};
    const struct cbor_reader body = {request + SMP_HEADER_BYTES, request + length};
    const struct cbor_writer start = {answer + SMP_HEADER_BYTES, answer + room, false};
    struct cbor_writer writer = start;
    enum verdict verdict = read_arguments(&read, body) ? obey(smp, &read, &writer) : BAD_ARGUMENT;
    if (writer.full) {
        verdict = TOO_LONG;
    }
    if (verdict != GOOD) {
        writer = start;
        put_refusal(&writer, verdict);
    }
    uint16_t payload = (uint16_t)(writer.at - answer - SMP_HEADER_BYTES);
    memcpy(answer, request, SMP_HEADER_BYTES);
    answer[0] |= RESPONSE;
    answer[2] = (uint8_t)(payload >> 8);
    answer[3] = (uint8_t)payload;
    return (uint16_t)(SMP_HEADER_BYTES + payload);
}
