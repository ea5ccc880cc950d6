// CRC-16 of Modbus RTU: polynomial 0xA001 (reflected 0x8005), start 0xFFFF, sent low byte first.
// Source: MODBUS over Serial Line Specification V1.02, section 6.2.2.
#pragma once
#include <stddef.h>
#include <stdint.h>

uint16_t crc16(const uint8_t *data, size_t length);
