/* The temporal head for C: a .rvne weight blob at work.
 *
 * Behind it stands libruv_temporal.a (firmware/abi). A context takes feature frames and gives class
 * logits, with the very bits that the lab's page gives for the same frames.
 *
 * Calls on one context must not overlap: let one task own it, as temporal_task.c does. Different
 * contexts may be used by different tasks. No call blocks, and none keeps a pointer that it was
 * given, but for ruv_temporal_add_heap.
 *
 * Every function answers with one of
 *
 *   ESP_OK                   0x000
 *   ESP_FAIL                    -1  numbers leave the range of float; the self-test found other bits
 *   ESP_ERR_NO_MEM           0x101  the memory does not hold it
 *   ESP_ERR_INVALID_ARG      0x102  NULL, misaligned, zero; a NaN or infinity; no .rvne blob
 *   ESP_ERR_INVALID_STATE    0x103  the window is not full yet
 *   ESP_ERR_INVALID_SIZE     0x104  a blob cut short, or other dimensions than it has
 *   ESP_ERR_NOT_SUPPORTED    0x106  a step of a blob that classifies windows; a pattern that this
 *                                   library does not compute
 *   ESP_ERR_INVALID_CRC      0x109  the blob was damaged
 *   ESP_ERR_INVALID_VERSION  0x10A  the blob is of a version, or holds a record, not known here
 *
 * A refused call changes nothing, unless its own comment says so.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "esp_err.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A model and the frames it looks at. */
typedef struct ruv_temporal_ctx ruv_temporal_ctx_t;

/* What a blob asks for and gives. */
typedef struct {
    uint32_t input_dim;     /* floats in a frame */
    uint32_t window_len;    /* frames that a classification looks at */
    uint32_t n_classes;     /* floats in the logits */
    float    frame_rate_hz; /* frames a second that it was trained at; 0 = not stated */
    uint32_t is_streaming;  /* 1: frame by frame, ruv_temporal_step; 0: window by window */
    uint32_t blob_crc;      /* the CRC-32 that closes the blob */
} ruv_temporal_info_t;

/* What a context counts. */
typedef struct {
    uint32_t frames;          /* frames pushed */
    uint32_t refused;         /* of these, refused */
    uint32_t rows;            /* rows that entered the window, after resampling */
    uint32_t held;            /* of these, interpolated across a gap of more than two periods */
    uint32_t classifications; /* classifications and steps */
    uint32_t weights_loaded;  /* times that weights were taken */
    uint32_t rows_now;        /* rows in the window */
    uint32_t held_now;        /* of these, held */
    uint32_t blob_crc;        /* as in ruv_temporal_info_t */
    uint32_t heap_used;       /* bytes; 0 in the build with malloc */
    uint32_t heap_free;       /* bytes; 0 in the build with malloc */
} ruv_temporal_stats_t;

/* Packet 0xC5110007, little-endian, as it is sent. */
typedef struct __attribute__((packed)) {
    uint32_t magic;           /* 0xC5110007 */
    uint16_t version;         /* 1 */
    uint16_t n_classes;
    uint8_t  node_id;
    uint8_t  reserved[3];
    uint64_t ts_us;
    uint32_t seq;             /* the first is 1 */
    uint8_t  argmax;
    uint8_t  reserved2[3];
    float    top_logit;
    float    top1_minus_top2;
    uint32_t crc32;           /* over everything before it */
} ruv_temporal_packet_t;

/* Makes a context for a blob whose dimensions the caller states; other ones are INVALID_SIZE, zero is
 * INVALID_ARG. `window_len`, at most 65535, is the caller's choice: ruv_temporal_describe tells what the
 * blob was trained with. The blob is copied. *out_ctx is NULL after a refusal.
 *
 * The form with five arguments leaves n_classes to the blob. In C both are called
 * ruv_temporal_init. */
esp_err_t ruv_temporal_init(const uint8_t *weights, size_t weights_len, uint32_t input_dim,
                            uint32_t window_len, uint32_t n_classes, ruv_temporal_ctx_t **out_ctx);
esp_err_t ruv_temporal_init_window(const uint8_t *weights, size_t weights_len, uint32_t input_dim,
                                   uint32_t window_len, ruv_temporal_ctx_t **out_ctx);

/* Frees a context. NULL is no context and does nothing. */
void ruv_temporal_destroy(ruv_temporal_ctx_t *ctx);

/* Reads a blob and says what it asks for and gives. */
esp_err_t ruv_temporal_describe(const uint8_t *weights, size_t weights_len,
                                ruv_temporal_info_t *out_info);

/* Finds out how many bytes the blob at the start of `bytes` takes, such as in a flash partition
 * that is larger than it. Its CRC is not checked here. */
esp_err_t ruv_temporal_blob_len(const uint8_t *bytes, size_t available, size_t *out_len);

/* Takes the next frame, input_dim floats, as it comes. Allocates nothing. */
esp_err_t ruv_temporal_push(ruv_temporal_ctx_t *ctx, const float *frame);

/* Takes a frame of a known time, in microseconds of any steady clock, and brings it to the frame
 * rate that the blob states; without one, as ruv_temporal_push. One frame can give several rows, or
 * none. A jump of more than ten seconds empties the window. Allocates nothing after the first. */
esp_err_t ruv_temporal_push_at(ruv_temporal_ctx_t *ctx, const float *frame, int64_t time_us);

/* Writes the n_classes logits of the rows in the window, which must be full; of a streaming blob,
 * those after the last frame. Allocates nothing. */
esp_err_t ruv_temporal_classify(ruv_temporal_ctx_t *ctx, float *logits, uint32_t n_classes);

/* Takes a frame and writes the logits after it. For streaming blobs only. */
esp_err_t ruv_temporal_step(ruv_temporal_ctx_t *ctx, const float *frame, float *logits,
                            uint32_t n_classes);

/* Forgets all frames, as when the input was interrupted. */
esp_err_t ruv_temporal_clear(ruv_temporal_ctx_t *ctx);

/* Takes other weights with the same input_dim and n_classes; the window is then empty. After NO_MEM
 * the old weights stay, but their window may be empty. */
esp_err_t ruv_temporal_set_weights(ruv_temporal_ctx_t *ctx, const uint8_t *weights,
                                   size_t weights_len);

/* Reads the counters. */
esp_err_t ruv_temporal_stats(ruv_temporal_ctx_t *ctx, ruv_temporal_stats_t *out_stats);

/* Writes the packet that says what logits mean; 2 to 256 classes. `out_packet` has 40 bytes. */
esp_err_t ruv_temporal_make_packet(const float *logits, uint32_t n_classes, uint8_t node_id,
                                   uint64_t ts_us, uint32_t seq, uint8_t *out_packet);

/* Computes a small model and compares every bit with what all other machines computed. Takes
 * 96 KiB of memory meanwhile. */
esp_err_t ruv_temporal_kernel_self_test(void);

/* Hands memory over for good; up to three regions of at least 256 bytes, else INVALID_STATE. It
 * comes before everything else. NOT_SUPPORTED in the build with malloc. */
esp_err_t ruv_temporal_add_heap(uint8_t *start, size_t len);

#ifdef __cplusplus
}
static_assert(sizeof(ruv_temporal_packet_t) == 40, "packet 0xC5110007 has 40 bytes");
#else
_Static_assert(sizeof(ruv_temporal_packet_t) == 40, "packet 0xC5110007 has 40 bytes");

/* Chooses the form of init by the number of arguments. */
#define RUV_TEMPORAL_INIT_OF(a, b, c, d, e, f, form, ...) form
#define ruv_temporal_init(...)                                                                    \
    RUV_TEMPORAL_INIT_OF(__VA_ARGS__, ruv_temporal_init, ruv_temporal_init_window, 0)(__VA_ARGS__)
#endif
