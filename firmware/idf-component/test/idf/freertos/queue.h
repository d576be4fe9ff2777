/* Stands in for FreeRTOS's header of this name. */
#pragma once

#include "freertos/FreeRTOS.h"

typedef struct idf_queue *QueueHandle_t;

QueueHandle_t xQueueCreate(UBaseType_t length, UBaseType_t item_size);
BaseType_t    xQueueSend(QueueHandle_t queue, const void *item, TickType_t wait);
BaseType_t    xQueueSendToFront(QueueHandle_t queue, const void *item, TickType_t wait);
BaseType_t    xQueueReceive(QueueHandle_t queue, void *item, TickType_t wait);
BaseType_t    xQueueReset(QueueHandle_t queue);
