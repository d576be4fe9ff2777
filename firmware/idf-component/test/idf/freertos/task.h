/* Stands in for FreeRTOS's header of this name. */
#pragma once

#include "freertos/FreeRTOS.h"

typedef struct idf_task *TaskHandle_t;

BaseType_t xTaskCreatePinnedToCore(void (*code)(void *), const char *name, uint32_t stack_bytes,
                                   void *argument, UBaseType_t priority, TaskHandle_t *out_task,
                                   BaseType_t core);
void       vTaskDelete(TaskHandle_t task);
void       vTaskDelay(TickType_t ticks);
