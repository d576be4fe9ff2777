// The headers as C++ firmware includes them; compiled, never run.
#include "ruv_port.h"
#include "ruv_temporal.h"
#include "temporal_task.h"

esp_err_t use(const uint8_t *weights, size_t len, ruv_temporal_ctx_t **ctx)
{
    const esp_err_t err = ruv_temporal_init(weights, len, 9, 50, 4, ctx);
    return err == ESP_OK ? temporal_task_start(0, 0, 0) : err;
}
