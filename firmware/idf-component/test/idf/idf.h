/* What tests see and set of the stand-in. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The flash partition rvne; NULL: there is none. */
extern const uint8_t *idf_partition;
extern size_t         idf_partition_len;
extern int            idf_maps_open;

/* The blob in NVS; NULL: there is none. */
extern const uint8_t *idf_nvs;
extern size_t         idf_nvs_len;

/* How the last task was made, and how many live. */
extern uint32_t idf_stack_bytes;
extern int      idf_core;
extern int      idf_tasks;

/* Whether the next task, or the next region of memory, is refused. */
extern int idf_refuse_task;
extern int idf_refuse_memory;

/* How deep the critical sections are nested now; never negative. */
extern int idf_critical;

/* Warnings that hold this text. */
int idf_logged(const char *text);
