/* Training reads the same images epoch after epoch. Without augmentation their tensors are the
 * same each time: those of a small set are decoded once. What is held out is the front of a
 * shuffled order, which no epoch has. */
#include "app/image_set.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "credence/rng.h"

/* A set of more bytes is read anew each time. */
enum { KEPT_BYTES = 64 << 20 };

/* The order's epoch: training's shuffles count theirs from 0. */
static const int64_t split_epoch = UINT32_MAX;

static crd_status keep(crd_image_set *set)
{
    crd_status status = CRD_OK;
    const crd_preprocessing *p = set->preprocessing;
    set->floats = crd_preprocessing_floats(p);
    if (set->n_images > KEPT_BYTES / (int64_t)sizeof(float) / set->floats)
        return CRD_OK;
    CRD_ALLOC(&set->kept, set->n_images * set->floats, "images");
    CRD_ALLOC(&set->is_kept, set->n_images, "images");
cleanup:
    return status;
}

crd_status crd_image_set_init(crd_image_set *out, crd_dataset *dataset,
                              const crd_preprocessing *preprocessing)
{
    *out = (crd_image_set){.dataset = dataset,
                           .preprocessing = preprocessing,
                           .n_images = crd_dataset_n_images(dataset)};
    return keep(out);
}

/* Places [first, first + n) of the shuffled order. */
static crd_status take(crd_image_set *out, int64_t first, int64_t n, uint64_t seed)
{
    crd_status status = CRD_OK;
    int64_t n_all = crd_dataset_n_images(out->dataset);
    out->n_images = n;
    CRD_ALLOC(&out->numbers, n, "order of the images");
    for (int64_t i = 0; i < n; i++)
        out->numbers[i] = crd_shuffled(first + i, n_all, seed, split_epoch);
    status = keep(out);
cleanup:
    return status;
}

crd_status crd_image_set_split(crd_image_set *rest, crd_image_set *held, crd_dataset *dataset,
                               const crd_preprocessing *preprocessing, double share, uint64_t seed)
{
    crd_status status = CRD_OK;
    int64_t n = crd_dataset_n_images(dataset), n_held = llround(share * (double)n);
    *rest = *held = (crd_image_set){.dataset = dataset, .preprocessing = preprocessing};
    n_held = n_held > 0 ? n_held : 1;
    CRD_REQUIRE(n_held < n, CRD_ERR_USAGE,
                "--validate-share: %g of %lld images leaves none to train on", share, (long long)n);
    CRD_TRY(take(held, 0, n_held, seed));
    CRD_TRY(take(rest, n_held, n - n_held, seed));
cleanup:
    return status;
}

void crd_image_set_clear(crd_image_set *set)
{
    crd_free(set->numbers);
    crd_free(set->kept);
    crd_free(set->is_kept);
    *set = (crd_image_set){0};
}

int64_t crd_image_set_number(const crd_image_set *set, int64_t place)
{
    return set->numbers != NULL ? set->numbers[place] : place;
}

crd_status crd_image_set_load(float *out, crd_image_set *set, int64_t place,
                              const crd_augmentation *augmentation, uint64_t seed, int64_t epoch)
{
    int keeps = augmentation == NULL && set->kept != NULL;
    size_t n_bytes = (size_t)set->floats * sizeof *out;
    float *kept = keeps ? set->kept + place * set->floats : NULL;
    if (keeps && set->is_kept[place]) {
        memcpy(out, kept, n_bytes);
        return CRD_OK;
    }
    crd_status status = crd_dataset_load(out, set->dataset, crd_image_set_number(set, place),
                                         set->preprocessing, augmentation, seed, epoch);
    if (status == CRD_OK && keeps) {
        memcpy(kept, out, n_bytes);
        set->is_kept[place] = 1;
    }
    return status;
}

crd_status crd_image_set_load_all(float *tensors, int8_t *skipped, int64_t first, int64_t n,
                                  void *payload)
{
    crd_image_set *set = payload;
    memset(skipped, 0, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        crd_status status =
            crd_image_set_load(tensors + i * set->floats, set, first + i, NULL, 0, 0);
        if (status != CRD_OK)
            return status;
    }
    return CRD_OK;
}

crd_status crd_image_set_match(int64_t **labels, const crd_image_set *set,
                               const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    int64_t *all = NULL;
    int has_noise = posterior->outputs == CRD_OUTPUT_NORMALS;
    *labels = NULL;
    if (posterior->outputs != CRD_OUTPUT_LOGITS)
        return crd_dataset_check_targets(set->dataset, posterior->n_classes / (has_noise ? 2 : 1));
    CRD_ALLOC(&all, crd_dataset_n_images(set->dataset), "labels");
    CRD_TRY(crd_dataset_match(all, set->dataset, (const char *const *)posterior->classes,
                              posterior->n_classes));
    CRD_ALLOC(labels, set->n_images, "labels");
    for (int64_t i = 0; i < set->n_images; i++)
        (*labels)[i] = all[crd_image_set_number(set, i)];
cleanup:
    crd_free(all);
    return status;
}
