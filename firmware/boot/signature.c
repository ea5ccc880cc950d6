#include "signature.h"

#include <string.h>

#include "monocypher.h"
#include "sha512.h"

enum { POINT_BYTES = 32 };

bool signature_good(const uint8_t signature[SIGNATURE_BYTES], const uint8_t key[KEY_BYTES],
                    const uint8_t message[SIGNED_BYTES]) {
    uint8_t hashed[POINT_BYTES + KEY_BYTES + SIGNED_BYTES], digest[SHA512_BYTES], scalar[32];
    memcpy(hashed, signature, POINT_BYTES);
    memcpy(hashed + POINT_BYTES, key, KEY_BYTES);
    memcpy(hashed + POINT_BYTES + KEY_BYTES, message, SIGNED_BYTES);
    sha512(hashed, sizeof hashed, digest);
    crypto_eddsa_reduce(scalar, digest);
    return crypto_eddsa_check_equation(signature, key, scalar) == 0;
}
