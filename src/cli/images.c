#include "cli/images.h"

#include <string.h>

#include "base/alloc.h"
#include "credence/log.h"

int64_t crd_image_source_floats(const crd_image_source *source)
{
    const crd_preprocessing *p = source->preprocessing;
    return p->channels * p->crop * p->crop;
}

crd_status crd_images_load(float *tensors, int8_t *skipped, int64_t first, int64_t n, void *payload)
{
    crd_image_source *source = payload;
    int64_t floats = crd_image_source_floats(source);
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

crd_status crd_images_names(char ***out, crd_dataset *dataset)
{
    crd_status status = CRD_OK;
    CRD_ALLOC(out, crd_dataset_n_images(dataset), "image names");
    for (int64_t i = 0; i < crd_dataset_n_images(dataset); i++)
        CRD_TRY(crd_alloc_string(&(*out)[i], crd_dataset_name(dataset, i)));
cleanup:
    return status;
}

void crd_images_names_free(char **names, const crd_dataset *dataset)
{
    for (int64_t i = 0; names != NULL && i < crd_dataset_n_images(dataset); i++)
        crd_free(names[i]);
    crd_free(names);
}
