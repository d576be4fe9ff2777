/* Where the weights are. See temporal_weights.h. */
#include "temporal_weights.h"

#include "ruv_temporal.h"
#include "sdkconfig.h"

#ifdef CONFIG_CSI_TEMPORAL_HEAD_ENABLED

#if defined(CONFIG_CSI_TEMPORAL_WEIGHTS_EMBEDDED)

/* The names that EMBED_FILES gives to ruv_temporal_weights.rvne. */
extern const uint8_t s_start[] __asm__("_binary_ruv_temporal_weights_rvne_start");
extern const uint8_t s_end[] __asm__("_binary_ruv_temporal_weights_rvne_end");

esp_err_t temporal_weights_find(const uint8_t **out_bytes, size_t *out_len)
{
    *out_bytes = s_start;
    *out_len = (size_t)((uintptr_t)s_end - (uintptr_t)s_start);
    return ESP_OK;
}

void temporal_weights_release(void) {}

#elif defined(CONFIG_CSI_TEMPORAL_WEIGHTS_NVS)

#include <stdlib.h>

#include "nvs.h"

static uint8_t *s_bytes;

esp_err_t temporal_weights_find(const uint8_t **out_bytes, size_t *out_len)
{
    nvs_handle_t nvs;
    esp_err_t err = nvs_open("rvne", NVS_READONLY, &nvs);
    if (err != ESP_OK) {
        return ESP_ERR_NOT_FOUND;
    }
    size_t len = 0;
    err = nvs_get_blob(nvs, "weights", NULL, &len);
    if (err != ESP_OK || len == 0) {
        nvs_close(nvs);
        return ESP_ERR_NOT_FOUND;
    }
    temporal_weights_release();
    s_bytes = malloc(len);
    err = s_bytes == NULL ? ESP_ERR_NO_MEM : nvs_get_blob(nvs, "weights", s_bytes, &len);
    nvs_close(nvs);
    if (err != ESP_OK) {
        temporal_weights_release();
        return err;
    }
    *out_bytes = s_bytes;
    *out_len = len;
    return ESP_OK;
}

void temporal_weights_release(void)
{
    free(s_bytes);
    s_bytes = NULL;
}

#else /* CONFIG_CSI_TEMPORAL_WEIGHTS_PARTITION */

#include <stdbool.h>

#include "esp_partition.h"

static esp_partition_mmap_handle_t s_map;
static bool s_is_mapped;

esp_err_t temporal_weights_find(const uint8_t **out_bytes, size_t *out_len)
{
    const esp_partition_t *partition =
        esp_partition_find_first(ESP_PARTITION_TYPE_DATA, ESP_PARTITION_SUBTYPE_ANY, "rvne");
    if (partition == NULL) {
        return ESP_ERR_NOT_FOUND;
    }
    temporal_weights_release();
    const void *bytes = NULL;
    esp_err_t err =
        esp_partition_mmap(partition, 0, partition->size, ESP_PARTITION_MMAP_DATA, &bytes, &s_map);
    if (err != ESP_OK) {
        return err;
    }
    s_is_mapped = true;
    /* A partition that was never written is all ones. */
    static const uint8_t magic[4] = {0x45, 0x4E, 0x56, 0x52};
    for (size_t i = 0; i < sizeof(magic); i++) {
        if (((const uint8_t *)bytes)[i] != magic[i]) {
            temporal_weights_release();
            return ESP_ERR_NOT_FOUND;
        }
    }
    err = ruv_temporal_blob_len(bytes, partition->size, out_len);
    if (err != ESP_OK) {
        temporal_weights_release();
        return err;
    }
    *out_bytes = bytes;
    return ESP_OK;
}

void temporal_weights_release(void)
{
    if (s_is_mapped) {
        esp_partition_munmap(s_map);
        s_is_mapped = false;
    }
}

#endif
#endif /* CONFIG_CSI_TEMPORAL_HEAD_ENABLED */
