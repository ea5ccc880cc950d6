// An append log in one of two sectors. When it is full, the newest record of each kind moves to the other
// sector, whose head is written last: until that moment the old sector holds, from then on the new one.
// A sector that a power cut left with a torn record at its end is full, too.
#include "store.h"

#include "crc32.h"
#include "driver_flash.h"
#include "layout.h"

#define SECTOR_MAGIC 0x45415331u

enum { CHUNK_BYTES = 32 };

struct sector_head {
    uint32_t magic;
    uint32_t generation;  // the higher one holds
    uint32_t crc;         // of the above
};

struct record_head {
    uint32_t crc;  // of all that follows, data included
    uint16_t length;
    uint16_t kind;
};

// The newest records of all kinds, at their longest, leave room in a sector.
_Static_assert(sizeof(struct sector_head) +
                       STORE_KINDS * (sizeof(struct record_head) + STORE_RECORD_MAX) <
                   FLASH_SECTOR_BYTES,
               "a sector is too small");

static struct {
    bool open;            // there is a flash chip, and its records are known
    uint32_t sector;      // the one that holds
    uint32_t generation;  // 0: neither holds
    uint32_t end;         // where the next record goes, from the start of the sector
    uint16_t places[STORE_KINDS];  // of the newest records, likewise; 0: none
} now;

static uint32_t crc_of_sector_head(const struct sector_head *head) {
    return crc32_update(0, head, offsetof(struct sector_head, crc));
}

static uint32_t crc_of_record_head(const struct record_head *head) {
    return crc32_update(0, &head->length, sizeof *head - offsetof(struct record_head, length));
}

static uint32_t record_bytes(const struct record_head *head) {
    return (uint32_t)sizeof *head + head->length;
}

static uint32_t at_most(uint32_t limit, uint32_t value) {
    return value < limit ? value : limit;
}

static uint32_t other_sector(void) {
    return now.sector == STORE_AT ? STORE_AT + FLASH_SECTOR_BYTES : STORE_AT;
}

// The generation of a sector; 0 if it does not hold.
static uint32_t sector_generation(uint32_t sector) {
    struct sector_head head;
    if (!flash_read(sector, &head, sizeof head) || head.magic != SECTOR_MAGIC ||
        head.crc != crc_of_sector_head(&head)) {
        return 0;
    }
    return head.generation;
}

// The CRC continued over `length` bytes of the sector that holds.
static bool crc_of_flash(uint32_t at, uint32_t length, uint32_t *crc) {
    uint8_t chunk[CHUNK_BYTES];
    for (uint32_t done = 0; done < length; done += CHUNK_BYTES) {
        uint32_t part = at_most(CHUNK_BYTES, length - done);
        if (!flash_read(now.sector + at + done, chunk, part)) {
            return false;
        }
        *crc = crc32_update(*crc, chunk, part);
    }
    return true;
}

// Whether a whole record lies at `at`; its head.
static bool read_record(uint32_t at, struct record_head *head) {
    if (at + sizeof *head > FLASH_SECTOR_BYTES || !flash_read(now.sector + at, head, sizeof *head)) {
        return false;
    }
    if (head->kind == 0 || head->kind >= STORE_KINDS || head->length == 0 ||
        head->length > STORE_RECORD_MAX || at + record_bytes(head) > FLASH_SECTOR_BYTES) {
        return false;
    }
    uint32_t crc = crc_of_record_head(head);
    return crc_of_flash(at + (uint32_t)sizeof *head, head->length, &crc) && crc == head->crc;
}

static bool erased_from(uint32_t at) {
    uint8_t chunk[CHUNK_BYTES];
    for (; at < FLASH_SECTOR_BYTES; at += CHUNK_BYTES) {
        uint32_t part = at_most(CHUNK_BYTES, FLASH_SECTOR_BYTES - at);
        if (!flash_read(now.sector + at, chunk, part)) {
            return false;
        }
        for (uint32_t i = 0; i < part; i++) {
            if (chunk[i] != 0xFF) {
                return false;
            }
        }
    }
    return true;
}

// Note where the newest records are, and where the next one goes.
static void find_records(void) {
    struct record_head head;
    uint32_t at = sizeof(struct sector_head);
    for (unsigned kind = 0; kind < STORE_KINDS; kind++) {
        now.places[kind] = 0;
    }
    while (now.generation != 0 && read_record(at, &head)) {
        now.places[head.kind] = (uint16_t)at;
        at += record_bytes(&head);
    }
    now.end = now.generation != 0 && erased_from(at) ? at : FLASH_SECTOR_BYTES;
}

static bool write_record(uint32_t at, enum store_kind kind, const void *data, uint16_t length) {
    struct record_head head = {.length = length, .kind = (uint16_t)kind};
    head.crc = crc32_update(crc_of_record_head(&head), data, length);
    return flash_program(at, &head, sizeof head) && flash_program(at + (uint32_t)sizeof head, data, length);
}

// Copy the newest record of a kind into the other sector, at `*end`, and move that on.
static bool move_record(unsigned kind, uint32_t *end) {
    struct record_head head;
    uint8_t chunk[CHUNK_BYTES];
    uint32_t place = now.places[kind];
    if (place == 0) {
        return true;
    }
    if (!read_record(place, &head)) {
        return false;
    }
    uint32_t length = record_bytes(&head);
    for (uint32_t done = 0; done < length; done += CHUNK_BYTES) {
        uint32_t part = at_most(CHUNK_BYTES, length - done);
        if (!flash_read(now.sector + place + done, chunk, part) ||
            !flash_program(other_sector() + *end + done, chunk, part)) {
            return false;
        }
    }
    *end += length;
    return true;
}

static bool write_sector_head(uint32_t sector, uint32_t generation) {
    struct sector_head head = {.magic = SECTOR_MAGIC, .generation = generation};
    head.crc = crc_of_sector_head(&head);
    return flash_program(sector, &head, sizeof head);
}

// Begin the other sector with the record, and the newest of all other kinds.
static bool save_in_other_sector(enum store_kind kind, const void *data, uint16_t length) {
    uint32_t sector = other_sector();
    uint32_t end = sizeof(struct sector_head);
    if (!flash_erase(sector)) {
        return false;
    }
    for (unsigned moved = 1; moved < STORE_KINDS; moved++) {
        if (moved != kind && !move_record(moved, &end)) {
            return false;
        }
    }
    if (!write_record(sector + end, kind, data, length) || !write_sector_head(sector, now.generation + 1)) {
        return false;
    }
    now.sector = sector;
    now.generation++;
    find_records();
    return true;
}

bool store_open(void) {
    now.open = flash_init();
    if (!now.open) {
        return false;
    }
    uint32_t first = sector_generation(STORE_AT);
    uint32_t second = sector_generation(STORE_AT + FLASH_SECTOR_BYTES);
    now.sector = first >= second ? STORE_AT : STORE_AT + FLASH_SECTOR_BYTES;
    now.generation = first >= second ? first : second;
    find_records();
    return true;
}

bool store_load(enum store_kind kind, void *data, uint16_t length) {
    struct record_head head;
    uint32_t place = now.places[kind];
    return now.open && place != 0 && read_record(place, &head) && head.length == length &&
           flash_read(now.sector + place + (uint32_t)sizeof head, data, length);
}

bool store_save(enum store_kind kind, const void *data, uint16_t length) {
    if (!now.open || length == 0 || length > STORE_RECORD_MAX) {
        return false;
    }
    uint32_t at = now.end;
    if (at + sizeof(struct record_head) + length > FLASH_SECTOR_BYTES) {
        return save_in_other_sector(kind, data, length);
    }
    now.end = FLASH_SECTOR_BYTES;  // in case that writing fails half-way
    if (!write_record(now.sector + at, kind, data, length)) {
        return false;
    }
    now.places[kind] = (uint16_t)at;
    now.end = at + (uint32_t)sizeof(struct record_head) + length;
    return true;
}
