#include "cli/train_validate.h"

#include <math.h>

#include "base/alloc.h"
#include "credence/metrics.h"
#include "credence/regression.h"

/** What the sinks need. */
typedef struct validation_run {
    crd_validation *validation;
    int64_t sums[CRD_METRICS_N_SUMS]; /* classification */
    crd_regression *regression;
    int64_t n_values, n_outputs;
} validation_run;

static const float *target_of(const validation_run *run, int64_t image)
{
    const crd_image_set *images = &run->validation->images;
    return crd_dataset_target(images->dataset, crd_image_set_number(images, image));
}

static crd_status take_summary(const crd_summary *summary, int64_t first_image, void *payload)
{
    validation_run *run = payload;
    for (int64_t i = 0; i < summary->n_images; i++)
        crd_metrics_add(run->sums, summary->probs_mean + i * summary->n_classes, summary->n_classes,
                        run->validation->labels[first_image + i]);
    return CRD_OK;
}

static crd_status take_draws(const float *outputs, int64_t first_draw, int64_t n_draws,
                             int64_t first_image, int64_t n_images, void *payload)
{
    validation_run *run = payload;
    (void)first_draw;
    for (int64_t row = 0; row < n_draws * n_images; row++) {
        int64_t image = first_image + row % n_images;
        crd_regression_add(run->regression, image, outputs + row * run->n_outputs,
                           target_of(run, image));
    }
    return CRD_OK;
}

static void finish_classification(double out[CRD_N_VALIDATIONS], const validation_run *run)
{
    crd_metrics metrics;
    crd_metrics_finish(&metrics, run->sums);
    out[CRD_VALIDATION_ACCURACY] = metrics.accuracy;
    out[CRD_VALIDATION_NLL] = metrics.nll;
    out[CRD_VALIDATION_ECE] = metrics.ece;
}

static void finish_regression(double out[CRD_N_VALIDATIONS], const validation_run *run)
{
    const crd_image_set *images = &run->validation->images;
    double count = (double)(images->n_images * run->n_values);
    out[CRD_VALIDATION_NLL] = out[CRD_VALIDATION_MSE] = 0;
    for (int64_t i = 0; i < images->n_images; i++)
        for (int64_t k = 0; k < run->n_values; k++) {
            crd_regression_value v = crd_regression_get(run->regression, i, k);
            double error = v.mean - (double)target_of(run, i)[k];
            out[CRD_VALIDATION_NLL] += v.nll / count;
            out[CRD_VALIDATION_MSE] += error * error / count;
        }
}

void crd_validation_clear(crd_validation *validation)
{
    crd_image_set_clear(&validation->images);
    crd_free(validation->labels);
    crd_dataset_close(validation->dataset);
    *validation = (crd_validation){0};
}

crd_status crd_validation_run(double out[CRD_N_VALIDATIONS], crd_validation *validation,
                              crd_comm *comm, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    crd_shared_model *shared = NULL;
    int is_first = crd_comm_rank(comm) == 0,
        is_regression = posterior->outputs != CRD_OUTPUT_LOGITS;
    int has_noise = posterior->outputs == CRD_OUTPUT_NORMALS;
    validation_run run = {.validation = validation,
                          .n_outputs = posterior->n_classes,
                          .n_values = posterior->n_classes / (has_noise ? 2 : 1)};
    crd_predict_source source = {.load = crd_image_set_load_all, .payload = &validation->images};
    crd_predict_sink sink = {.payload = &run};
    crd_predict_options options = validation->options;
    crd_predict_report report;
    options.want_draws = is_regression;
    if (is_regression)
        sink.draws = take_draws;
    else
        sink.summary = take_summary;
    for (int i = 0; i < CRD_N_VALIDATIONS; i++)
        out[i] = NAN;
    CRD_TRY(crd_comm_agree(comm,
                           is_first && is_regression
                               ? crd_regression_create(&run.regression, validation->images.n_images,
                                                       run.n_values, has_noise)
                               : CRD_OK));
    CRD_TRY(crd_shared_model_create(&shared, comm, posterior, NULL));
    CRD_TRY(crd_predict(&report, comm, crd_shared_model_view(shared), &options, &source, &sink));
    if (is_first && is_regression)
        finish_regression(out, &run);
    else if (is_first)
        finish_classification(out, &run);
    crd_comm_broadcast(comm, out, CRD_N_VALIDATIONS * (int64_t)sizeof *out);
cleanup:
    crd_shared_model_destroy(shared);
    crd_regression_destroy(run.regression);
    return status;
}
