/* Without the option in Kconfig every call says that it is not supported. */
#include "check.h"
#include "temporal_task.h"

int main(void)
{
    const float frame[1] = {0};
    temporal_task_stats_t stats;
    temporal_task_set_output(1, NULL);
    CHECK_EQ(temporal_task_start(9, 50, 4), ESP_ERR_NOT_SUPPORTED);
    CHECK_EQ(temporal_task_push_frame(frame, 1), ESP_ERR_NOT_SUPPORTED);
    CHECK_EQ(temporal_task_set_weights((const uint8_t *)"x", 1), ESP_ERR_NOT_SUPPORTED);
    CHECK_EQ(temporal_task_get_stats(&stats), ESP_ERR_NOT_SUPPORTED);
    temporal_task_stop();
    printf("ok disabled\n");
    return 0;
}
