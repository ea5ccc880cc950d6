// ARM's MPS2 board with the AN385 image: a Cortex-M3, and the node's chips on the I2C bus of shield 1.
// Source of addresses and interrupts: ARM DAI 0385, tables 3-1 and on.
#pragma once

#define BOARD_NAME "mps2"
#define BOARD_ID BOARD_MPS2
#define BOARD_CAPABILITIES CAPABILITY_WATCHDOG

#define CPU_HZ 25000000u
#define UART_IRQ 0  // UART 0, receive

#define TMP105_BUS 0
#define TMP105_ADDRESS 0x48
#define EMC1413_BUS 0
#define EMC1413_ADDRESS 0x4C
#define ADM1272_BUS 0
#define ADM1272_ADDRESS 0x10
#define ADM1272_SHUNT_UOHM 300
#define MAX31785_BUS 0
#define MAX31785_ADDRESS 0x52
