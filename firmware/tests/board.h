// The board that the host tests are built for. What it can do is a variable, so that one program tests boards
// with and without storage; who links blocks.c, memory.c or image.c defines it.
#pragma once
#include <stdint.h>

#define BOARD_NAME "host"
#define BOARD_ID BOARD_AST1030
#define BOARD_CAPABILITIES board_capabilities

extern uint16_t board_capabilities;

#define TMP105_BUS 0
#define TMP105_ADDRESS 0x48
#define EMC1413_BUS 0
#define EMC1413_ADDRESS 0x4C
#define ADM1272_BUS 1
#define ADM1272_ADDRESS 0x10
#define ADM1272_SHUNT_UOHM 300
#define MAX31785_BUS 1
#define MAX31785_ADDRESS 0x52
