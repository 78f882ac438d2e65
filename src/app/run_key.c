/* The run key: lines KEY=VALUE of everything that changes the result, with exact values. Two runs
 * with the same key may continue each other's checkpoint (io/fingerprint.c compares). */
#include "app/run_key.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/build_info.h"
#include "credence/version.h"
#include "kernels/kernels.h"

void crd_run_key_add(char key[CRD_RUN_KEY_SIZE], const char *format, ...)
{
    size_t used = strlen(key);
    va_list args;
    va_start(args, format);
    vsnprintf(key + used, CRD_RUN_KEY_SIZE - used, format, args);
    va_end(args);
    used += strlen(key + used);
    snprintf(key + used, CRD_RUN_KEY_SIZE - used, "\n");
}

void crd_run_key_remove(char key[CRD_RUN_KEY_SIZE], const char *setting)
{
    char start[64];
    snprintf(start, sizeof start, "--%s=", setting);
    for (char *line = key; *line != '\0'; line += strcspn(line, "\n") + 1)
        if (strncmp(line, start, strlen(start)) == 0) {
            char *rest = line + strcspn(line, "\n") + 1;
            memmove(line, rest, strlen(rest) + 1);
            return;
        }
}

crd_status crd_run_key_make(char out[CRD_RUN_KEY_SIZE], const crd_record *record,
                            const crd_run_inputs *inputs)
{
    uint64_t pixels;
    crd_status status = crd_dataset_image_digest(&pixels, inputs->dataset);
    if (status != CRD_OK)
        return status;
    out[0] = '\0';
    crd_run_key_add(out, "version=%s", CREDENCE_VERSION);
    crd_run_key_add(out, "git=%s", CRD_GIT_HASH);
    for (int i = 0; i < record->n_settings; i++)
        if (record->settings[i].exact != NULL)
            crd_run_key_add(out, "--%s=%s", record->settings[i].name, record->settings[i].exact);
    crd_run_key_add(out, "posterior=%s", inputs->posterior_digest);
    crd_run_key_add(out, "images=%" PRId64, crd_dataset_n_images(inputs->dataset));
    crd_run_key_add(out, "data=%016" PRIx64, crd_dataset_digest(inputs->dataset));
    crd_run_key_add(out, "pixels=%016" PRIx64, pixels);
    crd_run_key_add(out, "kernels=%s", crd_kernels_get()->name);
    crd_run_key_add(out, "openblas_core=%s", crd_gemm_core());
    return CRD_OK;
}
