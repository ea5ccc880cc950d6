// One request by libmodbus, which shares no line with us:
//   libmodbus_master PORT SLAVE input|holding ADDRESS COUNT     prints the registers, one a line
//   libmodbus_master PORT SLAVE write ADDRESS VALUE...          one value by function 6, more by 16
// Ends with 1 and libmodbus's word for it when the slave refuses or does not answer.
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORT = 1, SLAVE, WHAT, ADDRESS, REST, BAUD = 115200, ANSWER_US = 1000000 };

static int write_registers(modbus_t *line, int address, char **values, int count) {
    uint16_t words[MODBUS_MAX_WRITE_REGISTERS];
    for (int i = 0; i < count; i++) {
        words[i] = (uint16_t)strtoul(values[i], NULL, 0);
    }
    return count == 1 ? modbus_write_register(line, address, words[0])
                      : modbus_write_registers(line, address, count, words);
}

static int read_registers(modbus_t *line, const char *space, int address, int count) {
    uint16_t words[MODBUS_MAX_READ_REGISTERS];
    int got = strcmp(space, "input") ? modbus_read_registers(line, address, count, words)
                                     : modbus_read_input_registers(line, address, count, words);
    for (int i = 0; i < got; i++) {
        printf("%u\n", words[i]);
    }
    return got;
}

int main(int argc, char **argv) {
    if (argc <= REST || argc - REST > MODBUS_MAX_WRITE_REGISTERS) {
        fprintf(stderr, "wrong number of arguments\n");
        return 2;
    }
    modbus_t *line = modbus_new_rtu(argv[PORT], BAUD, 'N', 8, 1);
    if (!line || modbus_set_slave(line, atoi(argv[SLAVE])) || modbus_connect(line) ||
        modbus_set_response_timeout(line, 0, ANSWER_US - 1)) {
        fprintf(stderr, "%s: %s\n", argv[PORT], modbus_strerror(errno));
        return 2;
    }
    int address = (int)strtoul(argv[ADDRESS], NULL, 0);
    int done = strcmp(argv[WHAT], "write") ? read_registers(line, argv[WHAT], address, atoi(argv[REST]))
                                           : write_registers(line, address, argv + REST, argc - REST);
    if (done < 0) {
        fprintf(stderr, "%s\n", modbus_strerror(errno));
    }
    modbus_close(line);
    modbus_free(line);
    return done < 0;
}
