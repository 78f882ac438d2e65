/* An open posterior that predicts images in memory: the model is shared once, each call is a run of
 * the engine whose source is the caller's array. */
#include "credence/predictor.h"

#include <string.h>

#include "app/context.h"
#include "base/alloc.h"

struct crd_predictor {
    crd_comm *comm;
    crd_predict_options options;
    crd_context context;
    crd_reduction reduction; /* rank 0 */
    crd_summary rows;        /* rank 0: of the last call */
    const float *images;     /* of this call */
};

crd_status crd_predictor_create(crd_predictor **out, crd_comm *comm, const char *path,
                                const crd_predict_options *options)
{
    crd_status status = CRD_OK;
    crd_predictor *p = NULL;
    *out = NULL;
    CRD_TRY(crd_comm_agree(comm, crd_alloc_zeroed((void **)&p, 1, sizeof *p, "a predictor")));
    p->comm = comm;
    p->options = *options;
    if (crd_comm_rank(comm) == 0) {
        status = crd_context_open(&p->context, path, NULL, 0, 0, options->sampler.estimator);
        if (status == CRD_OK)
            status = crd_context_set_draws(&p->context, options);
        if (status == CRD_OK)
            status = crd_predict_reduction(&p->reduction, p->context.posterior, options);
    }
    CRD_TRY(crd_context_share(&p->context, comm, status, NULL, options));
    p->options.sampler.estimator = p->context.estimator;
    p->options.outputs = p->context.outputs;
    p->options.n_draws = p->context.n_draws;
cleanup:
    if (status != CRD_OK) {
        crd_predictor_destroy(p);
        p = NULL;
    }
    *out = p;
    return status;
}

void crd_predictor_destroy(crd_predictor *predictor)
{
    if (predictor == NULL)
        return;
    crd_summary_clear(&predictor->rows);
    crd_context_close(&predictor->context);
    crd_free(predictor);
}

const crd_posterior *crd_predictor_posterior(const crd_predictor *predictor)
{
    return predictor->context.posterior;
}

static crd_status load(float *tensors, int8_t *skipped, int64_t first, int64_t n, void *payload)
{
    const crd_predictor *p = payload;
    int64_t floats = crd_images_floats(&p->context.images);
    memset(skipped, 0, (size_t)n);
    memcpy(tensors, p->images + first * floats, (size_t)(n * floats) * sizeof *tensors);
    return CRD_OK;
}

static crd_status take_rows(const crd_summary *rows, int64_t first_image, void *payload)
{
    crd_predictor *p = payload;
    for (int64_t i = 0; i < rows->n_images; i++)
        crd_summary_copy_row(&p->rows, first_image + i, rows, i);
    return CRD_OK;
}

/** Room for the rows of this call. */
static crd_status make_rows(crd_predictor *p, int64_t n_images)
{
    crd_status status = CRD_OK;
    crd_summary_clear(&p->rows);
    CRD_TRY(crd_summary_init(&p->rows, &p->reduction, n_images));
    p->rows.n_images = n_images;
cleanup:
    return status;
}

crd_status crd_predictor_run(const crd_summary **rows, crd_predictor *predictor,
                             const float *images, int64_t n_images)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(predictor->comm) == 0;
    crd_predict_source source = {
        .load = load, .payload = predictor, .weights = predictor->context.shared};
    crd_predict_sink sink = {.summary = take_rows, .payload = predictor};
    crd_predict_report report;
    *rows = NULL;
    predictor->images = images;
    predictor->options.n_images = n_images;
    CRD_TRY(crd_comm_agree(predictor->comm, is_first ? make_rows(predictor, n_images) : CRD_OK));
    CRD_TRY(crd_predict(&report, predictor->comm, crd_context_model(&predictor->context),
                        &predictor->options, &source, &sink));
    *rows = is_first ? &predictor->rows : NULL;
cleanup:
    return status;
}
