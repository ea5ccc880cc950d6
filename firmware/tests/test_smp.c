// needs: smp.c request.c upload.c slots.c verify.c sha512.c cbor.c frame.c trial.c store.c crc32.c
// Requests and answers of an update, byte by byte as they go over the line, and all that is refused.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#define FAKE_FLASH_BYTES 0x400000
#include "cbor.h"
#include "fake_flash.h"
#include "fake_image.h"
#include "frame.h"
#include "key.h"
#include "smp.h"
#include "store.h"

enum { BODY_BYTES = 9000, PIECE_BYTES = 700 };

uint8_t image_memory[SLOT_BYTES];
const uint8_t update_key[KEY_BYTES] = {7};
static uint8_t image[SLOT_BYTES + 1];
static struct smp smp;
static uint8_t answer[PACKET_BYTES];
static uint16_t answer_length;

// The real one is tested with real signatures; here the right one is that of `fake_image`.
bool signature_good(const uint8_t signature[SIGNATURE_BYTES], const uint8_t key[KEY_BYTES],
                    const uint8_t message[SIGNED_BYTES]) {
    (void)message;
    return signature[0] == 0x5A && key[0] == update_key[0];
}

static void install(enum slot slot, uint8_t major) {
    uint32_t length = fake_image(image, major, BODY_BYTES, major);
    memcpy(fake_flash + slot_address(slot), image, length);
}

static void start_node(void) {
    memset(&smp, 0, sizeof smp);
    assert_true(store_open());
    slots_survey(&smp.slots);
    assert_true(slots_keep(&smp.slots, trial_choose(smp.slots.trial, smp.slots.valid).after));
}

// A node with version 1 in slot A.
static int new_node(void **state) {
    (void)state;
    fake_flash_new();
    install(SLOT_A, 1);
    start_node();
    return 0;
}

struct writer {
    uint8_t bytes[PACKET_BYTES];
    struct cbor_writer cbor;
};

static void begin(struct writer *request, uint8_t operation, uint8_t group, uint8_t command, uint32_t pairs) {
    memset(request, 0, sizeof *request);
    request->bytes[0] = operation;
    request->bytes[5] = group;
    request->bytes[6] = 99;
    request->bytes[7] = command;
    request->cbor = (struct cbor_writer){request->bytes + 8, request->bytes + PACKET_BYTES, false};
    cbor_put_map(&request->cbor, pairs);
}

static void send(struct writer *request) {
    uint16_t length = (uint16_t)(request->cbor.at - request->bytes);
    assert_false(request->cbor.full);
    request->bytes[2] = (uint8_t)((length - 8) >> 8);
    request->bytes[3] = (uint8_t)(length - 8);
    answer_length = smp_answer(&smp, request->bytes, length, answer, sizeof answer);
    assert_in_range(answer_length, 9, sizeof answer);
    assert_int_equal(answer[0], request->bytes[0] | 1);
    assert_int_equal(answer[2] * 256 + answer[3], answer_length - 8);
    assert_memory_equal(answer + 4, request->bytes + 4, 4);
}

// The number that the answer tells under a name; -1 if it does not.
static long told(const char *name) {
    struct cbor_reader reader = {answer + 8, answer + answer_length};
    struct cbor_item map, key, value;
    long found = -1;
    assert_true(cbor_next(&reader, &map) && map.type == CBOR_MAP);
    for (uint64_t i = 0; i < map.value; i++) {
        assert_true(cbor_next(&reader, &key) && cbor_next(&reader, &value) && cbor_skip(&reader, &value));
        if (cbor_is_text(&key, name)) {
            found = (long)value.value;
        }
    }
    assert_ptr_equal(reader.at, reader.end);
    return found;
}

static bool contains(const void *bytes, size_t length) {
    for (const uint8_t *at = answer; at + length <= answer + answer_length; at++) {
        if (memcmp(at, bytes, length) == 0) {
            return true;
        }
    }
    return false;
}

static bool says(const char *text) { return contains(text, strlen(text)); }

// Send bytes `from` to `to` of the image; the first piece with what belongs to it.
static void send_piece(uint32_t from, uint32_t to, uint32_t length, uint8_t session) {
    struct writer request;
    const uint8_t sha[32] = {session};
    begin(&request, 2, 1, 1, from == 0 ? 4 : 2);
    cbor_put_text(&request.cbor, "off");
    cbor_put_uint(&request.cbor, from);
    if (from == 0) {
        cbor_put_text(&request.cbor, "len");
        cbor_put_uint(&request.cbor, length);
        cbor_put_text(&request.cbor, "sha");
        cbor_put_string(&request.cbor, CBOR_BYTES, sha, session ? sizeof sha : 0);
    }
    cbor_put_text(&request.cbor, "data");
    cbor_put_string(&request.cbor, CBOR_BYTES, image + from, to - from);
    send(&request);
}

// As the client does it: from where the node says, until it refuses or has all of it.
static void upload(uint32_t length, uint8_t session) {
    long at = 0;
    for (unsigned n = 0; n < 1000; n++) {
        uint32_t left = length - (uint32_t)at;
        send_piece((uint32_t)at, (uint32_t)at + (left < PIECE_BYTES ? left : PIECE_BYTES), length, session);
        at = told("off");
        if (at < 0 || at == (long)length) {
            return;
        }
    }
    fail();
}

static void set_state(const uint8_t *digest, bool confirm) {
    struct writer request;
    begin(&request, 2, 1, 0, digest ? 2 : 1);
    if (digest) {
        cbor_put_text(&request.cbor, "hash");
        cbor_put_string(&request.cbor, CBOR_BYTES, digest, SHA512_BYTES);
    }
    cbor_put_text(&request.cbor, "confirm");
    cbor_put_bool(&request.cbor, confirm);
    send(&request);
}

static enum slot slot_after_reset(void) {
    start_node();
    return trial_choose(smp.slots.trial, smp.slots.valid).slot;
}

static void test_update(void **state) {
    (void)state;
    uint32_t length = fake_image(image, 2, BODY_BYTES, 2);
    upload(length, 1);
    assert_int_equal(told("off"), length);
    assert_memory_equal(fake_flash + SLOT_B_AT, image, length);
    assert_int_equal(slot_after_reset(), SLOT_A);  // not marked
    set_state(smp.slots.images[SLOT_B].digest, false);
    assert_true(says("2.0.0") && says("1.0.0"));
    struct choice choice = trial_choose(smp.slots.trial, smp.slots.valid);
    assert_true(choice.slot == SLOT_B && choice.on_trial);
}

static void test_os_commands(void **state) {
    struct writer request;
    (void)state;
    begin(&request, 2, 0, 0, 1);
    cbor_put_text(&request.cbor, "d");
    cbor_put_text(&request.cbor, "hallo");
    send(&request);
    assert_true(says("hallo"));
    begin(&request, 0, 0, 6, 0);
    send(&request);
    assert_int_equal(told("buf_size"), FRAME_BYTES);
    begin(&request, 2, 0, 5, 0);
    send(&request);
    assert_true(smp.reset && told("rc") == -1);
}

static void test_state(void **state) {
    struct writer request;
    (void)state;
    begin(&request, 0, 1, 0, 0);
    send(&request);
    assert_true(says("1.0.0") && contains(smp.slots.images[SLOT_A].digest, SHA512_BYTES));
    fake_flash_new();
    start_node();
    begin(&request, 0, 1, 0, 0);
    send(&request);
    assert_int_equal(told("images"), 0);
}

static void test_unknown_is_refused(void **state) {
    static const uint8_t commands[][3] = {{0, 0, 0}, {0, 0, 2}, {2, 0, 6}, {0, 1, 1}, {2, 1, 5}, {0, 8, 0},
                                          {2, 64, 1}, {4, 0, 0}, {6, 1, 0}};
    struct writer request;
    (void)state;
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
        begin(&request, commands[i][0], commands[i][1], commands[i][2], 0);
        send(&request);
        assert_int_equal(told("rc"), 8);
    }
}

// What is no request has no answer: responses, lengths that are not true, less than a header.
static void test_silence(void **state) {
    static const uint8_t packets[][10] = {{1, 0, 0, 1, 0, 0, 0, 0, 0xa0}, {3, 0, 0, 1, 0, 0, 0, 0, 0xa0},
                                          {0, 0, 0, 2, 0, 0, 0, 6, 0xa0}, {0, 0, 1, 1, 0, 0, 0, 6, 0xa0}};
    (void)state;
    for (unsigned i = 0; i < sizeof packets / sizeof *packets; i++) {
        for (uint16_t length = 0; length <= 9; length++) {
            assert_int_equal(smp_answer(&smp, packets[i], length, answer, sizeof answer), 0);
        }
    }
}

static void test_resume(void **state) {
    (void)state;
    uint32_t length = fake_image(image, 2, BODY_BYTES, 2);
    send_piece(0, 700, length, 1);
    send_piece(700, 1400, length, 1);
    assert_int_equal(told("off"), 1400);
    send_piece(700, 1400, length, 1);  // the answer was lost
    assert_int_equal(told("off"), 1400);
    send_piece(2100, 2800, length, 1);  // a piece was lost
    assert_int_equal(told("off"), 1400);
    send_piece(0, 700, length, 1);  // the client began again: the same image
    assert_int_equal(told("off"), 1400);
    upload(length, 1);
    assert_int_equal(told("off"), length);
    send_piece(0, 700, length, 1);  // once more: it is there
    assert_int_equal(told("off"), length);
    assert_true(smp.slots.valid[SLOT_B]);
    send_piece(0, 700, length, 2);  // another image
    assert_int_equal(told("off"), 700);
    assert_false(smp.slots.valid[SLOT_B]);
    start_node();  // a reset: the node knows nothing of it
    send_piece(700, 1400, length, 2);
    assert_int_equal(told("off"), 0);
    send_piece(0, 700, length, 0);  // without a hash nothing is resumed
    send_piece(700, 1400, length, 0);
    send_piece(0, 700, length, 0);
    assert_int_equal(told("off"), 700);
}

static void test_bad_image_is_erased(void **state) {
    static const struct {
        long at;  // from the start, or the end
        long rc;
    } cases[] = {{IMAGE_HEADER_BYTES + 5000, 9}, {-SIGNATURE_BYTES, 11}, {-SIGNATURE_BYTES - 4, 11}};
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t length = fake_image(image, 2, BODY_BYTES, 2);
        image[cases[i].at < 0 ? length + cases[i].at : cases[i].at] ^= 1;
        upload(length, (uint8_t)(i + 1));
        assert_int_equal(told("rc"), cases[i].rc);
        assert_false(smp.slots.valid[SLOT_B]);
        assert_int_equal(fake_flash[SLOT_B_AT], 0xFF);
        assert_int_equal(slot_after_reset(), SLOT_A);
    }
}

static void test_other_board(void **state) {
    (void)state;
    uint32_t length = fake_image(image, 2, BODY_BYTES, 2);
    uint8_t *fields = image + IMAGE_HEADER_BYTES + BODY_BYTES + FAKE_PROTECTED_BYTES;
    fields[-2] = 77;
    sha512(image, (size_t)(fields - image), fields + 8);
    upload(length, 1);
    assert_true(told("rc") == 3 && says("another board"));
    assert_false(smp.slots.valid[SLOT_B]);
}

// Refused at its first piece: then nothing is erased.
static void test_refused_at_once(void **state) {
    static const struct {
        unsigned at;
        uint8_t byte;
        uint32_t longer;
        const char *why;
    } cases[] = {
        {0, 0, 0, "not an image"},
        {4, 1, 0, "other memory"},
        {9, 4, 0, "other memory"},
        {16, 0, 0, "other memory"},
        {16, 0x24, 0, "another kind"},  // encrypted
        {14, 7, 0, "too large"},
        {13, 0xFF, 0, "malformed"},
        {20, 2, SLOT_BYTES, "too large"},
    };
    (void)state;
    install(SLOT_B, 3);
    start_node();
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t length = fake_image(image, 2, BODY_BYTES, 2);
        image[cases[i].at] = cases[i].byte;
        send_piece(0, 700, length + cases[i].longer, 1);
        assert_true(told("rc") == 3 && says(cases[i].why));
        assert_true(smp.slots.valid[SLOT_B] && slots_load(&smp.slots, SLOT_B) == GOOD);
    }
    uint32_t length = fake_image(image, 2, BODY_BYTES, 2);
    send_piece(0, 20, length, 1);
    assert_int_equal(told("rc"), 3);
}

static void test_too_much_data(void **state) {
    (void)state;
    fake_image(image, 2, 100, 2);
    send_piece(0, 700, 1000, 1);
    send_piece(700, 1001, 1000, 1);
    assert_int_equal(told("rc"), 3);
}

static void test_only_newer(void **state) {
    struct writer request;
    (void)state;
    for (uint8_t major = 0; major < 3; major++) {
        uint32_t length = fake_image(image, major, BODY_BYTES, 2);
        begin(&request, 2, 1, 1, 4);
        cbor_put_text(&request.cbor, "off");
        cbor_put_uint(&request.cbor, 0);
        cbor_put_text(&request.cbor, "len");
        cbor_put_uint(&request.cbor, length);
        cbor_put_text(&request.cbor, "upgrade");
        cbor_put_bool(&request.cbor, true);
        cbor_put_text(&request.cbor, "data");
        cbor_put_string(&request.cbor, CBOR_BYTES, image, 500);
        send(&request);
        assert_int_equal(told("rc"), major > 1 ? -1 : 6);
    }
}

static void test_arguments(void **state) {
    struct writer request;
    (void)state;
    begin(&request, 2, 1, 1, 1);  // without data
    cbor_put_text(&request.cbor, "off");
    cbor_put_uint(&request.cbor, 0);
    send(&request);
    assert_int_equal(told("rc"), 3);
    begin(&request, 2, 1, 1, 1);  // of a wrong type
    cbor_put_text(&request.cbor, "off");
    cbor_put_text(&request.cbor, "0");
    send(&request);
    assert_int_equal(told("rc"), 3);
    begin(&request, 0, 0, 6, 2);  // unknown ones do no harm
    cbor_put_text(&request.cbor, "x");
    cbor_put_array(&request.cbor, 1);
    cbor_put_map(&request.cbor, 0);
    cbor_put_uint(&request.cbor, 5);
    cbor_put_bool(&request.cbor, true);
    send(&request);
    assert_int_equal(told("buf_count"), 1);
    begin(&request, 0, 0, 6, 3);  // fewer than announced
    send(&request);
    assert_int_equal(told("rc"), 3);
}

static void test_confirming(void **state) {
    uint8_t unknown[SHA512_BYTES] = {1};
    (void)state;
    install(SLOT_B, 2);
    start_node();
    set_state(smp.slots.images[SLOT_B].digest, true);
    assert_int_equal(told("rc"), 11);
    set_state(NULL, true);
    assert_int_equal(told("rc"), 11);
    set_state(NULL, false);
    assert_int_equal(told("rc"), 3);
    set_state(unknown, false);
    assert_int_equal(told("rc"), 5);
    set_state(smp.slots.images[SLOT_A].digest, true);
    assert_int_equal(told("rc"), -1);
    set_state(smp.slots.images[SLOT_B].digest, false);
    set_state(smp.slots.images[SLOT_A].digest, false);  // thought better of it
    assert_int_equal(slot_after_reset(), SLOT_A);
}

static void test_the_same_image_again(void **state) {
    (void)state;
    install(SLOT_B, 1);
    start_node();
    set_state(smp.slots.images[SLOT_A].digest, false);
    struct choice choice = trial_choose(smp.slots.trial, smp.slots.valid);
    assert_true(choice.slot == SLOT_B && choice.on_trial);
}

static void test_echo_too_long(void **state) {
    static char text[PACKET_BYTES - 8 - 6 + 1];  // the longest that fits
    struct writer request;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    begin(&request, 2, 0, 0, 1);
    cbor_put_text(&request.cbor, "d");
    cbor_put_text(&request.cbor, text);
    send(&request);
    uint16_t length = (uint16_t)(request.cbor.at - request.bytes);
    assert_int_equal(told("rc"), -1);
    answer_length = smp_answer(&smp, request.bytes, length, answer, 100);
    assert_int_equal(told("rc"), 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_update, new_node),
        cmocka_unit_test_setup(test_os_commands, new_node),
        cmocka_unit_test_setup(test_state, new_node),
        cmocka_unit_test_setup(test_unknown_is_refused, new_node),
        cmocka_unit_test_setup(test_silence, new_node),
        cmocka_unit_test_setup(test_resume, new_node),
        cmocka_unit_test_setup(test_bad_image_is_erased, new_node),
        cmocka_unit_test_setup(test_other_board, new_node),
        cmocka_unit_test_setup(test_refused_at_once, new_node),
        cmocka_unit_test_setup(test_too_much_data, new_node),
        cmocka_unit_test_setup(test_only_newer, new_node),
        cmocka_unit_test_setup(test_arguments, new_node),
        cmocka_unit_test_setup(test_confirming, new_node),
        cmocka_unit_test_setup(test_the_same_image_again, new_node),
        cmocka_unit_test_setup(test_echo_too_long, new_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
