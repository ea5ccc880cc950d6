// needs: sha512.c
// Against the examples of FIPS 180-2, appendix C, and values of other lengths computed by OpenSSL.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "sha512.h"

static uint8_t message[1000000];

static void assert_digest(const uint8_t *data, size_t length, const char *wanted) {
    uint8_t digest[SHA512_BYTES];
    char text[2 * SHA512_BYTES + 1];
    sha512(data, length, digest);
    for (unsigned i = 0; i < SHA512_BYTES; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
    assert_string_equal(text, wanted);
}

static void test_examples(void **state) {
    static const char two_blocks[] =
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
        "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    (void)state;
    assert_digest(message, 0,
                  "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                  "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
    assert_digest((const uint8_t *)"abc", 3,
                  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    assert_digest((const uint8_t *)two_blocks, strlen(two_blocks),
                  "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
                  "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909");
    memset(message, 'a', sizeof message);
    assert_digest(message, sizeof message,
                  "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
                  "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b");
}

// Around the lengths at which the padding takes another block.
static void test_lengths(void **state) {
    static const struct {
        size_t length;
        const char *digest;
    } cases[] = {
        {1,
         "b8244d028981d693af7b456af8efa4cad63d282e19ff14942c246e50d9351d22"
         "704a802a71c3580b6370de4ceb293c324a8423342557d4e5c38438f0e36910ee"},
        {111,
         "a1a111449b198d9b1f538bad7f3fc1022b3a5b1a5e90a0bc860de8512746cbc3"
         "1599e6c834de3a3235327af0b51ff57bf7acf1974a73014d9c3953812edc7c8d"},
        {112,
         "c5fbd731d19d2ae1180f001be72c2c1aaba1d7b094b3748880e24593b8e117a7"
         "50e11c1bd867cc2f96dace8c8b74abd2d5c4f236be444e77d30d1916174070b9"},
        {113,
         "61b2e77db697dfe5571fff3ed06bd60c41e1e7b7c08a80de01cb16526d9a9a52"
         "d690dfbe792278a60f6e2b4c57a97c729773f26e258d2393890c985d645f6715"},
        {127,
         "eab89674feaa34e27aebeeff3c0a4d70070bb872d5e9f186cf1dbbdee517b6e3"
         "5724d629ff025a5b07185e911ada7e3c8acf830aa0e4f71777bd2d44f504f7f0"},
        {128,
         "1dffd5e3adb71d45d2245939665521ae001a317a03720a45732ba1900ca3b835"
         "1fc5c9b4ca513eba6f80bc7b1d1fdad4abd13491cb824d61b08d8c0e1561b3f7"},
        {129,
         "1d9da57fbbdab09afb3506ab2d223d06109d65c1c8ad197f50138f714bc4c3f2"
         "fe5787922639c680acad1c651f955990425954ce2cba0c5cc83f2667d878eb0f"},
        {200,
         "986058e9895e2c2ab8f9e8cbdf801db12a44842a56a91d5a4e87b1fc98b29372"
         "2c4664142e42c3c551ff898646268cd92b84ed230b8c94bed7798d4f27cd7465"},
    };
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        message[i] = (uint8_t)i;
    }
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_digest(message, cases[i].length, cases[i].digest);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples), cmocka_unit_test(test_lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
