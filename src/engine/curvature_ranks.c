/* The Hessian's sums over ranks: a window of images is broadcast while the one before it is
 * computed; its batches, which do not depend on the number of ranks, are dealt to them in turn. */
#include "engine/curvature_ranks.h"

#include <string.h>

#include "base/alloc.h"
#include "base/integers.h"
#include "credence/watchdog.h"
#include "engine/batches.h"
#include "engine/rank_check.h"

/* Bytes of a window, unless every rank's first batch needs more. */
enum { WINDOW_BYTES = 64 << 20 };

typedef struct run {
    crd_curvature *curvature;
    crd_comm *comm;
    crd_sampler *sampler;
    float *features; /* of a batch */
    int64_t image_floats;
} run;

/* Adds the batch that begins at image `at` of a window. */
static crd_status add_batch(run *r, const crd_batch *window, int64_t at)
{
    crd_status status = CRD_OK;
    int64_t n = crd_smaller(CRD_CURVATURE_BATCH, window->n - at), first = window->first + at;
    crd_comm_heartbeat(r->comm, "computing features of image %lld", (long long)first);
    CRD_TRY(crd_sampler_run(r->features, r->sampler, window->images + at * r->image_floats, n,
                            first, 0, 1));
    CRD_TRY(crd_curvature_add(r->curvature, r->features, window->labels + at, n, first));
cleanup:
    return status;
}

/* All ranks compute the first batch, and compare. */
static crd_status check_ranks(run *r, const crd_batch *window)
{
    crd_status status = CRD_OK;
    int64_t n, *sums = crd_curvature_sums(r->curvature, &n);
    if (window->first > 0 || crd_comm_size(r->comm) == 1)
        return CRD_OK;
    CRD_TRY(crd_comm_agree(r->comm, add_batch(r, window, 0)));
    CRD_TRY(
        crd_rank_check_compare(r->comm, crd_rank_check_digest(sums, n * (int64_t)sizeof *sums)));
    memset(sums, 0, (size_t)n * sizeof *sums);
cleanup:
    return status;
}

static crd_status add_window(run *r, const crd_batch *window)
{
    crd_status status = CRD_OK;
    int64_t first = crd_comm_rank(r->comm) * (int64_t)CRD_CURVATURE_BATCH;
    int64_t step = crd_comm_size(r->comm) * (int64_t)CRD_CURVATURE_BATCH;
    for (int64_t at = first; status == CRD_OK && at < window->n; at += step)
        status = add_batch(r, window, at);
    return status;
}

static crd_status run_windows(run *r, crd_batches *batches, int64_t n_images,
                              const crd_train_hooks *hooks)
{
    crd_status status = CRD_OK;
    crd_batch window;
    while (crd_batches_left(batches) > 0) {
        CRD_TRY(crd_batches_next(&window, batches));
        CRD_TRY(check_ranks(r, &window));
        CRD_TRY(crd_comm_agree(r->comm, add_window(r, &window)));
        if (crd_comm_rank(r->comm) == 0 && hooks->progress != NULL)
            hooks->progress(window.first + window.n, n_images, 0, hooks->payload);
    }
cleanup:
    return status;
}

static crd_status prepare(run *r, const crd_model *features)
{
    crd_status status = CRD_OK;
    const crd_sampler_options options = {.estimator = "reparameterization",
                                         .mean = true,
                                         .batch = CRD_CURVATURE_BATCH,
                                         .draw_block = 1};
    CRD_TRY(crd_sampler_create(&r->sampler, features, &options));
    CRD_ALLOC(&r->features, CRD_CURVATURE_BATCH * crd_network_n_outputs(features->network),
              "features");
cleanup:
    return status;
}

crd_status crd_curvature_gather(crd_curvature *curvature, crd_comm *comm, const crd_model *features,
                                int64_t n_images, const crd_train_hooks *hooks)
{
    crd_status status = CRD_OK;
    run r = {.curvature = curvature,
             .comm = comm,
             .image_floats = crd_shape_count(crd_network_input_shape(features->network))};
    crd_batches *batches = NULL;
    int64_t bytes = CRD_CURVATURE_BATCH * r.image_floats * (int64_t)sizeof(float), n;
    int64_t per_rank = crd_larger(WINDOW_BYTES / bytes / crd_comm_size(comm), 1);
    const crd_batches_plan plan = {.n_images = n_images,
                                   .batch_size =
                                       per_rank * crd_comm_size(comm) * CRD_CURVATURE_BATCH,
                                   .n_epochs = 1,
                                   .image_floats = r.image_floats};
    CRD_TRY(crd_comm_agree(comm, prepare(&r, features)));
    CRD_TRY(crd_batches_create(&batches, comm, &plan, hooks));
    CRD_TRY(run_windows(&r, batches, n_images, hooks));
    int64_t *sums = crd_curvature_sums(curvature, &n);
    crd_comm_reduce_sum(comm, sums, n);
cleanup:
    crd_batches_destroy(batches);
    crd_sampler_destroy(r.sampler);
    crd_free(r.features);
    return status;
}
