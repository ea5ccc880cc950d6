// Modbus RTU, the slave's side: requests out of a stream of bytes, and the answers to them.
//
// Requests are found by their length, which their function tells, and by their CRC. Silence on the line
// only ends what can no longer become a request: on a busy host, or behind a USB adapter, gaps between
// the bytes of one frame are nothing that could be relied on.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "node.h"

enum { FRAME_MAX = 256 };

// A line on which nothing came for so long is silent. The specification's 3.5 characters are 1.75 ms at
// 115200 baud; adapters and emulators deliver in lumps.
enum { SILENCE_MS = 20 };

struct receiver {
    uint8_t data[FRAME_MAX];
    uint16_t length;
    bool in_garbage;  // the last byte dropped belonged to no request
};

void receiver_push(struct receiver *receiver, uint8_t byte, struct line_counts *line);

// The length of the whole request that stands first in `data`, or 0 if there is none yet: then there is room.
// What cannot be part of one is dropped; with `silent`, whatever is not whole by now is.
uint16_t receiver_frame(struct receiver *receiver, bool silent, struct line_counts *line);

void receiver_drop(struct receiver *receiver, uint16_t count);

// Carry out a whole request, as `receiver_frame` finds them. The length of the answer in `answer`, 0 if
// there is to be none.
uint16_t modbus_answer(struct node *node, uint64_t now_ms, const uint8_t *request, uint8_t answer[FRAME_MAX]);
