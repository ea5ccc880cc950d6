// Records that survive a reset: the newest whole one of each kind. A power cut at any moment of a save
// leaves the record as it was before or as it is after, never a mixture and never nothing.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_RECORD_MAX = 256 };

// The boot loader and applications of other versions share the records: a number is never used again for
// something else, and kinds below STORE_KINDS are kept even by who does not know them.
enum store_kind { STORE_SETTINGS = 1, STORE_ENERGY = 2, STORE_BOOTS = 3, STORE_TRIAL = 4, STORE_KINDS = 8 };

// Find the newest records. False if there is no flash.
bool store_open(void);

// The newest record of a kind; false if there is none of exactly this length.
bool store_load(enum store_kind kind, void *data, uint16_t length);

// Replace it. 1 to STORE_RECORD_MAX bytes; false if it could not be written: then the old one still holds.
bool store_save(enum store_kind kind, const void *data, uint16_t length);
