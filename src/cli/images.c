#include "cli/images.h"

#include <string.h>

#include "credence/log.h"

int64_t crd_image_source_floats(const crd_image_source *source)
{
    const crd_preprocessing *p = source->preprocessing;
    return p->channels * p->crop * p->crop;
}

static crd_status load_one(float *tensor, const char *path, const crd_preprocessing *preprocessing)
{
    crd_image image = {0};
    crd_status status = crd_image_read(&image, path, preprocessing->channels);
    if (status == CRD_OK)
        status = crd_image_to_tensor(tensor, &image, preprocessing);
    crd_image_clear(&image);
    return status;
}

crd_status crd_images_load(float *tensors, int8_t *skipped, int64_t first, int64_t n, void *payload)
{
    crd_image_source *source = payload;
    int64_t floats = crd_image_source_floats(source);
    for (int64_t i = 0; i < n; i++) {
        float *tensor = tensors + i * floats;
        crd_status status =
            load_one(tensor, source->inputs->images[first + i].path, source->preprocessing);
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
