/* A Modbus server on libmodbus, for the tests: registers are set by lines on stdin, "space address value".
 *
 *   modbus_server tcp PORT          any number of clients, any unit id
 *   modbus_server rtu DEVICE UNIT   115200 8N1
 */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

static modbus_mapping_t *map;

static void set(char *line)
{
    char space;
    int address, value;
    if (sscanf(line, "%c %d %d", &space, &address, &value) != 3)
        return;
    switch (space) {
    case 'h': map->tab_registers[address] = value; break;
    case 'i': map->tab_input_registers[address] = value; break;
    case 'c': map->tab_bits[address] = value; break;
    case 'd': map->tab_input_bits[address] = value; break;
    }
    printf("%s", line);
    fflush(stdout);
}

static int serve(modbus_t *bus)
{
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    int length = modbus_receive(bus, request);
    if (length > 0)
        modbus_reply(bus, request, length, map);
    else
        modbus_flush(bus); /* libmodbus takes what follows a request to another unit for its answer */
    return length;
}

int main(int argc, char **argv)
{
    int tcp = argc > 2 && !strcmp(argv[1], "tcp"), listener = -1, highest;
    modbus_t *bus = tcp ? modbus_new_tcp("127.0.0.1", atoi(argv[2]))
                        : modbus_new_rtu(argv[2], 115200, 'N', 8, 1);
    fd_set all, ready;
    char line[80];

    setvbuf(stdin, NULL, _IONBF, 0); /* what select does not see must not wait in a buffer */
    map = modbus_mapping_new(65536, 65536, 65536, 65536);
    if (!bus || !map)
        return 1;
    FD_ZERO(&all);
    FD_SET(0, &all);
    if (tcp) {
        listener = modbus_tcp_listen(bus, 8);
        highest = listener;
    } else {
        modbus_set_slave(bus, atoi(argv[3]));
        if (modbus_connect(bus) < 0)
            return 1;
        highest = modbus_get_socket(bus);
    }
    FD_SET(highest, &all);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        ready = all;
        if (select(highest + 1, &ready, NULL, NULL, NULL) < 0)
            return 1;
        for (int fd = 0; fd <= highest; fd++) {
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == 0) {
                if (!fgets(line, sizeof line, stdin))
                    return 0;
                set(line);
            } else if (fd == listener) {
                int client = modbus_tcp_accept(bus, &listener);
                FD_SET(client, &all);
                highest = client > highest ? client : highest;
            } else {
                modbus_set_socket(bus, fd);
                if (serve(bus) < 0 && tcp) {
                    close(fd);
                    FD_CLR(fd, &all);
                }
            }
        }
    }
}
