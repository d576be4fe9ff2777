/* A task that owns a temporal head: frames in through a queue, packets 0xC5110007 out.
 *
 * Every function may be called by any task, but start and stop not at the same time. Without
 * CONFIG_CSI_TEMPORAL_HEAD_ENABLED they answer ESP_ERR_NOT_SUPPORTED and cost nothing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "esp_err.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Frames that wait while the head is busy; more are dropped and counted. */
#define TEMPORAL_TASK_QUEUE_LEN 32

/* Sends a packet. Called by the task. */
typedef void (*temporal_task_send_t)(const uint8_t *packet, size_t len);

/* What the task counts since its start. */
typedef struct {
    uint32_t frames;      /* taken from the queue */
    uint32_t dropped;     /* found the queue full */
    uint32_t refused;     /* by the head, such as a NaN */
    uint32_t held;        /* rows that stand in for frames that came too seldom */
    uint32_t packets;     /* sent */
    uint32_t classify_us; /* of the last classification */
} temporal_task_stats_t;

/* Says where packets go, and the node's number in them. Before start. */
void temporal_task_set_output(uint8_t node_id, temporal_task_send_t send);

/* Finds the weights where Kconfig says they are, tests the library, and starts the task: 16 KB of
 * stack, core 1. A dimension of 0 stands for Kconfig's, and 0 there for the blob's own.
 *
 * ESP_OK when it runs already. ESP_ERR_NOT_FOUND without weights. ESP_ERR_INVALID_SIZE when frames
 * are larger than CONFIG_CSI_TEMPORAL_MAX_INPUT_DIM or classes more than 16, or the blob has other
 * dimensions. Else as ruv_temporal_init and ruv_temporal_kernel_self_test. */
esp_err_t temporal_task_start(uint32_t input_dim, uint32_t window_len, uint32_t n_classes);

/* Puts a frame into the queue, with the time of the call. Never waits: ESP_ERR_TIMEOUT when the
 * queue is full, ESP_ERR_NOT_FOUND when the task does not run, ESP_ERR_INVALID_SIZE when frame_len is
 * not the model's. */
esp_err_t temporal_task_push_frame(const float *frame, uint32_t frame_len);

/* Lets the task take other weights, and waits until it has. They may go once this returns. */
esp_err_t temporal_task_set_weights(const uint8_t *weights, size_t len);

/* Reads the counters. ESP_ERR_NOT_FOUND when the task does not run. */
esp_err_t temporal_task_get_stats(temporal_task_stats_t *out_stats);

/* Ends the task between two frames and waits until it has; frames that still wait are lost. */
void temporal_task_stop(void);

#ifdef __cplusplus
}
#endif
