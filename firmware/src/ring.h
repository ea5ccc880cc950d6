// Bytes from an interrupt to the main loop: one writer, one reader, no lock.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { RING_BYTES = 512 };  // two of the longest frames

struct ring {
    volatile uint16_t head, tail;  // head is the writer's, tail the reader's
    volatile uint8_t data[RING_BYTES];
};

static inline bool ring_empty(const struct ring *ring) {
    return ring->head == ring->tail;
}

static inline bool ring_put(struct ring *ring, uint8_t byte) {
    uint16_t next = (uint16_t)((ring->head + 1u) % RING_BYTES);
    if (next == ring->tail) {
        return false;
    }
    ring->data[ring->head] = byte;
    ring->head = next;
    return true;
}

static inline bool ring_get(struct ring *ring, uint8_t *byte) {
    if (ring_empty(ring)) {
        return false;
    }
    *byte = ring->data[ring->tail];
    ring->tail = (uint16_t)((ring->tail + 1u) % RING_BYTES);
    return true;
}
