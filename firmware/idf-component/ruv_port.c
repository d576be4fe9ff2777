/* What libruv_temporal.a asks of the system, by ESP-IDF. */
#include "ruv_port.h"

#include <stdlib.h>

#include "esp_log.h"
#include "freertos/FreeRTOS.h"

static portMUX_TYPE s_lock = portMUX_INITIALIZER_UNLOCKED;

void ruv_port_lock(void)
{
    portENTER_CRITICAL(&s_lock);
}

void ruv_port_unlock(void)
{
    portEXIT_CRITICAL(&s_lock);
}

RUV_NORETURN void ruv_port_panic(const uint8_t *file, size_t len, uint32_t line)
{
    ESP_LOGE("ruv_temporal", "fault at %.*s:%u", (int)len, (const char *)file, (unsigned)line);
    abort();
}
