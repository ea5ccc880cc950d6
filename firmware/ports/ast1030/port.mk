# Cortex-M4 without use of its FPU; the boot loader copies the image to SRAM and starts it there.
CPU := -mcpu=cortex-m4 -mfloat-abi=soft
ROM_BASE := 0x10200
RAM_BASE := 0x80000
RETAINED_BASE := 0xBFF00
