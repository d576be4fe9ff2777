/* The library as C sees it. argv[1]: the folder that the example `c_fixture` of csi-node wrote. */
#include <math.h>

#include "check.h"
#include "idf.h"
#include "ruv_temporal.h"

#define DIM 6
#define CLASSES 3
#define WINDOW 12

static const char *s_folder;
static file_t      s_blob, s_other, s_wide, s_streaming, s_rated, s_rows, s_logits, s_steps;

static const float *row(size_t index)
{
    return (const float *)s_rows.bytes + index * DIM;
}

static ruv_temporal_ctx_t *make(const file_t *blob)
{
    ruv_temporal_ctx_t *ctx = NULL;
    CHECK_EQ(ruv_temporal_init(blob->bytes, blob->len, DIM, WINDOW, CLASSES, &ctx), ESP_OK);
    CHECK(ctx != NULL);
    return ctx;
}

#ifdef HEAP_REGION
static uint8_t s_region[192 * 1024] __attribute__((aligned(16)));

static void memory_is_handed_in(void)
{
    ruv_temporal_ctx_t *ctx = NULL;
    /* Without any, everything that needs some says so. */
    CHECK_EQ(ruv_temporal_kernel_self_test(), ESP_ERR_NO_MEM);
    CHECK_EQ(ruv_temporal_init(s_blob.bytes, s_blob.len, DIM, WINDOW, CLASSES, &ctx),
             ESP_ERR_NO_MEM);
    CHECK(ctx == NULL);
    CHECK_EQ(ruv_temporal_add_heap(NULL, 4096), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_add_heap(s_region, 255), ESP_ERR_INVALID_SIZE);
    CHECK_EQ(ruv_temporal_add_heap(s_region, SIZE_MAX), ESP_ERR_INVALID_SIZE);
    /* Too small for a context: refused. Not aligned: taken all the same. */
    CHECK_EQ(ruv_temporal_add_heap(s_region + 1, 1023), ESP_OK);
    CHECK_EQ(ruv_temporal_init(s_blob.bytes, s_blob.len, DIM, WINDOW, CLASSES, &ctx),
             ESP_ERR_NO_MEM);
    CHECK_EQ(ruv_temporal_add_heap(s_region + 1024, sizeof(s_region) - 2048), ESP_OK);
    CHECK_EQ(ruv_temporal_add_heap(s_region + sizeof(s_region) - 1024, 1024), ESP_OK);
    CHECK_EQ(ruv_temporal_add_heap(s_region, 1024), ESP_ERR_INVALID_STATE);
    CHECK_EQ(ruv_temporal_kernel_self_test(), ESP_OK);
}

static uint32_t heap_used(ruv_temporal_ctx_t *ctx)
{
    ruv_temporal_stats_t stats;
    CHECK_EQ(ruv_temporal_stats(ctx, &stats), ESP_OK);
    return stats.heap_used;
}

static void a_full_heap_is_an_error_and_nothing_leaks(void)
{
    ruv_temporal_ctx_t *first = make(&s_blob), *all[200];
    const uint32_t before = heap_used(first);
    int made = 0;
    esp_err_t err = ESP_OK;
    while (made < 200) {
        err = ruv_temporal_init(s_blob.bytes, s_blob.len, DIM, 60, CLASSES, &all[made]);
        if (err != ESP_OK) {
            break;
        }
        made++;
    }
    CHECK_EQ(err, ESP_ERR_NO_MEM);
    CHECK(made > 0 && all[made] == NULL);
    /* The first one still works, and takes nothing. */
    const uint32_t full = heap_used(first);
    float logits[CLASSES];
    for (size_t i = 0; i < WINDOW; i++) {
        CHECK_EQ(ruv_temporal_push(first, row(i)), ESP_OK);
    }
    CHECK_EQ(ruv_temporal_classify(first, logits, CLASSES), ESP_OK);
    CHECK(memcmp(logits, s_logits.bytes, sizeof(logits)) == 0);
    CHECK_EQ(heap_used(first), full);
    while (made > 0) {
        ruv_temporal_destroy(all[--made]);
    }
    CHECK_EQ(heap_used(first), before);
    ruv_temporal_destroy(first);
}
#else
static void memory_is_handed_in(void)
{
    static uint8_t region[4096];
    CHECK_EQ(ruv_temporal_add_heap(region, sizeof(region)), ESP_ERR_NOT_SUPPORTED);
    CHECK_EQ(ruv_temporal_kernel_self_test(), ESP_OK);
}

static void a_full_heap_is_an_error_and_nothing_leaks(void) {}
#endif

static void a_blob_is_described(void)
{
    ruv_temporal_info_t info;
    CHECK_EQ(ruv_temporal_describe(s_rated.bytes, s_rated.len, &info), ESP_OK);
    CHECK_EQ(info.input_dim, DIM);
    CHECK_EQ(info.window_len, WINDOW);
    CHECK_EQ(info.n_classes, CLASSES);
    CHECK(info.frame_rate_hz == 100.0f);
    CHECK_EQ(info.is_streaming, 0);
    CHECK_EQ(info.blob_crc, slow_crc32(s_rated.bytes, s_rated.len - 4));
    CHECK_EQ(ruv_temporal_describe(s_rated.bytes, s_rated.len, NULL), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_describe(NULL, s_rated.len, &info), ESP_ERR_INVALID_ARG);

    size_t len = 0;
    uint8_t partition[8192];
    memset(partition, 0xFF, sizeof(partition));
    memcpy(partition, s_rated.bytes, s_rated.len);
    CHECK_EQ(ruv_temporal_blob_len(partition, sizeof(partition), &len), ESP_OK);
    CHECK_EQ(len, s_rated.len);
    CHECK_EQ(ruv_temporal_blob_len(partition, s_rated.len - 1, &len), ESP_ERR_INVALID_SIZE);
    CHECK_EQ(ruv_temporal_blob_len(partition + 1, 100, &len), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_blob_len(partition, 100, NULL), ESP_ERR_INVALID_ARG);
}

static void both_forms_of_init_make_a_context(void)
{
    ruv_temporal_ctx_t *ctx = NULL;
    CHECK_EQ(ruv_temporal_init(s_blob.bytes, s_blob.len, DIM, WINDOW, &ctx), ESP_OK);
    ruv_temporal_destroy(ctx);
    CHECK_EQ(ruv_temporal_init(s_blob.bytes, s_blob.len, DIM, WINDOW, CLASSES, &ctx), ESP_OK);
    ruv_temporal_destroy(ctx);
    ruv_temporal_destroy(NULL);
}

static void init_refuses(const uint8_t *bytes, size_t len, uint32_t dim, uint32_t window,
                         uint32_t classes, esp_err_t expected)
{
    ruv_temporal_ctx_t *ctx = (ruv_temporal_ctx_t *)&ctx;
    CHECK_EQ(ruv_temporal_init(bytes, len, dim, window, classes, &ctx), expected);
    CHECK(ctx == NULL);
}

static void wrong_arguments_of_init_have_their_errors(void)
{
    const uint8_t *bytes = s_blob.bytes;
    const size_t len = s_blob.len;
    init_refuses(NULL, len, DIM, WINDOW, CLASSES, ESP_ERR_INVALID_ARG);
    init_refuses(bytes, SIZE_MAX, DIM, WINDOW, CLASSES, ESP_ERR_INVALID_ARG);
    init_refuses(bytes, len, 0, WINDOW, CLASSES, ESP_ERR_INVALID_ARG);
    init_refuses(bytes, len, DIM, 0, CLASSES, ESP_ERR_INVALID_ARG);
    init_refuses(bytes, len, DIM, WINDOW, 0, ESP_ERR_INVALID_ARG);
    init_refuses(bytes, len, DIM + 1, WINDOW, CLASSES, ESP_ERR_INVALID_SIZE);
    init_refuses(bytes, len, DIM, WINDOW, CLASSES + 1, ESP_ERR_INVALID_SIZE);
    init_refuses(bytes, len, DIM, 65536, CLASSES, ESP_ERR_INVALID_SIZE);
    init_refuses(bytes, 0, DIM, WINDOW, CLASSES, ESP_ERR_INVALID_SIZE);
    init_refuses(bytes, len - 1, DIM, WINDOW, CLASSES, ESP_ERR_INVALID_SIZE + 5);
    CHECK_EQ(ruv_temporal_init(bytes, len, DIM, WINDOW, CLASSES, NULL), ESP_ERR_INVALID_ARG);
    uint8_t unaligned[2 * sizeof(void *)] __attribute__((aligned(16)));
    CHECK_EQ(ruv_temporal_init(bytes, len, DIM, WINDOW, CLASSES,
                               (ruv_temporal_ctx_t **)(uintptr_t)(unaligned + 1)),
             ESP_ERR_INVALID_ARG);

    uint8_t *damaged = malloc(len);
    const struct {
        size_t    at;
        uint8_t   bits;
        esp_err_t expected;
    } cases[] = {
        {0, 0x01, ESP_ERR_INVALID_ARG},        /* the magic */
        {4, 0x02, ESP_ERR_INVALID_VERSION},    /* the version */
        {6, 0x80, ESP_ERR_INVALID_VERSION},    /* a reserved flag */
        {20, 0x04, ESP_ERR_INVALID_SIZE},      /* the length of the weights */
        {40, 0x10, ESP_ERR_INVALID_CRC},       /* a weight */
        {len - 1, 0x80, ESP_ERR_INVALID_CRC},  /* the CRC itself */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(damaged, bytes, len);
        damaged[cases[i].at] ^= cases[i].bits;
        init_refuses(damaged, len, DIM, WINDOW, CLASSES, cases[i].expected);
    }
    free(damaged);
}

static void logits_are_the_bits_of_rust(void)
{
    ruv_temporal_ctx_t *ctx = make(&s_blob);
    const size_t rows = s_rows.len / sizeof(float) / DIM;
    const float *expected = (const float *)s_logits.bytes;
    float logits[CLASSES];
    for (size_t i = 0; i < rows; i++) {
        CHECK_EQ(ruv_temporal_push(ctx, row(i)), ESP_OK);
        const esp_err_t err = ruv_temporal_classify(ctx, logits, CLASSES);
        if (i + 1 < WINDOW) {
            CHECK_EQ(err, ESP_ERR_INVALID_STATE);
            continue;
        }
        CHECK_EQ(err, ESP_OK);
        CHECK(memcmp(logits, expected + (i + 1 - WINDOW) * CLASSES, sizeof(logits)) == 0);
    }
    ruv_temporal_stats_t stats;
    CHECK_EQ(ruv_temporal_stats(ctx, &stats), ESP_OK);
    CHECK_EQ(stats.frames, rows);
    CHECK_EQ(stats.rows, rows);
    CHECK_EQ(stats.rows_now, WINDOW);
    CHECK_EQ(stats.refused, 0);
    CHECK_EQ(stats.classifications, rows - WINDOW + 1);
    CHECK_EQ(stats.weights_loaded, 1);
    CHECK_EQ(ruv_temporal_clear(ctx), ESP_OK);
    CHECK_EQ(ruv_temporal_classify(ctx, logits, CLASSES), ESP_ERR_INVALID_STATE);
    ruv_temporal_destroy(ctx);
}

static void wrong_arguments_of_calls_have_their_errors(void)
{
    ruv_temporal_ctx_t *ctx = make(&s_blob);
    float logits[CLASSES + 1];
    CHECK_EQ(ruv_temporal_push(NULL, row(0)), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_push(ctx, NULL), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_push(ctx, (const float *)((uintptr_t)row(0) + 1)), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_push((ruv_temporal_ctx_t *)((uintptr_t)ctx + 1), row(0)),
             ESP_ERR_INVALID_ARG);
    float bad[DIM];
    const float wrong[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        memcpy(bad, row(0), sizeof(bad));
        bad[DIM - 1] = wrong[i];
        CHECK_EQ(ruv_temporal_push(ctx, bad), ESP_ERR_INVALID_ARG);
    }
    ruv_temporal_stats_t stats;
    CHECK_EQ(ruv_temporal_stats(ctx, &stats), ESP_OK);
    CHECK_EQ(stats.refused, 3);
    CHECK_EQ(stats.rows_now, 0);
    for (size_t i = 0; i < WINDOW; i++) {
        CHECK_EQ(ruv_temporal_push(ctx, row(i)), ESP_OK);
    }
    CHECK_EQ(ruv_temporal_classify(ctx, NULL, CLASSES), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_classify(NULL, logits, CLASSES), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_classify(ctx, logits, CLASSES - 1), ESP_ERR_INVALID_SIZE);
    CHECK_EQ(ruv_temporal_classify(ctx, logits, CLASSES + 1), ESP_ERR_INVALID_SIZE);
    CHECK_EQ(ruv_temporal_step(ctx, row(0), logits, CLASSES), ESP_ERR_NOT_SUPPORTED);
    CHECK_EQ(ruv_temporal_stats(ctx, NULL), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_clear(NULL), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_set_weights(ctx, NULL, 4), ESP_ERR_INVALID_ARG);
    /* Refused calls changed nothing. */
    CHECK_EQ(ruv_temporal_classify(ctx, logits, CLASSES), ESP_OK);
    CHECK(memcmp(logits, s_logits.bytes, CLASSES * sizeof(float)) == 0);
    ruv_temporal_destroy(ctx);
}

static void steps_are_the_bits_of_rust(void)
{
    ruv_temporal_ctx_t *ctx = make(&s_streaming);
    float logits[CLASSES], again[CLASSES];
    CHECK_EQ(ruv_temporal_classify(ctx, logits, CLASSES), ESP_ERR_INVALID_STATE);
    for (size_t i = 0; i < WINDOW; i++) {
        CHECK_EQ(ruv_temporal_step(ctx, row(i), logits, CLASSES), ESP_OK);
        const float *expected = (const float *)s_steps.bytes + i * CLASSES;
        CHECK(memcmp(logits, expected, sizeof(logits)) == 0);
        CHECK_EQ(ruv_temporal_classify(ctx, again, CLASSES), ESP_OK);
        CHECK(memcmp(again, logits, sizeof(logits)) == 0);
    }
    CHECK_EQ(ruv_temporal_step(ctx, row(0), logits, 1), ESP_ERR_INVALID_SIZE);
    CHECK_EQ(ruv_temporal_step(ctx, NULL, logits, CLASSES), ESP_ERR_INVALID_ARG);
    ruv_temporal_destroy(ctx);
}

static void weights_are_swapped_and_bad_ones_refused(void)
{
    ruv_temporal_ctx_t *ctx = make(&s_blob);
    float logits[CLASSES];
    for (size_t i = 0; i < WINDOW; i++) {
        CHECK_EQ(ruv_temporal_push(ctx, row(i)), ESP_OK);
    }
    s_other.bytes[50] ^= 1;
    CHECK_EQ(ruv_temporal_set_weights(ctx, s_other.bytes, s_other.len), ESP_ERR_INVALID_CRC);
    s_other.bytes[50] ^= 1;
    CHECK_EQ(ruv_temporal_set_weights(ctx, s_wide.bytes, s_wide.len), ESP_ERR_INVALID_SIZE);
    CHECK_EQ(ruv_temporal_classify(ctx, logits, CLASSES), ESP_OK);
    CHECK(memcmp(logits, s_logits.bytes, sizeof(logits)) == 0);

    CHECK_EQ(ruv_temporal_set_weights(ctx, s_other.bytes, s_other.len), ESP_OK);
    CHECK_EQ(ruv_temporal_classify(ctx, logits, CLASSES), ESP_ERR_INVALID_STATE);
    for (size_t i = 0; i < WINDOW; i++) {
        CHECK_EQ(ruv_temporal_push(ctx, row(i)), ESP_OK);
    }
    CHECK_EQ(ruv_temporal_classify(ctx, logits, CLASSES), ESP_OK);
    CHECK(memcmp(logits, s_logits.bytes, sizeof(logits)) != 0);
    ruv_temporal_stats_t stats;
    CHECK_EQ(ruv_temporal_stats(ctx, &stats), ESP_OK);
    CHECK_EQ(stats.blob_crc, slow_crc32(s_other.bytes, s_other.len - 4));
    CHECK_EQ(stats.weights_loaded, 2);
    ruv_temporal_destroy(ctx);
}

/* At half the trained rate and less, rows are made between the frames and marked. */
static void frames_with_a_time_are_resampled(void)
{
    ruv_temporal_ctx_t *ctx = make(&s_rated);
    int64_t time_us = -5000000;
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(ruv_temporal_push_at(ctx, row(i), time_us), ESP_OK);
        time_us += 30000;
    }
    ruv_temporal_stats_t stats;
    CHECK_EQ(ruv_temporal_stats(ctx, &stats), ESP_OK);
    CHECK_EQ(stats.frames, 4);
    CHECK_EQ(stats.rows, 1 + 3 * 3);
    CHECK_EQ(stats.held, 3 * 2);
    CHECK_EQ(stats.held_now, 3 * 2);
    float bad[DIM] = {NAN, 0, 0, 0, 0, 0};
    CHECK_EQ(ruv_temporal_push_at(ctx, bad, time_us), ESP_ERR_INVALID_ARG);
    /* Eleven seconds later the window starts anew. */
    CHECK_EQ(ruv_temporal_push_at(ctx, row(4), time_us + 11000000), ESP_OK);
    CHECK_EQ(ruv_temporal_stats(ctx, &stats), ESP_OK);
    CHECK_EQ(stats.rows_now, 1);
    ruv_temporal_destroy(ctx);
}

static void the_packet_has_the_documented_bytes(void)
{
    const float logits[] = {0.5f, -1.0f, 2.25f, 2.0f};
    uint8_t bytes[42];
    memset(bytes, 0xEE, sizeof(bytes));
    CHECK_EQ(ruv_temporal_make_packet(logits, 4, 9, 0x1122334455667788u, 7, bytes + 1), ESP_OK);
    const uint8_t expected[36] = {
        0x07, 0x00, 0x11, 0xC5, 1, 0, 4, 0, 9, 0, 0, 0,
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 7, 0, 0, 0,
        2, 0, 0, 0, 0x00, 0x00, 0x10, 0x40, 0x00, 0x00, 0x80, 0x3E,
    };
    CHECK(memcmp(bytes + 1, expected, sizeof(expected)) == 0);
    ruv_temporal_packet_t packet;
    memcpy(&packet, bytes + 1, sizeof(packet));
    CHECK_EQ(packet.crc32, slow_crc32(expected, sizeof(expected)));
    CHECK(packet.magic == 0xC5110007u && packet.argmax == 2 && packet.top1_minus_top2 == 0.25f);
    CHECK(bytes[0] == 0xEE && bytes[41] == 0xEE);

    const float nan[] = {0.0f, NAN};
    CHECK_EQ(ruv_temporal_make_packet(nan, 2, 0, 0, 1, bytes), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_make_packet(logits, 1, 0, 0, 1, bytes), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_make_packet(logits, 4, 0, 0, 1, NULL), ESP_ERR_INVALID_ARG);
    CHECK_EQ(ruv_temporal_make_packet(NULL, 4, 0, 0, 1, bytes), ESP_ERR_INVALID_ARG);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    s_folder = argv[1];
    s_blob = read_file(s_folder, "blob.rvne");
    s_other = read_file(s_folder, "other.rvne");
    s_wide = read_file(s_folder, "wide.rvne");
    s_streaming = read_file(s_folder, "streaming.rvne");
    s_rated = read_file(s_folder, "rated.rvne");
    s_rows = read_file(s_folder, "rows.f32");
    s_logits = read_file(s_folder, "logits.f32");
    s_steps = read_file(s_folder, "steps.f32");
    RUN(memory_is_handed_in);
    RUN(a_blob_is_described);
    RUN(both_forms_of_init_make_a_context);
    RUN(wrong_arguments_of_init_have_their_errors);
    RUN(logits_are_the_bits_of_rust);
    RUN(wrong_arguments_of_calls_have_their_errors);
    RUN(steps_are_the_bits_of_rust);
    RUN(weights_are_swapped_and_bad_ones_refused);
    RUN(frames_with_a_time_are_resampled);
    RUN(the_packet_has_the_documented_bytes);
    RUN(a_full_heap_is_an_error_and_nothing_leaks);
    CHECK_EQ(idf_critical, 0);
    return 0;
}
