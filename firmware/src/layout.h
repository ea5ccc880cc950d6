// Where everything lies in the flash chip and in SRAM (ast1030). The image tool reads these lines too
// (`firmware/tools/image.py`): one `#define NAME number` each, numbers without arithmetic.
#pragma once

// The flash chip, 4 MiB in sectors of 4 KiB.
#define FLASH_BYTES 0x400000u
#define STORE_AT 0x080000u   // two sectors of records: store.c; below it, what the chip's ROM starts
#define SLOT_A_AT 0x100000u  // the two images
#define SLOT_B_AT 0x200000u
#define SLOT_BYTES 0x070000u  // as much as fits in SRAM between LOAD_AT and the application's RAM

// SRAM: the boot loader at 0, its own memory behind it, then the image that it starts.
#define LOAD_AT 0x10000u
#define IMAGE_HEADER_BYTES 0x200u  // the vector table behind it wants this alignment

// What the image says about itself, in a protected field of its own: the board (nodemap.Board), 2 bytes.
#define BOARD_TLV 0x00A0u
