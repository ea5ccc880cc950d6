// What the node keeps: over a reset in retained memory, over a power cut in the store.
#pragma once
#include <stdint.h>

#include "node.h"

// Take over what was kept, and count this start.
void memory_restore(struct node *node, uint64_t now_ms);

// Keep what has changed: settings at once, energy in retained memory always and in the store each minute.
void memory_keep(struct node *node, uint64_t now_ms);
