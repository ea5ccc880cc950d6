// Numbers in Modbus registers: the high word first.
#pragma once
#include <stdint.h>

static inline void put_u32(uint16_t *words, uint32_t value) {
    words[0] = (uint16_t)(value >> 16);
    words[1] = (uint16_t)value;
}

static inline void put_u64(uint16_t *words, uint64_t value) {
    put_u32(words, (uint32_t)(value >> 32));
    put_u32(words + 2, (uint32_t)value);
}

static inline uint32_t get_u32(const uint16_t *words) {
    return (uint32_t)words[0] << 16 | words[1];
}

static inline int32_t get_i32(const uint16_t *words) {
    return (int32_t)get_u32(words);
}
