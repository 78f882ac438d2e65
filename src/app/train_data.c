/* Opens and matches what a training reads, and hands it to the engine image by image. */
#include "app/train_data.h"

#include <string.h>

#include "base/alloc.h"
#include "credence/log.h"
#include "credence/rng.h"

crd_status crd_train_data_open(crd_train_data *out, crd_validation *validation,
                               const crd_train_files_options *options,
                               const crd_preprocessing *preprocessing)
{
    crd_status status = CRD_OK;
    const crd_augmentation *a = &options->augmentation;
    *out = (crd_train_data){.seed = options->train.gradient.seed, .augmentation = *a};
    out->is_augmented = a->flip || a->padded_crop > 0 || a->random_resized_crop;
    CRD_TRY(crd_dataset_open(&out->dataset, options->data, options->n_data));
    if (!a->random_resized_crop) /* which takes parts of any size */
        crd_dataset_log_fit(out->dataset, preprocessing);
    if (options->validate_share > 0)
        return crd_image_set_split(&out->images, &validation->images, out->dataset, preprocessing,
                                   options->validate_share, out->seed);
    CRD_TRY(crd_image_set_init(&out->images, out->dataset, preprocessing));
    if (options->validate != NULL) {
        CRD_TRY(crd_dataset_open(&validation->dataset, &options->validate, 1));
        crd_dataset_log_fit(validation->dataset, preprocessing);
        CRD_TRY(crd_image_set_init(&validation->images, validation->dataset, preprocessing));
    }
cleanup:
    return status;
}

/** Classes without names get those of the sub-folders that they were learned from: what is
 * evaluated later must lie in folders of the same names. Only if every class has its folder. */
static crd_status name_classes(crd_posterior *p, const crd_train_data *data)
{
    crd_status status = CRD_OK;
    int64_t n, n_named = 0;
    const char *const *folders = crd_dataset_class_names(data->dataset, &n);
    if (p->classes != NULL || folders == NULL || n != p->n_classes)
        return CRD_OK;
    CRD_ALLOC(&p->classes, n, "class names");
    for (int64_t i = 0; i < data->images.n_images; i++) {
        char **name = &p->classes[data->labels[i]];
        n_named += *name == NULL;
        if (*name == NULL)
            CRD_TRY(crd_alloc_string(
                name,
                folders[crd_dataset_label(data->dataset, crd_image_set_number(&data->images, i))]));
    }
    if (n_named == n)
        return CRD_OK;
    for (int64_t k = 0; k < n; k++) /* folders "1" and "01" are one class */
        crd_free(p->classes[k]);
    crd_free(p->classes);
    p->classes = NULL;
cleanup:
    return status;
}

/** Labels to train on, -1 where there are none: without any the deterministic network can still
 * be the teacher. */
static crd_status match_labels(crd_train_data *data, crd_posterior *posterior, int is_distilling)
{
    crd_status status = CRD_OK;
    if (posterior->outputs == CRD_OUTPUT_LOGITS) {
        status = crd_image_set_match(&data->labels, &data->images, posterior);
        if (!is_distilling)
            return status == CRD_OK ? name_classes(posterior, data) : status;
        if (status == CRD_OK)
            return status;
        crd_log(CRD_LOG_WARN, "no accuracy is given: %s", crd_status_message());
    }
    status = CRD_OK;
    CRD_ALLOC(&data->labels, data->images.n_images, "labels");
    for (int64_t i = 0; i < data->images.n_images; i++)
        data->labels[i] = -1;
cleanup:
    return status;
}

crd_status crd_train_data_match(crd_train_data *data, crd_validation *validation,
                                const char *loss_name, crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    int is_distilling = strcmp(loss_name, "mse-distill") == 0;
    const crd_loss *loss;
    CRD_TRY(crd_loss_find(&loss, loss_name));
    CRD_TRY(match_labels(data, posterior, is_distilling));
    if (!is_distilling && crd_loss_target(loss) == CRD_TARGET_VALUES) {
        CRD_TRY(crd_loss_n_values(&data->n_values, loss, posterior->n_classes));
        CRD_TRY(crd_dataset_check_targets(data->dataset, data->n_values));
    }
    if (validation->images.n_images > 0)
        CRD_TRY(crd_image_set_match(&validation->labels, &validation->images, posterior));
cleanup:
    return status;
}

void crd_train_data_close(crd_train_data *data)
{
    crd_image_set_clear(&data->images);
    crd_free(data->labels);
    crd_dataset_close(data->dataset);
    *data = (crd_train_data){0};
}

crd_status crd_train_data_load(crd_train_data *data, float *images, int64_t *labels, float *values,
                               int64_t epoch, int64_t first, int64_t n)
{
    crd_image_set *set = &data->images;
    for (int64_t i = 0; i < n; i++) {
        int64_t place = crd_shuffled(first + i, set->n_images, data->seed, epoch);
        crd_status status =
            crd_image_set_load(images + i * set->floats, set, place,
                               data->is_augmented ? &data->augmentation : NULL, data->seed, epoch);
        if (status != CRD_OK)
            return status;
        labels[i] = data->labels[place];
        if (data->n_values > 0)
            memcpy(values + i * data->n_values,
                   crd_dataset_target(data->dataset, crd_image_set_number(set, place)),
                   (size_t)data->n_values * sizeof *values);
    }
    return CRD_OK;
}
