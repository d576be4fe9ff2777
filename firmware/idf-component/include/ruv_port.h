/* What libruv_temporal.a asks of the system that it runs in. ruv_port.c does it for ESP-IDF. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define RUV_NORETURN [[noreturn]]
extern "C" {
#else
#define RUV_NORETURN _Noreturn
#endif

/* Keep every other task out of the library's heap. They nest. The build with malloc needs none. */
void ruv_port_lock(void);
void ruv_port_unlock(void);

/* The library found a fault of its own. Does not come back. `file` is not terminated.
   The build for the ESP32-S3 calls abort() instead, whose backtrace names the place. */
RUV_NORETURN void ruv_port_panic(const uint8_t *file, size_t len, uint32_t line);

#ifdef __cplusplus
}
#endif
