// A new image that comes in pieces, into the slot that is not in use. Nothing is erased before its header
// was seen; at its end the whole of it is checked, and what is not signed is erased again.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "slots.h"

enum { SESSION_MAX = 64 };

struct upload {
    uint32_t length;  // of the image; 0 if there is no upload
    uint32_t offset;  // of the next piece
    enum slot slot;
    uint8_t session[SESSION_MAX];  // what the client calls it by: a hash, which is only compared
    uint32_t session_length;
};

struct upload_piece {
    uint32_t offset;
    const uint8_t *data;
    uint32_t data_length;
    // Of the first piece only:
    uint32_t length;
    const uint8_t *session;
    uint32_t session_length;
    bool only_newer;  // than the image that stays
};

// Take a piece. `upload->offset` is then where the next one begins: the client goes on from there, which
// may be further on (the piece had been taken) or further back (one was lost, or the node had a reset).
enum verdict upload_take(struct upload *upload, struct slots *slots, const struct upload_piece *piece);
