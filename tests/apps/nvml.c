/* A stand-in for NVIDIA's libnvidia-ml.so.1: it tells what lies in the files of the folder $NVML_STANDIN.

   driver              a number: what nvmlInit returns (0: well)
   driver_version      its version
   every               a number: what every call about any GPU returns, as after the driver was lost
   <slot>/<field>      a number or text; "!<n>" makes the call return the error n; no file: not supported
   <slot>/handle       "!<n>": the GPU is counted, but no handle of it is given
   <slot>/hang         while it exists, every call about this GPU waits
   <slot>/processes    lines of "pid bytes percent"; "-" for bytes: not available
   <slot>/slice<k>/…   the same for a MIG slice of it

   A GPU is there while its slot has a "uuid". As in the real library, nvmlInit counts the GPUs in PCI order (here: by
   slot), a handle stays with its card, and a card that was taken away answers "GPU is lost". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, LOST = 15, MOST = 64, SLICES = 7 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;
typedef struct { unsigned pid; unsigned long long stamp; unsigned sm, memory, encoder, decoder; } Busy;
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } Pci;

/* What a handle points to: a folder below the home. */
typedef struct { char folder[32]; int slot; } Card;
static Card slots[MOST], slices[MOST][SLICES];
static int counted[MOST], count_of_all;

static FILE *open_file(const char *folder, const char *field) {
    char path[4096];
    const char *home = getenv("NVML_STANDIN");
    if (!home) return NULL;
    snprintf(path, sizeof path, "%s/%s%s%s", home, folder, *folder ? "/" : "", field);
    return fopen(path, "r");
}

static int exists(const char *folder, const char *field) {
    FILE *file = open_file(folder, field);
    if (file) fclose(file);
    return file != NULL;
}

static int line(const char *folder, const char *field, char *value, size_t size) {
    FILE *file = open_file(folder, field);
    if (!file) return NOT_SUPPORTED;
    size_t length = fread(value, 1, size - 1, file);
    fclose(file);
    value[length] = 0;
    value[strcspn(value, "\n")] = 0;
    return value[0] == '!' ? atoi(value + 1) : OK;
}

static int text(void *handle, const char *field, char *value, size_t size) {
    const Card *card = handle;
    char digits[16];
    while (exists(card->folder, "hang")) usleep(10000);
    if (line("", "every", digits, sizeof digits) == OK) return atoi(digits);
    if (!exists(slots[card->slot].folder, "uuid")) return LOST;
    return line(card->folder, field, value, size);
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
    char digits[16];
    (void)flags;
    if (line("", "driver", digits, sizeof digits) == OK && atoi(digits)) return atoi(digits);
    count_of_all = 0;
    for (int slot = 0; slot < MOST; ++slot) {
        slots[slot].slot = slot;
        snprintf(slots[slot].folder, sizeof slots[slot].folder, "%d", slot);
        if (exists(slots[slot].folder, "uuid")) counted[count_of_all++] = slot;
    }
    return OK;
}
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == LOST ? "GPU is lost" : "stand-in error"; }
int nvmlSystemGetDriverVersion(char *version, unsigned size) { return line("", "driver_version", version, size); }

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = (unsigned)count_of_all;
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    char refusal[16];
    if (index >= (unsigned)count_of_all) return INVALID;
    Card *card = &slots[counted[index]];
    int result = text(card, "handle", refusal, sizeof refusal);
    if (result != OK && result != NOT_SUPPORTED) return result;
    *handle = card;
    return OK;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *present, unsigned *pending) {
    char digits[16];
    int result = text(handle, "mig", digits, sizeof digits);
    if (result == OK) *present = *pending = (unsigned)atoi(digits);
    return result;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) {
    (void)handle;
    *count = SLICES;
    return OK;
}
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **slice) {
    const Card *card = handle;
    if (index >= SLICES) return INVALID;
    Card *found = &slices[card->slot][index];
    found->slot = card->slot;
    snprintf(found->folder, sizeof found->folder, "%d/slice%u", card->slot, index);
    if (!exists(found->folder, "uuid")) return NOT_FOUND;
    *slice = found;
    return OK;
}
int nvmlDeviceGetPciInfo_v3(void *handle, Pci *pci) {
    memset(pci, 0, sizeof *pci);
    return text(handle, "pci", pci->bus_id, sizeof pci->bus_id);
}
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    char numbers[16];
    int result = text(handle, "compute", numbers, sizeof numbers);
    return result == OK && sscanf(numbers, "%d.%d", major, minor) != 2 ? INVALID : result;
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
    FILE *file = result == OK ? open_file(((Card *)handle)->folder, "processes") : NULL;
    if (!file) return OK;
    unsigned pid, percent;
    char bytes[32];
    while (fscanf(file, "%u %31s %u", &pid, bytes, &percent) == 3) {
        unsigned long long used = *bytes == '-' ? ~0ULL : strtoull(bytes, NULL, 10);
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
