/* What Kconfig would write. The rest is set on the compiler's command line. */
#pragma once

#ifndef IDF_DISABLED
#define CONFIG_CSI_TEMPORAL_HEAD_ENABLED 1
#define CONFIG_CSI_TEMPORAL_MAX_INPUT_DIM 16
#define CONFIG_CSI_TEMPORAL_INPUT_DIM 0
#define CONFIG_CSI_TEMPORAL_WINDOW 0
#define CONFIG_CSI_TEMPORAL_CLASSES 0
#define CONFIG_CSI_TEMPORAL_PERIOD_MS 20
#define CONFIG_CSI_TEMPORAL_HEAP_KB 256
#endif
