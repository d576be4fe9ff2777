/* Where the weights are: in the firmware, in NVS, or in a data partition. Kconfig chooses. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "esp_err.h"

/* Finds the blob. The bytes stay valid until temporal_weights_release. ESP_ERR_NOT_FOUND when there
 * is none. */
esp_err_t temporal_weights_find(const uint8_t **out_bytes, size_t *out_len);

/* Gives back what the bytes took. */
void temporal_weights_release(void);
