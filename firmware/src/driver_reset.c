#include "driver_reset.h"

#include "cpu.h"

_Noreturn void reset_now(void) {
    cpu_request_reset();
    for (;;) {
    }
}
