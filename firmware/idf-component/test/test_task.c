/* The task as the firmware around it sees it. argv[1]: as in test_abi.c. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "check.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "idf.h"
#include "ruv_temporal.h"
#include "sdkconfig.h"
#include "temporal_task.h"

#define DIM 6
#define CLASSES 3
#define WINDOW 12

static file_t s_blob, s_other, s_wide, s_rows, s_logits;

static pthread_mutex_t       s_lock = PTHREAD_MUTEX_INITIALIZER;
static ruv_temporal_packet_t s_packet;
static int                   s_packets;
static atomic_bool           s_is_slow;

/* A slow line holds the task up, so that the queue fills. */
static void send(const uint8_t *packet, size_t len)
{
    CHECK_EQ(len, 40);
    pthread_mutex_lock(&s_lock);
    memcpy(&s_packet, packet, len);
    s_packets++;
    pthread_mutex_unlock(&s_lock);
    while (atomic_load(&s_is_slow)) {
        vTaskDelay(1);
    }
}

static int packets(ruv_temporal_packet_t *out)
{
    pthread_mutex_lock(&s_lock);
    if (out != NULL) {
        *out = s_packet;
    }
    const int count = s_packets;
    pthread_mutex_unlock(&s_lock);
    return count;
}

static void wait_for_packets(int count)
{
    for (int tries = 0; packets(NULL) < count; tries++) {
        CHECK(tries < 10000);
        vTaskDelay(1);
    }
}

static const float *row(size_t index)
{
    return (const float *)s_rows.bytes + index * DIM;
}

static void fill_window(size_t first)
{
    for (size_t i = 0; i < WINDOW; i++) {
        CHECK_EQ(temporal_task_push_frame(row(first + i), DIM), ESP_OK);
    }
}

/* Puts a blob where this build looks for it; NULL takes it away. */
static void store(const file_t *blob)
{
#if defined(CONFIG_CSI_TEMPORAL_WEIGHTS_NVS)
    idf_nvs = blob == NULL ? NULL : blob->bytes;
    idf_nvs_len = blob == NULL ? 0 : blob->len;
#elif defined(CONFIG_CSI_TEMPORAL_WEIGHTS_PARTITION)
    static uint8_t flash[65536];
    memset(flash, 0xFF, sizeof(flash));
    if (blob != NULL) {
        memcpy(flash, blob->bytes, blob->len);
    }
    idf_partition = flash;
    idf_partition_len = sizeof(flash);
#else
    idf_nvs = blob == NULL ? NULL : blob->bytes; /* looked at by nobody */
#endif
}

static void start(void)
{
    store(&s_blob);
    CHECK_EQ(temporal_task_start(DIM, WINDOW, CLASSES), ESP_OK);
}

static void without_weights_it_does_not_start(void)
{
#ifndef CONFIG_CSI_TEMPORAL_WEIGHTS_EMBEDDED
    store(NULL);
    CHECK_EQ(temporal_task_start(DIM, WINDOW, CLASSES), ESP_ERR_NOT_FOUND);
#endif
#ifdef CONFIG_CSI_TEMPORAL_WEIGHTS_PARTITION
    idf_partition = NULL;
    CHECK_EQ(temporal_task_start(DIM, WINDOW, CLASSES), ESP_ERR_NOT_FOUND);
#endif
    CHECK_EQ(idf_tasks, 0);
    CHECK_EQ(idf_maps_open, 0);
    CHECK_EQ(temporal_task_push_frame(row(0), DIM), ESP_ERR_NOT_FOUND);
    CHECK_EQ(temporal_task_set_weights(s_other.bytes, s_other.len), ESP_ERR_NOT_FOUND);
    temporal_task_stats_t stats;
    CHECK_EQ(temporal_task_get_stats(&stats), ESP_ERR_NOT_FOUND);
    temporal_task_stop();
}

static void wrong_dimensions_do_not_start(void)
{
    store(&s_blob);
    CHECK_EQ(temporal_task_start(DIM + 1, WINDOW, CLASSES), ESP_ERR_INVALID_SIZE);
    CHECK_EQ(temporal_task_start(DIM, WINDOW, CLASSES + 1), ESP_ERR_INVALID_SIZE);
    CHECK_EQ(temporal_task_start(CONFIG_CSI_TEMPORAL_MAX_INPUT_DIM + 1, WINDOW, CLASSES),
             ESP_ERR_INVALID_SIZE);
    CHECK_EQ(temporal_task_start(DIM, WINDOW, 17), ESP_ERR_INVALID_SIZE);
    CHECK_EQ(temporal_task_start(DIM, 70000, CLASSES), ESP_ERR_INVALID_SIZE);
    idf_refuse_task = 1;
    CHECK_EQ(temporal_task_start(DIM, WINDOW, CLASSES), ESP_ERR_NO_MEM);
    idf_refuse_task = 0;
    CHECK_EQ(idf_tasks, 0);
    CHECK_EQ(idf_maps_open, 0);
    CHECK(idf_logged("not started: 0x104") > 0);
}

static void frames_become_packets(void)
{
    start();
    CHECK_EQ(temporal_task_start(DIM, WINDOW, CLASSES), ESP_OK); /* runs already */
    CHECK_EQ(idf_tasks, 1);
    CHECK_EQ(idf_stack_bytes, 16384);
    CHECK_EQ(idf_core, 1);
    CHECK_EQ(idf_maps_open, 0);

    const int before = packets(NULL);
    vTaskDelay(3 * CONFIG_CSI_TEMPORAL_PERIOD_MS);
    CHECK_EQ(packets(NULL), before); /* the window is not full */
    fill_window(0);
    wait_for_packets(before + 2);
    ruv_temporal_packet_t packet;
    packets(&packet);
    CHECK_EQ(packet.magic, 0xC5110007u);
    CHECK_EQ(packet.version, 1);
    CHECK_EQ(packet.n_classes, CLASSES);
    CHECK_EQ(packet.node_id, 42);
    CHECK(packet.seq >= 2 && packet.ts_us > 0);
    CHECK_EQ(packet.crc32, slow_crc32((const uint8_t *)&packet, 36));
    const float *logits = (const float *)s_logits.bytes;
    int argmax = 0;
    for (int i = 1; i < CLASSES; i++) {
        argmax = logits[i] > logits[argmax] ? i : argmax;
    }
    CHECK_EQ(packet.argmax, argmax);
    CHECK(packet.top_logit == logits[argmax]);
    temporal_task_stats_t stats;
    CHECK_EQ(temporal_task_get_stats(&stats), ESP_OK);
    CHECK_EQ(stats.frames, WINDOW);
    CHECK_EQ(stats.dropped, 0);
    CHECK(stats.packets >= 2);
    temporal_task_stop();
    CHECK_EQ(idf_tasks == 0 || (vTaskDelay(50), idf_tasks == 0), 1);
}

static void wrong_frames_are_refused(void)
{
    start();
    CHECK_EQ(temporal_task_push_frame(NULL, DIM), ESP_ERR_INVALID_ARG);
    CHECK_EQ(temporal_task_push_frame(row(0), 0), ESP_ERR_INVALID_ARG);
    CHECK_EQ(temporal_task_push_frame(row(0), DIM - 1), ESP_ERR_INVALID_SIZE);
    CHECK_EQ(temporal_task_push_frame(row(0), DIM + 1), ESP_ERR_INVALID_SIZE);
    float bad[DIM] = {0};
    bad[2] = __builtin_nanf("");
    CHECK_EQ(temporal_task_push_frame(bad, DIM), ESP_OK);
    temporal_task_stats_t stats = {0};
    for (int tries = 0; stats.refused == 0; tries++) {
        CHECK(tries < 10000);
        vTaskDelay(1);
        CHECK_EQ(temporal_task_get_stats(&stats), ESP_OK);
    }
    CHECK_EQ(temporal_task_get_stats(NULL), ESP_ERR_INVALID_ARG);
    temporal_task_stop();
}

static void a_full_queue_drops_counts_and_says_so_once(void)
{
    start();
    fill_window(0);
    const int before = packets(NULL);
    atomic_store(&s_is_slow, true);
    wait_for_packets(before + 1);
    /* Now the task is held up in send. */
    int taken = 0, dropped = 0;
    for (int i = 0; i < 100; i++) {
        const esp_err_t err = temporal_task_push_frame(row(0), DIM);
        CHECK(err == ESP_OK || err == ESP_ERR_TIMEOUT);
        err == ESP_OK ? taken++ : dropped++;
    }
    CHECK_EQ(taken, TEMPORAL_TASK_QUEUE_LEN);
    CHECK_EQ(dropped, 100 - TEMPORAL_TASK_QUEUE_LEN);
    atomic_store(&s_is_slow, false);
    temporal_task_stats_t stats = {0};
    for (int tries = 0; stats.frames < WINDOW + TEMPORAL_TASK_QUEUE_LEN; tries++) {
        CHECK(tries < 10000);
        vTaskDelay(1);
        CHECK_EQ(temporal_task_get_stats(&stats), ESP_OK);
    }
    CHECK_EQ(stats.dropped, 100 - TEMPORAL_TASK_QUEUE_LEN);
    vTaskDelay(50);
    CHECK_EQ(idf_logged("queue full, 68 frames dropped"), 1);
    CHECK_EQ(idf_logged("queue full"), 1);
    temporal_task_stop();
}

static void weights_are_swapped_while_frames_come(void)
{
    start();
    fill_window(0);
    const int before = packets(NULL);
    wait_for_packets(before + 1);
    CHECK_EQ(temporal_task_set_weights(s_wide.bytes, s_wide.len), ESP_ERR_INVALID_SIZE);
    CHECK_EQ(temporal_task_set_weights(s_other.bytes, s_other.len - 1), ESP_ERR_INVALID_CRC);
    CHECK_EQ(temporal_task_set_weights(NULL, 1), ESP_ERR_INVALID_ARG);
    ruv_temporal_packet_t old, new;
    packets(&old);
    CHECK_EQ(temporal_task_set_weights(s_other.bytes, s_other.len), ESP_OK);
    const int swapped = packets(NULL);
    vTaskDelay(3 * CONFIG_CSI_TEMPORAL_PERIOD_MS);
    CHECK_EQ(packets(NULL), swapped); /* the window is empty again */
    fill_window(0);
    wait_for_packets(swapped + 1);
    packets(&new);
    CHECK(new.top_logit != old.top_logit);
    CHECK(new.seq > old.seq);
    temporal_task_stop();
}

static void *push_all_the_time(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) {
        (void)temporal_task_push_frame(row(0), DIM);
    }
    return NULL;
}

static void *swap_all_the_time(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) {
        const esp_err_t err = temporal_task_set_weights(s_other.bytes, s_other.len);
        CHECK(err == ESP_OK || err == ESP_ERR_NOT_FOUND);
        vTaskDelay(1);
    }
    return NULL;
}

/* Whoever pushes or swaps while it starts and stops gets an answer, and no memory is lost. */
static void it_starts_and_stops_while_others_push_and_swap(void)
{
    atomic_bool stop = false;
    pthread_t pushers[2], swapper;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&pushers[i], NULL, push_all_the_time, &stop), 0);
    }
    CHECK_EQ(pthread_create(&swapper, NULL, swap_all_the_time, &stop), 0);
    for (int i = 0; i < 50; i++) {
        start();
        vTaskDelay((TickType_t)(i % 7));
        temporal_task_stop();
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(pushers[i], NULL);
    }
    pthread_join(swapper, NULL);
    vTaskDelay(50);
    CHECK_EQ(idf_tasks, 0);
    CHECK_EQ(idf_critical, 0);
}

static void dimensions_of_zero_are_the_blob_s(void)
{
    store(&s_blob);
    CHECK_EQ(temporal_task_start(0, 0, 0), ESP_OK);
    const int before = packets(NULL);
    fill_window(0);
    wait_for_packets(before + 1);
    temporal_task_stop();
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    s_blob = read_file(argv[1], "blob.rvne");
    s_other = read_file(argv[1], "other.rvne");
    s_wide = read_file(argv[1], "wide.rvne");
    s_rows = read_file(argv[1], "rows.f32");
    s_logits = read_file(argv[1], "logits.f32");
    temporal_task_set_output(42, send);
#ifdef CONFIG_CSI_TEMPORAL_HEAP_REGION
    idf_refuse_memory = 1;
    store(&s_blob);
    CHECK_EQ(temporal_task_start(DIM, WINDOW, CLASSES), ESP_ERR_NO_MEM);
    idf_refuse_memory = 0;
#endif
    RUN(without_weights_it_does_not_start);
    RUN(wrong_dimensions_do_not_start);
    RUN(frames_become_packets);
    RUN(wrong_frames_are_refused);
    RUN(a_full_queue_drops_counts_and_says_so_once);
    RUN(weights_are_swapped_while_frames_come);
    RUN(it_starts_and_stops_while_others_push_and_swap);
    RUN(dimensions_of_zero_are_the_blob_s);
    return 0;
}
