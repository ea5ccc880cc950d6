# Cortex-M3, started at 0 as the emulator or the board's loader puts it there.
CPU := -mcpu=cortex-m3 -mfloat-abi=soft
ROM_BASE := 0x00000000
RAM_BASE := 0x20000000
RETAINED_BASE := 0x20010000
