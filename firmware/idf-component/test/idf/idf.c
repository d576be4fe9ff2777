/* ESP-IDF and FreeRTOS, as far as the component needs them, over POSIX threads. */
#define _GNU_SOURCE
#include "idf.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "esp_heap_caps.h"
#include "esp_log.h"
#include "esp_partition.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "nvs.h"

const uint8_t *idf_partition;
size_t         idf_partition_len;
int            idf_maps_open;
const uint8_t *idf_nvs;
size_t         idf_nvs_len;
uint32_t       idf_stack_bytes;
int            idf_core;
int            idf_tasks;
int            idf_refuse_task;
int            idf_refuse_memory;
int            idf_critical;

static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t s_critical = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char            s_log[1 << 16];

/* Time. */

int64_t esp_timer_get_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct timespec in_ticks(TickType_t ticks)
{
    struct timespec then;
    clock_gettime(CLOCK_REALTIME, &then);
    const int64_t nanos = then.tv_nsec + (int64_t)ticks * 1000000;
    then.tv_sec += nanos / 1000000000;
    then.tv_nsec = nanos % 1000000000;
    return then;
}

void vTaskDelay(TickType_t ticks)
{
    const struct timespec span = {.tv_sec = ticks / 1000, .tv_nsec = ticks % 1000 * 1000000L};
    nanosleep(&span, NULL);
}

/* Queues, and semaphores as queues of one empty item. */

struct idf_queue {
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    size_t          length, item_size, first, count;
    uint8_t         items[];
};

QueueHandle_t xQueueCreate(UBaseType_t length, UBaseType_t item_size)
{
    QueueHandle_t queue = calloc(1, sizeof(*queue) + (size_t)length * item_size);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    queue->length = length;
    queue->item_size = item_size;
    return queue;
}

/* Waits, with the lock held, while there are exactly `count` items. */
static BaseType_t wait_while(QueueHandle_t queue, size_t count, TickType_t wait)
{
    const struct timespec then = in_ticks(wait == portMAX_DELAY ? 0 : wait);
    while (queue->count == count) {
        if (wait == portMAX_DELAY) {
            pthread_cond_wait(&queue->changed, &queue->lock);
        } else if (wait == 0
                   || pthread_cond_timedwait(&queue->changed, &queue->lock, &then) != 0) {
            return queue->count == count ? pdFALSE : pdTRUE;
        }
    }
    return pdTRUE;
}

static BaseType_t put(QueueHandle_t queue, const void *item, TickType_t wait, int in_front)
{
    pthread_mutex_lock(&queue->lock);
    const BaseType_t has_room = wait_while(queue, queue->length, wait);
    if (has_room) {
        if (in_front) {
            queue->first = (queue->first + queue->length - 1) % queue->length;
        }
        const size_t at = in_front ? queue->first : (queue->first + queue->count) % queue->length;
        if (queue->item_size > 0) {
            memcpy(&queue->items[at * queue->item_size], item, queue->item_size);
        }
        queue->count++;
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    return has_room;
}

BaseType_t xQueueSend(QueueHandle_t queue, const void *item, TickType_t wait)
{
    return put(queue, item, wait, 0);
}

BaseType_t xQueueSendToFront(QueueHandle_t queue, const void *item, TickType_t wait)
{
    return put(queue, item, wait, 1);
}

BaseType_t xQueueReceive(QueueHandle_t queue, void *item, TickType_t wait)
{
    pthread_mutex_lock(&queue->lock);
    const BaseType_t has_one = wait_while(queue, 0, wait);
    if (has_one) {
        if (queue->item_size > 0) {
            memcpy(item, &queue->items[queue->first * queue->item_size], queue->item_size);
        }
        queue->first = (queue->first + 1) % queue->length;
        queue->count--;
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    return has_one;
}

BaseType_t xQueueReset(QueueHandle_t queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->count = 0;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    return pdPASS;
}

SemaphoreHandle_t xSemaphoreCreateBinary(void)
{
    return xQueueCreate(1, 0);
}

SemaphoreHandle_t xSemaphoreCreateMutex(void)
{
    SemaphoreHandle_t mutex = xSemaphoreCreateBinary();
    xSemaphoreGive(mutex);
    return mutex;
}

BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t wait)
{
    return xQueueReceive(semaphore, NULL, wait);
}

BaseType_t xSemaphoreGive(SemaphoreHandle_t semaphore)
{
    return xQueueSend(semaphore, NULL, 0);
}

/* Tasks and critical sections. */

struct idf_task {
    void (*code)(void *);
    void *argument;
};

static void count_task(int change)
{
    pthread_mutex_lock(&s_lock);
    idf_tasks += change;
    pthread_mutex_unlock(&s_lock);
}

static void *run(void *pointer)
{
    struct idf_task task = *(struct idf_task *)pointer;
    free(pointer);
    task.code(task.argument);
    fprintf(stderr, "a task returned: FreeRTOS would abort\n");
    abort();
}

BaseType_t xTaskCreatePinnedToCore(void (*code)(void *), const char *name, uint32_t stack_bytes,
                                   void *argument, UBaseType_t priority, TaskHandle_t *out_task,
                                   BaseType_t core)
{
    (void)name;
    (void)priority;
    if (idf_refuse_task) {
        return pdFALSE;
    }
    idf_stack_bytes = stack_bytes;
    idf_core = core;
    struct idf_task *task = malloc(sizeof(*task));
    *task = (struct idf_task){.code = code, .argument = argument};
    if (out_task != NULL) {
        *out_task = task;
    }
    count_task(1);
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, task) != 0) {
        count_task(-1);
        free(task);
        return pdFALSE;
    }
    pthread_detach(thread);
    return pdPASS;
}

void vTaskDelete(TaskHandle_t task)
{
    if (task != NULL) {
        fprintf(stderr, "a task was deleted by another one\n");
        abort();
    }
    count_task(-1);
    pthread_exit(NULL);
}

void portENTER_CRITICAL(portMUX_TYPE *mux)
{
    (void)mux;
    pthread_mutex_lock(&s_critical);
    idf_critical++;
}

void portEXIT_CRITICAL(portMUX_TYPE *mux)
{
    (void)mux;
    if (--idf_critical < 0) {
        fprintf(stderr, "a critical section was left twice\n");
        abort();
    }
    pthread_mutex_unlock(&s_critical);
}

/* Memory, flash, NVS, log. */

void *heap_caps_malloc(size_t size, uint32_t caps)
{
    (void)caps;
    return idf_refuse_memory ? NULL : malloc(size);
}

void heap_caps_free(void *pointer)
{
    free(pointer);
}

const esp_partition_t *esp_partition_find_first(esp_partition_type_t type,
                                                esp_partition_subtype_t subtype, const char *label)
{
    (void)type;
    (void)subtype;
    static esp_partition_t partition = {.address = 0x110000, .label = "rvne"};
    partition.size = (uint32_t)idf_partition_len;
    return idf_partition != NULL && strcmp(label, partition.label) == 0 ? &partition : NULL;
}

esp_err_t esp_partition_mmap(const esp_partition_t *partition, size_t offset, size_t size,
                             esp_partition_mmap_memory_t memory, const void **out_ptr,
                             esp_partition_mmap_handle_t *out_handle)
{
    (void)memory;
    if (offset + size > partition->size) {
        return ESP_ERR_INVALID_SIZE;
    }
    idf_maps_open++;
    *out_ptr = idf_partition + offset;
    *out_handle = 1;
    return ESP_OK;
}

void esp_partition_munmap(esp_partition_mmap_handle_t handle)
{
    (void)handle;
    idf_maps_open--;
}

esp_err_t nvs_open(const char *name, nvs_open_mode_t mode, nvs_handle_t *out_handle)
{
    (void)mode;
    *out_handle = 1;
    return strcmp(name, "rvne") == 0 ? ESP_OK : ESP_ERR_NVS_NOT_FOUND;
}

esp_err_t nvs_get_blob(nvs_handle_t handle, const char *key, void *out_value, size_t *length)
{
    (void)handle;
    if (idf_nvs == NULL || strcmp(key, "weights") != 0) {
        return ESP_ERR_NVS_NOT_FOUND;
    }
    if (out_value != NULL) {
        if (*length < idf_nvs_len) {
            return ESP_ERR_INVALID_SIZE;
        }
        memcpy(out_value, idf_nvs, idf_nvs_len);
    }
    *length = idf_nvs_len;
    return ESP_OK;
}

void nvs_close(nvs_handle_t handle)
{
    (void)handle;
}

void idf_log(char level, const char *tag, const char *format, ...)
{
    char    line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&s_lock);
    const size_t used = strlen(s_log);
    snprintf(s_log + used, sizeof(s_log) - used, "%c %s: %s\n", level, tag, line);
    pthread_mutex_unlock(&s_lock);
}

int idf_logged(const char *text)
{
    int count = 0;
    pthread_mutex_lock(&s_lock);
    for (const char *at = s_log; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    pthread_mutex_unlock(&s_lock);
    return count;
}
