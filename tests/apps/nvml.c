/* A stand-in for NVIDIA's libnvidia-ml.so.1: it tells what lies in the files of the folder $NVML_STANDIN.

   driver              a number: what nvmlInit returns (0: well)
   <index>/<field>     a number; "!<n>" makes the call return the error n; no file: not supported
   <index>/hang        while it exists, every call about this GPU waits
   <index>/processes   lines of "pid bytes percent" */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, MOST = 64 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;
typedef struct { unsigned pid; unsigned long long stamp; unsigned sm, memory, encoder, decoder; } Busy;

static int handles[MOST];

static FILE *open_file(int index, const char *field) {
    char path[4096];
    const char *home = getenv("NVML_STANDIN");
    if (!home) return NULL;
    if (index < 0) snprintf(path, sizeof path, "%s/%s", home, field);
    else snprintf(path, sizeof path, "%s/%d/%s", home, index, field);
    return fopen(path, "r");
}

static int exists(int index, const char *field) {
    FILE *file = open_file(index, field);
    if (file) fclose(file);
    return file != NULL;
}

static int text(void *handle, const char *field, char *value, size_t size) {
    int index = *(int *)handle;
    while (exists(index, "hang")) usleep(10000);
    FILE *file = open_file(index, field);
    if (!file) return NOT_SUPPORTED;
    size_t length = fread(value, 1, size - 1, file);
    fclose(file);
    value[length] = 0;
    value[strcspn(value, "\n")] = 0;
    return value[0] == '!' ? atoi(value + 1) : OK;
}

static int number(void *handle, const char *field, unsigned long long *value) {
    char digits[64];
    int result = text(handle, field, digits, sizeof digits);
    if (result == OK) *value = strtoull(digits, NULL, 10);
    return result;
}

static int small(void *handle, const char *field, unsigned *value) {
    unsigned long long wide = 0;
    int result = number(handle, field, &wide);
    if (result == OK) *value = (unsigned)wide;
    return result;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    int code = OK;
    FILE *file = open_file(-1, "driver");
    if (!file) return OK;
    if (fscanf(file, "%d", &code) != 1) code = OK;
    fclose(file);
    return code;
}
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : "stand-in error"; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    for (*count = 0; *count < MOST && exists((int)*count, "uuid"); ++*count) {}
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    if (index >= MOST || !exists((int)index, "uuid")) return INVALID;
    handles[index] = (int)index;
    *handle = &handles[index];
    return OK;
}
int nvmlDeviceGetName(void *handle, char *name, unsigned size) { return text(handle, "name", name, size); }
int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned size) { return text(handle, "uuid", uuid, size); }
int nvmlDeviceGetMinorNumber(void *handle, unsigned *minor) { return small(handle, "minor", minor); }
int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    int result = number(handle, "memory_total", &memory->total);
    if (result == OK) result = number(handle, "memory_used", &memory->used);
    memory->free = memory->total - memory->used;
    return result;
}
int nvmlDeviceGetUtilizationRates(void *handle, Utilization *rates) { return small(handle, "utilization", &rates->gpu); }
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *degrees) {
    (void)sensor;
    return small(handle, "temperature", degrees);
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) { return small(handle, "power", milliwatts); }
int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *limit) { return small(handle, "power_limit", limit); }
int nvmlDeviceGetClockInfo(void *handle, int kind, unsigned *clock) {
    return small(handle, kind == 0 ? "clock_graphics" : "clock_memory", clock);
}
int nvmlDeviceGetFanSpeed(void *handle, unsigned *percent) { return small(handle, "fan", percent); }
int nvmlDeviceGetCurrPcieLinkGeneration(void *handle, unsigned *value) { return small(handle, "pcie_generation", value); }
int nvmlDeviceGetCurrPcieLinkWidth(void *handle, unsigned *value) { return small(handle, "pcie_width", value); }
int nvmlDeviceGetPcieThroughput(void *handle, int counter, unsigned *kilobytes) {
    return small(handle, counter == 0 ? "pcie_sent" : "pcie_received", kilobytes);
}
int nvmlDeviceGetTotalEccErrors(void *handle, int kind, int counter, unsigned long long *count) {
    (void)counter;
    return number(handle, kind == 0 ? "ecc_corrected" : "ecc_uncorrected", count);
}
int nvmlDeviceGetCurrentClocksEventReasons(void *handle, unsigned long long *bits) {
    return number(handle, "throttle", bits);
}

static int processes(void *handle, Process *list, Busy *busy, unsigned *count) {
    char word[8];
    int result = text(handle, "processes", word, sizeof word);
    if (result != OK && result != NOT_SUPPORTED) return result;
    unsigned room = *count;
    *count = 0;
    FILE *file = result == OK ? open_file(*(int *)handle, "processes") : NULL;
    if (!file) return OK;
    unsigned pid, percent;
    unsigned long long used;
    while (fscanf(file, "%u %llu %u", &pid, &used, &percent) == 3) {
        if (*count < room && list) list[*count] = (Process){pid, used, 0, 0};
        if (*count < room && busy) busy[*count] = (Busy){pid, 1000, percent, 0, 0, 0};
        ++*count;
    }
    fclose(file);
    return *count > room || (*count && !list && !busy) ? TOO_SMALL : OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process *list) {
    return processes(handle, list, NULL, count);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, Process *list) {
    (void)handle, (void)list;
    *count = 0;
    return OK;
}
int nvmlDeviceGetProcessUtilization(void *handle, Busy *samples, unsigned *count, unsigned long long since) {
    (void)since;
    int result = processes(handle, NULL, samples, count);
    return result == OK && *count == 0 ? NOT_FOUND : result;
}
