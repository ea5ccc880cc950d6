#include "crc16.h"

// The remainders of all nibbles: a sixteenth of the usual table, at twice its work.
static const uint16_t nibbles[16] = {
    0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
    0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400,
};

uint16_t crc16(const uint8_t *data, size_t length) {
    uint16_t crc = 0xFFFF;
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        crc = (uint16_t)(crc >> 4) ^ nibbles[crc & 0xF];
        crc = (uint16_t)(crc >> 4) ^ nibbles[crc & 0xF];
    }
    return crc;
}
