/* DCMI power management for ipmi_sim, as a module that it loads.
 *
 *   loadlib "<this>" "<directory>"
 *
 * The directory has the machine: `power_w`, what it takes now (empty: not measured), and `limit`, the
 * power limit in W, whether it is active, and the exception action. A file `no_limit` makes the BMC one
 * that cannot limit, `no_power` one that cannot measure.
 *
 * Source: Intel, Data Center Manageability Interface Specification 1.5, 6.6 "Power Management".
 */
#include <OpenIPMI/mcserv.h>
#include <OpenIPMI/serv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { DCMI = 0xDC };
enum { GET_POWER_READING = 0x02, GET_POWER_LIMIT = 0x03, SET_POWER_LIMIT = 0x04, ACTIVATE_POWER_LIMIT = 0x05 };
enum { OK = 0x00, NO_ACTIVE_LIMIT = 0x80, LIMIT_OUT_OF_RANGE = 0x84, INVALID_COMMAND = 0xC1, TOO_SHORT = 0xC7 };
enum { LIMIT_MIN_W = 100, LIMIT_MAX_W = 900 };

static char directory[200];

static FILE *open_file(const char *name, const char *mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return fopen(path, mode);
}

static bool exists(const char *name)
{
    FILE *file = open_file(name, "r");
    if (file)
        fclose(file);
    return file != NULL;
}

static int power_w(void)
{
    int value = -1;
    FILE *file = open_file("power_w", "r");
    if (file) {
        if (fscanf(file, "%d", &value) != 1)
            value = -1;
        fclose(file);
    }
    return value;
}

struct limit {
    unsigned watts, active, action;
};

static struct limit load_limit(void)
{
    struct limit limit = {0, 0, 0};
    FILE *file = open_file("limit", "r");
    if (file) {
        if (fscanf(file, "%u %u %u", &limit.watts, &limit.active, &limit.action) != 3)
            limit = (struct limit){0, 0, 0};
        fclose(file);
    }
    return limit;
}

static void save_limit(struct limit limit)
{
    FILE *file = open_file("limit", "w");
    if (file) {
        fprintf(file, "%u %u %u\n", limit.watts, limit.active, limit.action);
        fclose(file);
    }
}

static void put16(unsigned char *at, unsigned value)
{
    at[0] = value & 0xFF;
    at[1] = value >> 8 & 0xFF;
}

/* Each answers with the data behind the completion code and the group byte; returns its length. */

static unsigned get_power_reading(unsigned char *code, unsigned char *data)
{
    int now = power_w();
    if (exists("no_power")) {
        *code = INVALID_COMMAND;
        return 0;
    }
    memset(data, 0, 17);
    for (unsigned i = 0; i < 4; i++)
        put16(data + 2 * i, now < 0 ? 0 : (unsigned)now); /* current, minimum, maximum, average */
    put16(data + 12, 1000);                                /* sampling period, ms */
    data[16] = now < 0 ? 0 : 0x40;
    return 17;
}

static unsigned get_power_limit(unsigned char *code, unsigned char *data)
{
    struct limit limit = load_limit();
    memset(data, 0, 13);
    data[2] = limit.action & 0xFF;
    put16(data + 3, limit.watts);
    put16(data + 5, 1000); /* correction time, ms */
    put16(data + 11, 1);   /* sampling period, s */
    *code = limit.active ? OK : NO_ACTIVE_LIMIT;
    return 13;
}

static void set_power_limit(unsigned char *code, const unsigned char *data, unsigned length)
{
    struct limit limit = load_limit();
    if (length < 14) {
        *code = TOO_SHORT;
        return;
    }
    limit.action = data[3];
    limit.watts = data[4] | (unsigned)data[5] << 8;
    if (limit.watts < LIMIT_MIN_W || limit.watts > LIMIT_MAX_W)
        *code = LIMIT_OUT_OF_RANGE;
    else
        save_limit(limit);
}

static void activate_power_limit(unsigned char *code, const unsigned char *data, unsigned length)
{
    struct limit limit = load_limit();
    if (length < 1) {
        *code = TOO_SHORT;
        return;
    }
    limit.active = data[0] == 1;
    save_limit(limit);
}

static void handle(lmc_data_t *mc, msg_t *msg, unsigned char *rdata, unsigned int *rdata_len, void *cb_data)
{
    (void)mc;
    (void)cb_data;
    const unsigned char *data = msg->data + 1;
    unsigned length = msg->len > 0 ? msg->len - 1 : 0, answered = 0;
    rdata[0] = OK;
    rdata[1] = DCMI;
    if (msg->cmd != GET_POWER_READING && exists("no_limit"))
        rdata[0] = INVALID_COMMAND;
    else if (msg->cmd == GET_POWER_READING)
        answered = get_power_reading(rdata, rdata + 2);
    else if (msg->cmd == GET_POWER_LIMIT)
        answered = get_power_limit(rdata, rdata + 2);
    else if (msg->cmd == SET_POWER_LIMIT)
        set_power_limit(rdata, data, length);
    else if (msg->cmd == ACTIVATE_POWER_LIMIT)
        activate_power_limit(rdata, data, length);
    else
        rdata[0] = INVALID_COMMAND;
    *rdata_len = 2 + answered;
}

int ipmi_sim_module_print_version(sys_data_t *sys, char *options)
{
    (void)sys;
    (void)options;
    return 0;
}

int ipmi_sim_module_init(sys_data_t *sys, const char *options)
{
    (void)sys;
    snprintf(directory, sizeof directory, "%s", options ? options : ".");
    ipmi_emu_register_group_extension_handler(DCMI, handle, NULL);
    return 0;
}
