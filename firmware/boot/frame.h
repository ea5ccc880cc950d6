// SMP packets on a serial line: base64 in lines of at most 127 bytes, the first begun by 06 09, the others
// by 04 14; inside, the length, the packet and its CRC-16, big-endian.
// Source: Zephyr, "SMP transport specification", serial transport.
#pragma once
#include <stddef.h>
#include <stdint.h>

// As the client counts it: packet, length and CRC.
enum { FRAME_BYTES = 1024, PACKET_BYTES = FRAME_BYTES - 4, LINE_BYTES = 127 };

struct frame_receiver {
    uint8_t data[FRAME_BYTES];
    uint16_t length;   // bytes of `data`
    uint8_t state;
    uint8_t sextets;   // of a group of four that is not complete
    uint8_t padding;   // characters "=" in it
    uint32_t group;
};

// CRC-16 as XMODEM has it: polynomial 0x1021, start 0.
uint16_t frame_crc(const uint8_t *data, size_t length);

// Take a byte of the line. The length of the packet that it completed, from `data + 2` on; 0 if none.
uint16_t frame_receive(struct frame_receiver *receiver, uint8_t byte);

struct frame_sender {
    const uint8_t *packet;
    uint16_t length;
    uint16_t sent;  // bytes of the frame: the length, the packet, and its CRC
};

// The next line of a packet; 0 if all is said.
size_t frame_next_line(struct frame_sender *sender, uint8_t line[LINE_BYTES]);
