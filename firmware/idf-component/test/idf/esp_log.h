/* Stands in for ESP-IDF's header of this name: lines go to the tests. */
#pragma once

__attribute__((format(printf, 3, 4))) void idf_log(char level, const char *tag, const char *format,
                                                   ...);

#define ESP_LOGE(tag, ...) idf_log('E', tag, __VA_ARGS__)
#define ESP_LOGW(tag, ...) idf_log('W', tag, __VA_ARGS__)
#define ESP_LOGI(tag, ...) idf_log('I', tag, __VA_ARGS__)
