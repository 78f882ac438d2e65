/* Images of a run as tensors. Rank 0 opens and checks them; the other ranks of its node
 * open the same ones and get its digests, so that an image that changes meanwhile ends the run. */
#include "app/images.h"

#include <string.h>

#include "base/alloc.h"
#include "credence/log.h"

crd_status crd_images_open(crd_image_source *out, const char *const *arguments, int n, int skip_bad)
{
    crd_status status = CRD_OK;
    *out = (crd_image_source){.skip_bad = skip_bad};
    CRD_TRY(skip_bad ? crd_dataset_open_readable(&out->dataset, arguments, n)
                     : crd_dataset_open(&out->dataset, arguments, n));
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
    return crd_preprocessing_floats(&source->preprocessing);
}

/** What the other ranks are told of rank 0's images. */
typedef struct image_facts {
    crd_preprocessing preprocessing;
    int64_t n_images;
    int has_digests;
} image_facts;

static crd_status open_same(crd_image_source *source, const char *const *arguments, int n,
                            int skip_bad, const image_facts *first)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_images_open(source, arguments, n, skip_bad));
    source->preprocessing = first->preprocessing;
    CRD_REQUIRE(source->n_images == first->n_images, CRD_ERR_INPUT,
                "%s: %lld images, and %lld a moment before", arguments[0],
                (long long)source->n_images, (long long)first->n_images);
cleanup:
    return status;
}

/** Rank 0's digests, so that all ranks that read images know what they must find. */
static crd_status share_digests(crd_image_source *source, crd_comm *comm, int64_t n_images)
{
    crd_status status = CRD_OK;
    uint64_t *digests = NULL;
    int is_first = crd_comm_rank(comm) == 0, reads = source->dataset != NULL;
    if (!is_first)
        status = crd_alloc_zeroed((void **)&digests, n_images, sizeof *digests, "digests");
    CRD_TRY(crd_comm_agree(comm, status));
    crd_comm_broadcast(comm, is_first ? crd_dataset_image_digests(source->dataset) : digests,
                       n_images * (int64_t)sizeof *digests);
    if (!is_first && reads)
        status = crd_dataset_expect_images(source->dataset, digests);
    CRD_TRY(crd_comm_agree(comm, status));
cleanup:
    crd_free(digests);
    return status;
}

crd_status crd_images_share(crd_image_source *source, crd_comm *comm, const char *const *arguments,
                            int n, int skip_bad)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(comm) == 0, is_other = crd_comm_node(comm) == 0 && !is_first;
    image_facts first = {source->preprocessing, source->n_images,
                         is_first && crd_dataset_image_digests(source->dataset) != NULL};
    crd_comm_broadcast(comm, &first, sizeof first);
    CRD_TRY(crd_comm_agree(comm,
                           is_other ? open_same(source, arguments, n, skip_bad, &first) : CRD_OK));
    if (first.has_digests)
        CRD_TRY(share_digests(source, comm, first.n_images));
cleanup:
    return status;
}

static crd_status load_one(float *tensor, const crd_image_source *source, int64_t i)
{
    return crd_dataset_load(tensor, source->dataset, i, &source->preprocessing, NULL, 0, 0);
}

crd_status crd_images_load(float *tensors, int8_t *skipped, int64_t first, int64_t n, void *payload)
{
    const crd_image_source *source = payload;
    int64_t floats = crd_images_floats(source);
    for (int64_t i = 0; i < n; i++) {
        crd_status status = load_one(tensors + i * floats, source, first + i);
        skipped[i] = status != CRD_OK;
        if (status == CRD_OK)
            continue;
        if (!source->skip_bad || status != CRD_ERR_INPUT)
            return status;
        memset(tensors + i * floats, 0, (size_t)floats * sizeof *tensors);
    }
    return CRD_OK;
}

int64_t crd_images_warn(crd_image_source *source, const int8_t *skipped, int64_t first, int64_t n)
{
    int64_t n_skipped = 0;
    float *tensor = NULL; /* read once more, wherever it was read before */
    for (int64_t i = 0; i < n; i++) {
        if (!skipped[i])
            continue;
        n_skipped++;
        if (tensor == NULL && crd_alloc_zeroed((void **)&tensor, crd_images_floats(source),
                                               sizeof *tensor, "an image") != CRD_OK)
            continue;
        if (load_one(tensor, source, first + i) != CRD_OK)
            crd_log(CRD_LOG_WARN, "skipped: %s", crd_status_message());
    }
    crd_free(tensor);
    return n_skipped;
}
