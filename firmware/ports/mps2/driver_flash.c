// There is no flash on this board.
#include "driver_flash.h"

bool flash_init(void) {
    return false;
}

bool flash_read(uint32_t at, void *data, size_t length) {
    (void)at, (void)data, (void)length;
    return false;
}

bool flash_erase(uint32_t at) {
    (void)at;
    return false;
}

bool flash_program(uint32_t at, const void *data, size_t length) {
    (void)at, (void)data, (void)length;
    return false;
}
