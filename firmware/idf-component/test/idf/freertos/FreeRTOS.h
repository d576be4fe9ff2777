/* Stands in for FreeRTOS: what the component uses, over threads of the host. A tick is 1 ms. */
#pragma once

#include <stdint.h>

typedef int          BaseType_t;
typedef unsigned int UBaseType_t;
typedef uint32_t     TickType_t;

#define pdTRUE 1
#define pdFALSE 0
#define pdPASS 1
#define portMAX_DELAY UINT32_MAX
#define pdMS_TO_TICKS(ms) ((TickType_t)(ms))

typedef struct {
    int unused;
} portMUX_TYPE;

#define portMUX_INITIALIZER_UNLOCKED {0}

void portENTER_CRITICAL(portMUX_TYPE *mux);
void portEXIT_CRITICAL(portMUX_TYPE *mux);
