// The AST1030 evaluation board with the node's chips on its I2C buses 0 and 1.
// Source of addresses and interrupts: ASPEED AST1030 data sheet, memory map; as QEMU's ast1030-evb has them.
#pragma once

#define BOARD_NAME "ast1030"
#define BOARD_ID BOARD_AST1030
#define BOARD_CAPABILITIES (CAPABILITY_STORAGE | CAPABILITY_UPDATE | CAPABILITY_WATCHDOG)

#define CPU_HZ 200000000u
#define UART_IRQ 8  // UART5

#define TMP105_BUS 0
#define TMP105_ADDRESS 0x48
#define EMC1413_BUS 0
#define EMC1413_ADDRESS 0x4C
#define ADM1272_BUS 1
#define ADM1272_ADDRESS 0x10
#define ADM1272_SHUNT_UOHM 300
#define MAX31785_BUS 1
#define MAX31785_ADDRESS 0x52
