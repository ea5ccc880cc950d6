// needs: cbor.c
// Items as RFC 8949 encodes them (appendix A), whole, cut short at every byte, and claiming too much.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cbor.h"

static const struct {
    const char *bytes;
    size_t length;
    bool whole;
} cases[] = {
    {"\x00", 1, true},
    {"\x17", 1, true},
    {"\x18\x18", 2, true},
    {"\x19\x03\xe8", 3, true},
    {"\x1a\x00\x0f\x42\x40", 5, true},
    {"\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 9, true},
    {"\x20", 1, true},
    {"\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a", 9, true},
    {"\xf4", 1, true},
    {"\xf6", 1, true},
    {"\xc1\x1a\x51\x4b\x67\xb0", 6, true},
    {"\x40", 1, true},
    {"\x44\x01\x02\x03\x04", 5, true},
    {"\x64IETF", 5, true},
    {"\x83\x01\x82\x02\x03\x82\x04\x05", 8, true},
    {"\xa2\x61\x61\x01\x61\x62\x82\x02\x03", 9, true},
    {"\x82\xa1\x61\x61\xa1\x61\x62\x80\xc1\xc1\x00", 11, true},
    {"\x9f\xff", 2, false},      // without a length
    {"\x5f\x41\x00\xff", 4, false},
    {"\x1c", 1, false},          // reserved
    {"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", 9, false},
    {"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", 9, false},
    {"\xbb\x80\x00\x00\x00\x00\x00\x00\x00", 9, false},
    {"\x9a\x00\x00\x00\x05\x00\x00\x00\x00", 9, false},
};

static bool pass(const uint8_t *bytes, size_t length) {
    struct cbor_reader reader = {bytes, bytes + length};
    struct cbor_item item;
    return cbor_next(&reader, &item) && cbor_skip(&reader, &item) && reader.at == reader.end;
}

static void test_cases(void **state) {
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint8_t *bytes = (const uint8_t *)cases[i].bytes;
        assert_int_equal(pass(bytes, cases[i].length), cases[i].whole);
        for (size_t cut = 0; cut < cases[i].length; cut++) {
            assert_false(pass(bytes, cut));
        }
    }
}

// Heads within heads take no stack: only a byte each.
static void test_deep(void **state) {
    static uint8_t deep[100000];
    (void)state;
    memset(deep, 0x81, sizeof deep);
    assert_false(pass(deep, sizeof deep));
    deep[sizeof deep - 1] = 0;
    assert_true(pass(deep, sizeof deep));
}

static void test_values(void **state) {
    static const uint8_t bytes[] = {0x19, 0x03, 0xe8, 0x43, 1, 2, 3, 0xf5, 0x61, 'r'};
    struct cbor_reader reader = {bytes, bytes + sizeof bytes};
    struct cbor_item item;
    (void)state;
    assert_true(cbor_next(&reader, &item) && item.type == CBOR_UINT && item.value == 1000);
    assert_true(cbor_next(&reader, &item) && item.type == CBOR_BYTES && item.value == 3);
    assert_memory_equal(item.bytes, "\1\2\3", 3);
    assert_true(cbor_next(&reader, &item) && item.type == CBOR_SIMPLE && item.value == CBOR_TRUE);
    assert_true(cbor_next(&reader, &item) && cbor_is_text(&item, "r") && !cbor_is_text(&item, "rc"));
    assert_false(cbor_next(&reader, &item));
}

static void test_writer(void **state) {
    static const uint8_t wanted[] = {0xa2, 0x61, 'a', 0x19, 0x03, 0xe8, 0x61, 'b',
                                     0x82, 0xf4, 0x1a, 0,    1,    0,    0};
    uint8_t made[sizeof wanted] = {0};
    (void)state;
    for (size_t room = 0; room <= sizeof wanted; room++) {
        struct cbor_writer writer = {made, made + room, false};
        cbor_put_map(&writer, 2);
        cbor_put_text(&writer, "a");
        cbor_put_uint(&writer, 1000);
        cbor_put_text(&writer, "b");
        cbor_put_array(&writer, 2);
        cbor_put_bool(&writer, false);
        cbor_put_uint(&writer, 65536);
        assert_int_equal(writer.full, room < sizeof wanted);
    }
    assert_memory_equal(made, wanted, sizeof wanted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
