/* The run key: lines KEY=VALUE of everything that changes the result, options by the table and
 * with exact values. Two runs with the same key may continue each other's checkpoint
 * (io/fingerprint.c compares). */
#include "cli/run_key.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/build_info.h"
#include "credence/files.h"
#include "credence/version.h"
#include "kernels/kernels.h"

/** Value of an option such that equal values are equal texts (1e-3 is 0.001), and others are
 * not. */
static const char *plain_text(char *buffer, size_t size, const crd_options *options,
                              crd_option_id id)
{
    const crd_option_value *value = &options->values[id];
    const char *text = crd_option_text(buffer, size, options, id);
    size_t used = 0;
    if (text == NULL)
        return "default";
    switch (crd_option_table()[id].type) {
    case CRD_OPTION_INT64:
        snprintf(buffer, size, "%" PRId64, value->integer);
        return buffer;
    case CRD_OPTION_DOUBLE:
        snprintf(buffer, size, "%.17g", value->number);
        return buffer;
    case CRD_OPTION_INT64S:
    case CRD_OPTION_DOUBLES:
        for (int64_t i = 0; i < value->n_numbers && used < size; i++)
            used += (size_t)snprintf(buffer + used, size - used, "%s%.17g", i > 0 ? "," : "",
                                     value->numbers[i]);
        return buffer;
    default:
        return text;
    }
}

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

void crd_run_key_remove(char key[CRD_RUN_KEY_SIZE], crd_option_id option)
{
    char start[64];
    snprintf(start, sizeof start, "--%s=", crd_option_table()[option].name);
    for (char *line = key; *line != '\0'; line += strcspn(line, "\n") + 1)
        if (strncmp(line, start, strlen(start)) == 0) {
            char *rest = line + strcspn(line, "\n") + 1;
            memmove(line, rest, strlen(rest) + 1);
            return;
        }
}

crd_status crd_run_key_make(char out[CRD_RUN_KEY_SIZE], const crd_cli *cli, crd_dataset *data)
{
    char list[512], digest[CRD_FILE_DIGEST_SIZE];
    uint64_t pixels;
    crd_status status = crd_file_digest(digest, cli->options->arguments[0]);
    if (status == CRD_OK)
        status = crd_dataset_image_digest(&pixels, data);
    if (status != CRD_OK)
        return status;
    out[0] = '\0';
    crd_run_key_add(out, "version=%s", CREDENCE_VERSION);
    crd_run_key_add(out, "git=%s", CRD_GIT_HASH);
    for (int id = 0; id < CRD_N_OPTIONS; id++) {
        const crd_option *option = &crd_option_table()[id];
        if (!(option->commands & crd_command_bit(cli->command)) ||
            option->effect != CRD_EFFECT_RESULT)
            continue;
        crd_run_key_add(out, "--%s=%s", option->name,
                        plain_text(list, sizeof list, cli->options, (crd_option_id)id));
    }
    crd_run_key_add(out, "posterior=%s", digest);
    crd_run_key_add(out, "images=%" PRId64, crd_dataset_n_images(data));
    crd_run_key_add(out, "data=%016" PRIx64, crd_dataset_digest(data));
    crd_run_key_add(out, "pixels=%016" PRIx64, pixels);
    crd_run_key_add(out, "kernels=%s", crd_kernels_get()->name);
    crd_run_key_add(out, "openblas_core=%s", crd_gemm_core());
    return CRD_OK;
}
