#include "cli/images.h"

#include <string.h>

#include "base/alloc.h"
#include "credence/log.h"

crd_status crd_images_open(crd_image_source *out, const char *const *arguments, int n, int skip_bad)
{
    crd_status status = CRD_OK;
    *out = (crd_image_source){.skip_bad = skip_bad};
    CRD_TRY(crd_dataset_open(&out->dataset, arguments, n));
    int64_t n_images = crd_dataset_n_images(out->dataset);
    CRD_ALLOC(&out->names, n_images, "image names");
    for (; out->n_images < n_images; out->n_images++)
        CRD_TRY(crd_alloc_string(&out->names[out->n_images],
                                 crd_dataset_name(out->dataset, out->n_images)));
cleanup:
    return status;
}

void crd_images_close(crd_image_source *source)
{
    for (int64_t i = 0; i < source->n_images; i++)
        crd_free(source->names[i]);
    crd_free(source->names);
    crd_dataset_close(source->dataset);
    *source = (crd_image_source){0};
}

int64_t crd_images_floats(const crd_image_source *source)
{
    const crd_preprocessing *p = source->preprocessing;
    return p->channels * p->crop * p->crop;
}

crd_status crd_images_load(float *tensors, int8_t *skipped, int64_t first, int64_t n, void *payload)
{
    crd_image_source *source = payload;
    int64_t floats = crd_images_floats(source);
    for (int64_t i = 0; i < n; i++) {
        float *tensor = tensors + i * floats;
        crd_status status =
            crd_dataset_load(tensor, source->dataset, first + i, source->preprocessing, NULL, 0, 0);
        skipped[i] = 0;
        if (status == CRD_OK)
            continue;
        if (!source->skip_bad || status != CRD_ERR_INPUT)
            return status;
        crd_log(CRD_LOG_WARN, "skipped: %s", crd_status_message());
        memset(tensor, 0, (size_t)floats * sizeof *tensor);
        skipped[i] = 1;
        source->n_skipped++;
    }
    return CRD_OK;
}
