/* Checks, and the files that the Rust side wrote for them. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                       \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

#define CHECK_EQ(left, right)                                                                     \
    do {                                                                                          \
        const long long left_ = (long long)(left), right_ = (long long)(right);                   \
        if (left_ != right_) {                                                                    \
            fprintf(stderr, "%s:%d: %s is %lld (0x%llx), %s is %lld (0x%llx)\n", __FILE__,        \
                    __LINE__, #left, left_, (unsigned long long)left_, #right, right_,            \
                    (unsigned long long)right_);                                                  \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

typedef struct {
    uint8_t *bytes;
    size_t   len;
} file_t;

static inline file_t read_file(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        perror(path);
        exit(1);
    }
    file_t file = {0};
    fseek(stream, 0, SEEK_END);
    file.len = (size_t)ftell(stream);
    rewind(stream);
    file.bytes = malloc(file.len + 1);
    if (fread(file.bytes, 1, file.len, stream) != file.len) {
        perror(path);
        exit(1);
    }
    fclose(stream);
    return file;
}

/* CRC-32/IEEE, bit by bit: not the library's table. */
static inline uint32_t slow_crc32(const uint8_t *bytes, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
        }
    }
    return ~crc;
}

#define RUN(test)                                                                                 \
    do {                                                                                          \
        test();                                                                                   \
        printf("ok %s\n", #test);                                                                 \
    } while (0)
