/* Validation: a prediction of the posterior as it is now, judged against the truth. */
#include "app/train_validate.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "credence/metrics.h"

/** What the sink needs. */
typedef struct validation_run {
    crd_validation *validation;
    int64_t sums[CRD_METRICS_N_SUMS]; /* classification */
    int64_t *scores;                  /* of a reducer that judges its rows */
} validation_run;

static const float *target_of(const validation_run *run, int64_t image)
{
    const crd_image_set *images = &run->validation->images;
    return crd_dataset_target(images->dataset, crd_image_set_number(images, image));
}

static crd_status take_summary(const crd_summary *summary, int64_t first_image, void *payload)
{
    validation_run *run = payload;
    for (int64_t i = 0; i < summary->n_images; i++) {
        int64_t image = first_image + i;
        if (run->scores != NULL) {
            crd_truth truth = {.targets = target_of(run, image)};
            crd_reduction_judge(run->scores, summary, i, &truth);
            continue;
        }
        crd_class_rows rows = crd_class_rows_view(summary);
        crd_metrics_add(run->sums, rows.probs_mean + i * rows.n_classes, rows.n_classes,
                        run->validation->labels[image]);
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

static void finish_regression(double out[CRD_N_VALIDATIONS], const crd_reduction *reduction,
                              const int64_t *scores)
{
    crd_figure figures[CRD_MAX_FIELDS];
    int n = crd_reduction_figures(figures, reduction, scores);
    for (int i = 0; i < n; i++) {
        if (strcmp(figures[i].key, "nll") == 0)
            out[CRD_VALIDATION_NLL] = figures[i].value;
        else if (strcmp(figures[i].key, "rmse") == 0)
            out[CRD_VALIDATION_MSE] = figures[i].value * figures[i].value;
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
    int is_first = crd_comm_rank(comm) == 0;
    validation_run run = {.validation = validation};
    crd_predict_source source = {.load = crd_image_set_load_all, .payload = &validation->images};
    crd_predict_sink sink = {.summary = take_summary, .payload = &run};
    crd_predict_options options = validation->options;
    crd_predict_report report;
    crd_reduction reduction;
    for (int i = 0; i < CRD_N_VALIDATIONS; i++)
        out[i] = NAN;
    options.outputs = posterior->outputs;
    CRD_TRY(crd_reduction_init(&reduction, posterior->outputs, posterior->n_classes, 1));
    int64_t n_scores = crd_reduction_n_scores(&reduction);
    options.keep_sums = n_scores > 0;
    if (n_scores > 0)
        CRD_TRY(crd_comm_agree(
            comm, crd_alloc_zeroed((void **)&run.scores, n_scores, sizeof *run.scores, "scores")));
    CRD_TRY(crd_shared_model_create(&shared, comm, posterior, NULL, options.sampler.mean));
    CRD_TRY(crd_predict(&report, comm, crd_shared_model_view(shared), &options, &source, &sink));
    if (is_first && n_scores > 0)
        finish_regression(out, &reduction, run.scores);
    else if (is_first)
        finish_classification(out, &run);
    crd_comm_broadcast(comm, out, CRD_N_VALIDATIONS * (int64_t)sizeof *out);
cleanup:
    crd_shared_model_destroy(shared);
    crd_free(run.scores);
    return status;
}
