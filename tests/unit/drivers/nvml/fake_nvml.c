/* A libnvidia-ml.so.1 for the tests: two GPUs, the second with MIG. Signatures as NVIDIA's NVML API Reference
 * has them. fake_set changes what it answers, fake_fail makes one function return an error. A process shares all
 * of that with others, which may be killed, in the file that fake_share or FAKE_NVML_STATE names. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };
enum { GPUS = 2, FAILURES = 32, FULL = 0, MIG_PARENT = 1, INSTANCE = 2 };

struct device { int kind; const char *uuid; const char *name; };
struct memory { unsigned long long total, free, used; };
struct utilization { unsigned gpu, memory; };
union field_value { double d; unsigned ui; unsigned long long ull; };
struct field {
    unsigned id, scope;
    long long timestamp, latency_us;
    unsigned type, result;
    union field_value value;
};

static const struct device devices[] = {
    {FULL, "GPU-00000000-1111-2222-3333-444444444444", "NVIDIA Fake 100"},
    {MIG_PARENT, "GPU-55555555-1111-2222-3333-444444444444", "NVIDIA Fake 200"},
    {INSTANCE, "MIG-66666666-1111-2222-3333-444444444444", "NVIDIA Fake 200 MIG 1g.10gb"},
};

struct state {
    struct { char name[64]; long long value; } numbers[32];
    struct { char function[64]; int code; } failures[FAILURES];
};

static struct state own, *state = &own;
static int users;

/* 0 if from now on all is in this file; as before otherwise. NULL: in this process only again. */
int fake_share(const char *path)
{
    struct state *shared = &own;
    if (path) {
        int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0 || ftruncate(file, sizeof *shared))
            return -1;
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (shared == MAP_FAILED)
            return -1;
    }
    if (state != &own)
        munmap(state, sizeof *state);
    state = shared;
    return 0;
}

__attribute__((constructor)) static void share_at_first(void)
{
    const char *path = getenv("FAKE_NVML_STATE");
    if (path && fake_share(path))
        abort();
}

void fake_reset(void)
{
    memset(state, 0, sizeof *state);
    users = 0;
}

void fake_set(const char *name, long long value)
{
    for (int i = 0; i < 32; i++)
        if (!state->numbers[i].name[0] || !strcmp(state->numbers[i].name, name)) {
            snprintf(state->numbers[i].name, sizeof state->numbers[i].name, "%s", name);
            state->numbers[i].value = value;
            return;
        }
}

long long fake_get(const char *name, long long otherwise)
{
    for (int i = 0; i < 32; i++)
        if (!strcmp(state->numbers[i].name, name))
            return state->numbers[i].value;
    return otherwise;
}

void fake_fail(const char *function, int code)
{
    for (int i = 0; i < FAILURES; i++)
        if (!state->failures[i].function[0] || !strcmp(state->failures[i].function, function)) {
            snprintf(state->failures[i].function, sizeof state->failures[i].function, "%s", function);
            state->failures[i].code = code;
            return;
        }
}

int fake_users(void) { return users; }

static int failure(const char *function)
{
    for (int i = 0; i < FAILURES; i++)
        if (!strcmp(state->failures[i].function, function) || !strcmp(state->failures[i].function, "*"))
            return state->failures[i].code;
    return SUCCESS;
}

#define MAY_FAIL() do { int code = failure(__func__); if (code) return code; } while (0)

/* A query that a MIG instance does not have; `supported` tells whether this device has it. */
#define QUERY(supported) do { MAY_FAIL(); if (d->kind == INSTANCE || !(supported)) return NOT_SUPPORTED; } while (0)

typedef const struct device *dev;

const char *nvmlErrorString(int code)
{
    switch (code) {
    case 3: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case 9: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; MAY_FAIL(); users++; return SUCCESS; }
int nvmlShutdown(void) { MAY_FAIL(); users--; return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *n) { MAY_FAIL(); *n = (unsigned)fake_get("gpus", GPUS); return SUCCESS; }

int nvmlDeviceGetHandleByIndex_v2(unsigned i, dev *d)
{
    MAY_FAIL();
    if (i >= GPUS)
        return INVALID_ARGUMENT;
    *d = &devices[fake_get("swapped", 0) ? GPUS - 1 - i : i];
    return SUCCESS;
}

int nvmlDeviceGetName(dev d, char *text, unsigned size)
{
    MAY_FAIL();
    snprintf(text, size, "%s", d->name);
    return SUCCESS;
}

int nvmlDeviceGetUUID(dev d, char *text, unsigned size)
{
    MAY_FAIL();
    snprintf(text, size, "%s", d->uuid);
    return SUCCESS;
}

int nvmlDeviceGetMigMode(dev d, unsigned *now, unsigned *pending)
{
    QUERY(d->kind == MIG_PARENT);
    *now = *pending = 1;
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(dev d, unsigned *n)
{
    QUERY(1);
    *n = 7;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(dev d, unsigned i, dev *instance)
{
    QUERY(1);
    if (i)
        return NOT_FOUND;
    *instance = &devices[INSTANCE];
    return SUCCESS;
}

#define NUMBER(function, type, name, otherwise, supported) \
    int function(dev d, type *value) { QUERY(supported); *value = (type)fake_get(name, otherwise); return SUCCESS; }

NUMBER(nvmlDeviceGetPowerUsage, unsigned, "power_mw", 412500, 1)
NUMBER(nvmlDeviceGetTotalEnergyConsumption, unsigned long long, "energy_mj", 5000000000LL, 1)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, unsigned, "limit_mw", 700000, 1)
NUMBER(nvmlDeviceGetPowerManagementLimit, unsigned, "limit_mw", 700000, 1)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, unsigned, "default_mw", 700000, 1)
NUMBER(nvmlDeviceGetPerformanceState, unsigned, "pstate", 2, 1)
NUMBER(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, "throttle", 4, 1)
NUMBER(nvmlDeviceGetNumFans, unsigned, "fans", 1, d->kind == FULL)

int nvmlDeviceGetTemperature(dev d, unsigned sensor, unsigned *value)
{
    QUERY(sensor == 0);
    *value = (unsigned)fake_get("core_c", 61);
    return SUCCESS;
}

int nvmlDeviceGetClockInfo(dev d, unsigned type, unsigned *value)
{
    QUERY(1);
    long long sm_mhz = fake_get("sm_mhz", 1755), locked_mhz = fake_get("locked_mhz", 0);
    *value = type != 1 ? 2619 : (unsigned)(locked_mhz && locked_mhz < sm_mhz ? locked_mhz : sm_mhz);
    return SUCCESS;
}

int nvmlDeviceGetMaxClockInfo(dev d, unsigned type, unsigned *value)
{
    QUERY(d->kind == FULL);
    *value = type == 1 ? 1980 : 2619;
    return SUCCESS;
}

int nvmlDeviceGetSupportedGraphicsClocks(dev d, unsigned memory_mhz, unsigned *n, unsigned *clocks)
{
    QUERY(memory_mhz == 2619);
    unsigned count = (1980 - 210) / 15 + 1, room = clocks ? *n : 0;
    *n = count;
    if (room < count)
        return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < count; i++)
        clocks[i] = 1980 - 15 * i;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(dev d, struct utilization *u)
{
    QUERY(d->kind == FULL);
    u->gpu = 97;
    u->memory = 40;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(dev d, struct memory *m)
{
    MAY_FAIL();
    m->total = d->kind == INSTANCE ? 10ULL << 30 : 80ULL << 30;
    m->used = (unsigned long long)fake_get("used", 3LL << 30);
    m->free = m->total - m->used;
    return SUCCESS;
}

int nvmlDeviceGetFanSpeed_v2(dev d, unsigned fan, unsigned *value)
{
    QUERY(fan == 0);
    *value = 35;
    return SUCCESS;
}

int nvmlDeviceGetFieldValues(dev d, int n, struct field *fields)
{
    QUERY(1);
    for (int i = 0; i < n; i++) {
        fields[i].result = fields[i].id == 82 ? SUCCESS : NOT_SUPPORTED;
        fields[i].value.ui = (unsigned)fake_get("memory_c", 74);
    }
    return SUCCESS;
}

int nvmlDeviceGetPowerManagementLimitConstraints(dev d, unsigned *lowest, unsigned *highest)
{
    QUERY(1);
    *lowest = 200000;
    *highest = 700000;
    return SUCCESS;
}

int nvmlDeviceSetPowerManagementLimit(dev d, unsigned limit)
{
    QUERY(1);
    if (limit < 200000 || limit > 700000)
        return INVALID_ARGUMENT;
    fake_set("limit_mw", limit);
    return SUCCESS;
}

int nvmlDeviceSetGpuLockedClocks(dev d, unsigned lowest, unsigned highest)
{
    QUERY(d->kind == FULL);
    fake_set("locked_from_mhz", lowest);
    fake_set("locked_mhz", highest);
    return SUCCESS;
}

int nvmlDeviceResetGpuLockedClocks(dev d)
{
    QUERY(d->kind == FULL);
    fake_set("locked_mhz", 0);
    return SUCCESS;
}
