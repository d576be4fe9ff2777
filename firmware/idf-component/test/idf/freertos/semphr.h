/* Stands in for FreeRTOS's header of this name. */
#pragma once

#include "freertos/queue.h"

typedef QueueHandle_t SemaphoreHandle_t;

SemaphoreHandle_t xSemaphoreCreateBinary(void);
SemaphoreHandle_t xSemaphoreCreateMutex(void);
BaseType_t        xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t wait);
BaseType_t        xSemaphoreGive(SemaphoreHandle_t semaphore);
