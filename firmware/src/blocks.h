// The register map in front of the node: what a request may read and write, and what that does.
#pragma once
#include <stdint.h>

#include "node.h"

// Exception codes, MODBUS Application Protocol V1.1b3, section 7. The first also says that the server is in
// the wrong state for a request: here, that a key is missing.
enum exception {
    EXCEPTION_NONE = 0,
    EXCEPTION_FUNCTION = 1,
    EXCEPTION_ADDRESS = 2,
    EXCEPTION_VALUE = 3,
};

// Read `count` registers from `address` on; all within one block.
enum exception input_read(const struct node *node, uint64_t now_ms, uint16_t address, uint16_t count,
                          uint16_t *words);
enum exception holding_read(const struct node *node, uint64_t now_ms, uint16_t address, uint16_t count,
                            uint16_t *words);

// Write `count` registers from `address` on: all of them, or by an exception none.
enum exception holding_write(struct node *node, uint64_t now_ms, uint16_t address, uint16_t count,
                             const uint16_t *words);
