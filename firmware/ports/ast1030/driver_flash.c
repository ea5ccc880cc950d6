// The SPI flash on chip select 0 of the AST1030's firmware memory controller: an SST25VF032B, 4 MiB.
// In user mode whatever is written to the window goes out on the bus, and reading it clocks bytes in.
// Sources: ASPEED AST1030 data sheet, FMC; Microchip DS20005071 (SST25VF032B), table 5.
#include "driver_flash.h"

#include "cpu.h"
#include "layout.h"

enum {
    FMC = 0x7E620000,
    TYPES = 0x00,
    CHIP_0 = 0x10,

    WRITE_ENABLED_0 = 1 << 16,
    SPI_0 = 2,
    TYPE_0_MASK = 3,
    USER_MODE = 3,
    DESELECTED = 1 << 2,

    WRITE_STATUS = 0x01,
    PROGRAM_BYTE = 0x02,
    READ = 0x03,
    READ_STATUS = 0x05,
    WRITE_DISABLE = 0x04,
    WRITE_ENABLE = 0x06,
    ERASE_4K = 0x20,
    READ_ID = 0x9F,
    PROGRAM_PAIRS = 0xAD,

    BUSY = 1 << 0,
    PATIENCE = 1000000,  // polls; an erase takes 25 ms, a byte or a pair 10 us
};

#define WINDOW 0x80000000u
#define ID_SST25VF032B 0xBF254Au

static void select_chip(void) {
    REG32(FMC + CHIP_0) = USER_MODE;
}

static void deselect_chip(void) {
    REG32(FMC + CHIP_0) = USER_MODE | DESELECTED;
}

static void put(uint32_t byte) {
    *(volatile uint8_t *)(uintptr_t)WINDOW = (uint8_t)byte;
}

static uint8_t get(void) {
    return *(volatile uint8_t *)(uintptr_t)WINDOW;
}

static void put_address(uint32_t at) {
    put(at >> 16);
    put(at >> 8);
    put(at);
}

static void command(uint32_t code) {
    select_chip();
    put(code);
    deselect_chip();
}

static bool wait_until_done(void) {
    bool busy = true;
    select_chip();
    put(READ_STATUS);
    for (unsigned i = 0; busy && i < PATIENCE; i++) {
        busy = get() & BUSY;
    }
    deselect_chip();
    return !busy;
}

// At power-up the chip protects all its blocks.
static bool unprotect(void) {
    command(WRITE_ENABLE);
    select_chip();
    put(WRITE_STATUS);
    put(0);
    deselect_chip();
    return wait_until_done();
}

static bool program_byte(uint32_t at, uint8_t byte) {
    command(WRITE_ENABLE);
    select_chip();
    put(PROGRAM_BYTE);
    put_address(at);
    put(byte);
    deselect_chip();
    return wait_until_done();
}

// Two bytes at a time: the chip counts the address, which is even, by itself.
static bool program_pairs(uint32_t at, const uint8_t *bytes, size_t length) {
    bool well = true;
    command(WRITE_ENABLE);
    for (size_t i = 0; well && i < length; i += 2) {
        select_chip();
        put(PROGRAM_PAIRS);
        if (i == 0) {
            put_address(at);
        }
        put(bytes[i]);
        put(bytes[i + 1]);
        deselect_chip();
        well = wait_until_done();
    }
    command(WRITE_DISABLE);  // ends it
    return well;
}

static bool outside(uint32_t at, size_t length) {
    return at > FLASH_BYTES || length > FLASH_BYTES - at;
}

static void begin_reading(uint32_t at) {
    select_chip();
    put(READ);
    put_address(at);
}

static bool holds(uint32_t at, const uint8_t *bytes, size_t length) {
    bool same = true;
    begin_reading(at);
    for (size_t i = 0; same && i < length; i++) {
        same = get() == bytes[i];
    }
    deselect_chip();
    return same;
}

bool flash_init(void) {
    REG32(FMC + TYPES) = (REG32(FMC + TYPES) & ~(uint32_t)TYPE_0_MASK) | WRITE_ENABLED_0 | SPI_0;
    select_chip();
    put(READ_ID);
    uint32_t id = (uint32_t)get() << 16;
    id |= (uint32_t)get() << 8;
    id |= get();
    deselect_chip();
    return id == ID_SST25VF032B && unprotect();
}

bool flash_read(uint32_t at, void *data, size_t length) {
    uint8_t *bytes = data;
    if (outside(at, length)) {
        return false;
    }
    begin_reading(at);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = get();
    }
    deselect_chip();
    return true;
}

bool flash_erase(uint32_t at) {
    if (at % FLASH_SECTOR_BYTES || outside(at, FLASH_SECTOR_BYTES)) {
        return false;
    }
    command(WRITE_ENABLE);
    select_chip();
    put(ERASE_4K);
    put_address(at);
    deselect_chip();
    return wait_until_done();
}

bool flash_program(uint32_t at, const void *data, size_t length) {
    const uint8_t *bytes = data;
    if (outside(at, length)) {
        return false;
    }
    size_t head = length && at % 2, pairs = (length - head) / 2 * 2, tail = head + pairs;
    return (!head || program_byte(at, bytes[0])) && program_pairs(at + (uint32_t)head, bytes + head, pairs) &&
           (tail == length || program_byte(at + (uint32_t)tail, bytes[tail])) && holds(at, bytes, length);
}
