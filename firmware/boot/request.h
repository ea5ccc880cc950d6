// What an SMP packet asks for: a header of 8 bytes, and a map of arguments.
// Source: Zephyr, "SMP protocol specification".
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "cbor.h"

enum { SMP_HEADER_BYTES = 8 };

// Requests that are obeyed.
enum order { ECHO, RESET, PARAMETERS, GET_STATE, SET_STATE, UPLOAD, ORDERS };

// What a request may tell.
enum argument { DATA, HASH, IMAGE, LENGTH, OFFSET, SESSION, CONFIRM, ECHOED, UPGRADE, ARGUMENTS };

struct request {
    unsigned order;  // ORDERS if it is none of ours
    bool given[ARGUMENTS];
    struct cbor_item of[ARGUMENTS];
};

// Whether a packet is a request at all, of the length that it says.
bool request_is(const uint8_t *packet, uint16_t length);

// Read one. False if its map is malformed, or a known argument is of a wrong type. Others are passed over.
bool request_read(struct request *request, const uint8_t *packet, uint16_t length);

// A number, the length of a string, or what stands for true or false; 0 if it was not given.
uint32_t request_number(const struct request *request, enum argument argument);

bool request_truth(const struct request *request, enum argument argument);

// The head of the answer to a packet, before `payload` bytes.
void request_put_answer_head(const uint8_t *packet, uint16_t payload, uint8_t head[SMP_HEADER_BYTES]);
