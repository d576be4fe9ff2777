/* A task that owns a temporal head. See temporal_task.h.
 *
 * The task is the only one that touches the head. Frames, other weights and the end come to it
 * through one queue; the queue is made once and kept, so that whoever pushes never finds it gone.
 */
#include "temporal_task.h"

#include "sdkconfig.h"

#ifdef CONFIG_CSI_TEMPORAL_HEAD_ENABLED

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "esp_heap_caps.h"
#include "esp_log.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "ruv_temporal.h"
#include "temporal_weights.h"

#define STACK_BYTES 16384
#define CORE 1
#define PRIORITY 4
#define MAX_CLASSES 16
#define LOG_PERIOD_US 1000000

typedef enum { ITEM_FRAME, ITEM_WEIGHTS, ITEM_STOP } item_kind_t;

typedef struct {
    item_kind_t kind;
    int64_t     time_us;
    union {
        float frame[CONFIG_CSI_TEMPORAL_MAX_INPUT_DIM];
        struct {
            const uint8_t *bytes;
            size_t         len;
        } weights;
    };
} item_t;

static const char *const TAG = "temporal";

static QueueHandle_t        s_queue;
static SemaphoreHandle_t    s_done;  /* the task has done what was asked */
static SemaphoreHandle_t    s_asker; /* one asks at a time */
static esp_err_t            s_answer;
static atomic_bool          s_runs;
static ruv_temporal_ctx_t  *s_ctx;
static uint32_t             s_input_dim;
static uint32_t             s_n_classes;
static uint8_t              s_node_id;
static temporal_task_send_t s_send;
static uint32_t             s_seq;

static atomic_uint s_frames, s_dropped, s_refused, s_held, s_packets, s_classify_us;

void temporal_task_set_output(uint8_t node_id, temporal_task_send_t send)
{
    s_node_id = node_id;
    s_send = send;
}

static void classify(void)
{
    float logits[MAX_CLASSES];
    const int64_t start_us = esp_timer_get_time();
    esp_err_t err = ruv_temporal_classify(s_ctx, logits, s_n_classes);
    if (err == ESP_ERR_INVALID_STATE) {
        return; /* the window is not full yet */
    }
    const int64_t now_us = esp_timer_get_time();
    atomic_store(&s_classify_us, (unsigned)(now_us - start_us));
    ruv_temporal_packet_t packet;
    if (err == ESP_OK) {
        err = ruv_temporal_make_packet(logits, s_n_classes, s_node_id, (uint64_t)now_us, s_seq + 1,
                                       (uint8_t *)&packet);
    }
    if (err != ESP_OK) {
        ESP_LOGW(TAG, "no classification: 0x%x", (unsigned)err);
        return;
    }
    s_seq++;
    atomic_fetch_add(&s_packets, 1);
    if (s_send != NULL) {
        s_send((const uint8_t *)&packet, sizeof(packet));
    }
}

static void take(const item_t *item)
{
    const esp_err_t err = ruv_temporal_push_at(s_ctx, item->frame, item->time_us);
    atomic_fetch_add(&s_frames, 1);
    if (err != ESP_OK) {
        atomic_fetch_add(&s_refused, 1);
    }
    ruv_temporal_stats_t stats;
    if (ruv_temporal_stats(s_ctx, &stats) == ESP_OK) {
        atomic_store(&s_held, stats.held);
    }
}

static void run(void *unused)
{
    (void)unused;
    const int64_t period_us = (int64_t)CONFIG_CSI_TEMPORAL_PERIOD_MS * 1000;
    int64_t next_us = esp_timer_get_time() + period_us;
    int64_t next_log_us = 0;
    unsigned logged = 0;
    bool runs = true;
    while (runs) {
        item_t item;
        /* A short wait keeps the period honest while nothing comes. */
        if (xQueueReceive(s_queue, &item, pdMS_TO_TICKS(10)) == pdTRUE) {
            switch (item.kind) {
            case ITEM_FRAME:
                take(&item);
                break;
            case ITEM_WEIGHTS:
                s_answer = ruv_temporal_set_weights(s_ctx, item.weights.bytes, item.weights.len);
                xSemaphoreGive(s_done);
                break;
            case ITEM_STOP:
                runs = false;
                break;
            }
        }
        const int64_t now_us = esp_timer_get_time();
        if (runs && now_us >= next_us) {
            classify();
            next_us = now_us + period_us;
        }
        const unsigned dropped = atomic_load(&s_dropped);
        if (dropped != logged && now_us >= next_log_us) {
            ESP_LOGW(TAG, "queue full, %u frames dropped", dropped - logged);
            logged = dropped;
            next_log_us = now_us + LOG_PERIOD_US;
        }
    }
    ruv_temporal_destroy(s_ctx);
    s_ctx = NULL;
    xSemaphoreGive(s_done);
    vTaskDelete(NULL);
}

/* Memory for the library, once. */
static esp_err_t find_memory(void)
{
#ifdef CONFIG_CSI_TEMPORAL_HEAP_REGION
    static bool s_has_heap;
    if (!s_has_heap) {
        const size_t len = (size_t)CONFIG_CSI_TEMPORAL_HEAP_KB * 1024;
        uint8_t *region = heap_caps_malloc(len, MALLOC_CAP_8BIT);
        if (region == NULL) {
            return ESP_ERR_NO_MEM;
        }
        const esp_err_t err = ruv_temporal_add_heap(region, len);
        if (err != ESP_OK) {
            heap_caps_free(region);
            return err;
        }
        s_has_heap = true;
    }
#endif
    if (s_queue == NULL) {
        s_queue = xQueueCreate(TEMPORAL_TASK_QUEUE_LEN, sizeof(item_t));
    }
    if (s_done == NULL) {
        s_done = xSemaphoreCreateBinary();
    }
    if (s_asker == NULL) {
        s_asker = xSemaphoreCreateMutex();
    }
    return s_queue == NULL || s_done == NULL || s_asker == NULL ? ESP_ERR_NO_MEM : ESP_OK;
}

/* The first that is not 0. */
static uint32_t choose(uint32_t asked, uint32_t configured, uint32_t of_the_blob)
{
    return asked != 0 ? asked : configured != 0 ? configured : of_the_blob;
}

static esp_err_t make_context(uint32_t input_dim, uint32_t window_len, uint32_t n_classes)
{
    const uint8_t *weights = NULL;
    size_t len = 0;
    esp_err_t err = temporal_weights_find(&weights, &len);
    if (err != ESP_OK) {
        return err;
    }
    ruv_temporal_info_t info;
    err = ruv_temporal_describe(weights, len, &info);
    if (err == ESP_OK) {
        s_input_dim = choose(input_dim, CONFIG_CSI_TEMPORAL_INPUT_DIM, info.input_dim);
        s_n_classes = choose(n_classes, CONFIG_CSI_TEMPORAL_CLASSES, info.n_classes);
        window_len = choose(window_len, CONFIG_CSI_TEMPORAL_WINDOW, info.window_len);
        err = s_input_dim > CONFIG_CSI_TEMPORAL_MAX_INPUT_DIM || s_n_classes > MAX_CLASSES
                  ? ESP_ERR_INVALID_SIZE
                  : ruv_temporal_init(weights, len, s_input_dim, window_len, s_n_classes, &s_ctx);
    }
    temporal_weights_release();
    return err;
}

esp_err_t temporal_task_start(uint32_t input_dim, uint32_t window_len, uint32_t n_classes)
{
    if (atomic_load(&s_runs)) {
        return ESP_OK;
    }
    esp_err_t err = find_memory();
    if (err == ESP_OK) {
        err = ruv_temporal_kernel_self_test();
    }
    if (err == ESP_OK) {
        err = make_context(input_dim, window_len, n_classes);
    }
    if (err != ESP_OK) {
        ESP_LOGE(TAG, "not started: 0x%x", (unsigned)err);
        return err;
    }
    xQueueReset(s_queue);
    s_seq = 0;
    atomic_uint *const counters[] = {&s_frames, &s_dropped, &s_refused,
                                     &s_held,   &s_packets, &s_classify_us};
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        atomic_store(counters[i], 0);
    }
    if (xTaskCreatePinnedToCore(run, "ruv_temporal", STACK_BYTES, NULL, PRIORITY, NULL, CORE)
        != pdPASS) {
        ruv_temporal_destroy(s_ctx);
        s_ctx = NULL;
        return ESP_ERR_NO_MEM;
    }
    atomic_store(&s_runs, true);
    return ESP_OK;
}

esp_err_t temporal_task_push_frame(const float *frame, uint32_t frame_len)
{
    if (frame == NULL || frame_len == 0) {
        return ESP_ERR_INVALID_ARG;
    }
    if (!atomic_load(&s_runs)) {
        return ESP_ERR_NOT_FOUND;
    }
    if (frame_len != s_input_dim) {
        return ESP_ERR_INVALID_SIZE;
    }
    item_t item = {.kind = ITEM_FRAME, .time_us = esp_timer_get_time()};
    memcpy(item.frame, frame, frame_len * sizeof(float));
    if (xQueueSend(s_queue, &item, 0) != pdTRUE) {
        atomic_fetch_add(&s_dropped, 1);
        return ESP_ERR_TIMEOUT;
    }
    return ESP_OK;
}

/* Puts something ahead of the frames that wait, and waits until the task has done it. */
static void ask(const item_t *item)
{
    while (xQueueSendToFront(s_queue, item, portMAX_DELAY) != pdTRUE) {
    }
    while (xSemaphoreTake(s_done, portMAX_DELAY) != pdTRUE) {
    }
}

esp_err_t temporal_task_set_weights(const uint8_t *weights, size_t len)
{
    if (weights == NULL || len == 0) {
        return ESP_ERR_INVALID_ARG;
    }
    if (!atomic_load(&s_runs)) {
        return ESP_ERR_NOT_FOUND;
    }
    const item_t item = {.kind = ITEM_WEIGHTS, .weights = {.bytes = weights, .len = len}};
    xSemaphoreTake(s_asker, portMAX_DELAY);
    /* It may have stopped meanwhile. */
    esp_err_t err = ESP_ERR_NOT_FOUND;
    if (atomic_load(&s_runs)) {
        ask(&item);
        err = s_answer;
    }
    xSemaphoreGive(s_asker);
    return err;
}

esp_err_t temporal_task_get_stats(temporal_task_stats_t *out_stats)
{
    if (out_stats == NULL) {
        return ESP_ERR_INVALID_ARG;
    }
    if (!atomic_load(&s_runs)) {
        return ESP_ERR_NOT_FOUND;
    }
    *out_stats = (temporal_task_stats_t){
        .frames = atomic_load(&s_frames),
        .dropped = atomic_load(&s_dropped),
        .refused = atomic_load(&s_refused),
        .held = atomic_load(&s_held),
        .packets = atomic_load(&s_packets),
        .classify_us = atomic_load(&s_classify_us),
    };
    return ESP_OK;
}

void temporal_task_stop(void)
{
    if (!atomic_load(&s_runs)) {
        return;
    }
    const item_t item = {.kind = ITEM_STOP};
    xSemaphoreTake(s_asker, portMAX_DELAY);
    if (atomic_exchange(&s_runs, false)) {
        ask(&item);
    }
    xSemaphoreGive(s_asker);
}

#else /* !CONFIG_CSI_TEMPORAL_HEAD_ENABLED */

void temporal_task_set_output(uint8_t node_id, temporal_task_send_t send)
{
    (void)node_id;
    (void)send;
}

esp_err_t temporal_task_start(uint32_t input_dim, uint32_t window_len, uint32_t n_classes)
{
    (void)input_dim;
    (void)window_len;
    (void)n_classes;
    return ESP_ERR_NOT_SUPPORTED;
}

esp_err_t temporal_task_push_frame(const float *frame, uint32_t frame_len)
{
    (void)frame;
    (void)frame_len;
    return ESP_ERR_NOT_SUPPORTED;
}

esp_err_t temporal_task_set_weights(const uint8_t *weights, size_t len)
{
    (void)weights;
    (void)len;
    return ESP_ERR_NOT_SUPPORTED;
}

esp_err_t temporal_task_get_stats(temporal_task_stats_t *out_stats)
{
    (void)out_stats;
    return ESP_ERR_NOT_SUPPORTED;
}

void temporal_task_stop(void) {}

#endif /* CONFIG_CSI_TEMPORAL_HEAD_ENABLED */
