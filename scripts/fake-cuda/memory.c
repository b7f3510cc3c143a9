/* Stands in for the memory, streams and graphs of CUDA 13's runtime: the GPU's memory is ordinary memory, a copy is a copy,
   and kernels compute nothing. With FAKE_CUDA_LOG=FILE each copy is a line of it: kind, bytes, where from, where to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of cudaDeviceProp in CUDA 13, and where what ONNX Runtime asks for lies in it. */
enum { PROPERTIES = 1008, TOTAL_MEMORY = 288, SHARED = 296, REGISTERS = 304, WARP = 308, THREADS = 320, THREAD_DIMS = 324,
       GRID_DIMS = 336, MAJOR = 360, MINOR = 364, PROCESSORS = 384, UNIFIED = 588, THREADS_EACH = 604 };
/* Numbers of cudaDeviceAttr. */
enum { ATTRIBUTE_THREADS = 1, ATTRIBUTE_WARP = 10, ATTRIBUTE_PROCESSORS = 16, ATTRIBUTE_MAJOR = 75, ATTRIBUTE_MINOR = 76 };

static void log_copy(const char *kind, size_t bytes, const void *from, const void *to) {
  static FILE *file;
  const char *path = getenv("FAKE_CUDA_LOG");
  if (!path || (!file && !(file = fopen(path, "a")))) return;
  fprintf(file, "%s %zu %p %p\n", kind, bytes, from, to);
  fflush(file);
}

static void set(void *properties, int at, int value) { memcpy((char *)properties + at, &value, sizeof value); }

int cudaGetDeviceProperties(void *properties, int device) {
  size_t total = (size_t)16 << 30, shared = 48 << 10;
  (void)device;
  memset(properties, 0, PROPERTIES);
  strcpy(properties, "none: a stand-in");
  memcpy((char *)properties + TOTAL_MEMORY, &total, sizeof total);
  memcpy((char *)properties + SHARED, &shared, sizeof shared);
  set(properties, REGISTERS, 65536), set(properties, WARP, 32), set(properties, THREADS, 1024);
  for (int i = 0; i < 3; i++) set(properties, THREAD_DIMS + 4 * i, 1024), set(properties, GRID_DIMS + 4 * i, 65535);
  set(properties, MAJOR, 9), set(properties, MINOR, 0), set(properties, PROCESSORS, 16);
  set(properties, THREADS_EACH, 2048), set(properties, UNIFIED, 1);
  return 0;
}

int cudaDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  switch (attribute) {
    case ATTRIBUTE_THREADS: *value = 1024; break;
    case ATTRIBUTE_WARP: *value = 32; break;
    case ATTRIBUTE_PROCESSORS: *value = 16; break;
    case ATTRIBUTE_MAJOR: *value = 9; break;
    case ATTRIBUTE_MINOR: *value = 0; break;
    default: *value = 1;
  }
  return 0;
}

static int allocate(void **memory, size_t bytes) {
  bytes = (bytes + 255) & ~(size_t)255;
  *memory = aligned_alloc(256, bytes ? bytes : 256);
  if (!*memory) return 2;
  memset(*memory, 0, bytes);
  return 0;
}
int cudaMalloc(void **memory, size_t bytes) { return allocate(memory, bytes); }
int cudaMallocHost(void **memory, size_t bytes) { return allocate(memory, bytes); }
int cudaHostAlloc(void **memory, size_t bytes, unsigned flags) { (void)flags; return allocate(memory, bytes); }
int cudaFree(void *memory) { free(memory); return 0; }
int cudaFreeHost(void *memory) { free(memory); return 0; }
int cudaMemGetInfo(size_t *left, size_t *total) { *left = (size_t)8 << 30, *total = (size_t)16 << 30; return 0; }
int cudaMemset(void *memory, int value, size_t bytes) { memset(memory, value, bytes); return 0; }
int cudaMemsetAsync(void *memory, int value, size_t bytes, void *stream) { (void)stream; return cudaMemset(memory, value, bytes); }

int cudaMemcpy(void *to, const void *from, size_t bytes, int kind) {
  static const char *const names[] = {"host-to-host", "host-to-device", "device-to-host", "device-to-device", "any"};
  log_copy(names[kind >= 0 && kind < 5 ? kind : 4], bytes, from, to);
  memmove(to, from, bytes);
  return 0;
}
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) { (void)stream; return cudaMemcpy(to, from, bytes, kind); }

/* Memory that nobody has told CUDA about, as the host's is. */
int cudaPointerGetAttributes(void *attributes, const void *memory) { (void)memory; memset(attributes, 0, 88); return 0; }
int cudaFuncGetAttributes(void *attributes, const void *function) { (void)function; memset(attributes, 0, 144); return 0; }
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks) { *blocks = 1; return 0; }

int cudaGetDevice(int *device) { *device = 0; return 0; }
int cudaGetDeviceCount(int *count) { *count = 1; return 0; }
int cudaDriverGetVersion(int *version) { *version = 13000; return 0; }
int cudaRuntimeGetVersion(int *version) { *version = 13000; return 0; }
const char *cudaGetErrorString(int error) { (void)error; return "an error of the stand-in"; }
const char *cudaGetErrorName(int error) { (void)error; return "stand-in"; }

static int handle(void **made) { *made = calloc(1, 64); return *made ? 0 : 2; }
int cudaStreamCreate(void **stream) { return handle(stream); }
int cudaStreamCreateWithFlags(void **stream, unsigned flags) { (void)flags; return handle(stream); }
int cudaStreamIsCapturing(void *stream, int *status) { (void)stream; *status = 0; return 0; }
int cudaStreamEndCapture(void *stream, void **graph) { (void)stream; log_copy("captured", 0, 0, 0); return handle(graph); }
int cudaGraphInstantiate(void **ready, void *graph, unsigned long long flags) { (void)graph, (void)flags; return handle(ready); }
int cudaGraphLaunch(void *ready, void *stream) { (void)ready, (void)stream; log_copy("replayed", 0, 0, 0); return 0; }
int cudaEventCreate(void **event) { return handle(event); }
int cudaEventCreateWithFlags(void **event, unsigned flags) { (void)flags; return handle(event); }
int cudaEventElapsedTime(float *milliseconds) { *milliseconds = 0.01f; return 0; }
void **__cudaRegisterFatBinary(void *binary) { static void *registered; (void)binary; return &registered; }
