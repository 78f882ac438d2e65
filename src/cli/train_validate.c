#include "cli/train_validate.h"

#include "credence/metrics.h"

/** What the sink needs. */
typedef struct metrics_sink {
    const int64_t *labels;
    int64_t sums[CRD_METRICS_N_SUMS];
} metrics_sink;

static crd_status take_summary(const crd_summary *summary, int64_t first_image, void *payload)
{
    metrics_sink *sink = payload;
    for (int64_t i = 0; i < summary->n_images; i++)
        crd_metrics_add(sink->sums, summary->probs_mean + i * summary->n_classes,
                        summary->n_classes, sink->labels[first_image + i]);
    return CRD_OK;
}

crd_status crd_validation_run(double out[3], crd_validation *validation, crd_comm *comm,
                              const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    crd_shared_model *shared = NULL;
    metrics_sink metrics_of = {.labels = validation->labels};
    crd_predict_source source = {.load = crd_images_load, .payload = &validation->images};
    crd_predict_sink sink = {.summary = take_summary, .payload = &metrics_of};
    crd_predict_report report;
    crd_metrics metrics;
    CRD_TRY(crd_shared_model_create(&shared, comm, posterior, NULL));
    CRD_TRY(crd_predict(&report, comm, crd_shared_model_view(shared), &validation->options, &source,
                        &sink));
    crd_metrics_finish(&metrics, metrics_of.sums);
    out[0] = metrics.accuracy;
    out[1] = metrics.nll;
    out[2] = metrics.ece;
    crd_comm_broadcast(comm, out, 3 * (int64_t)sizeof *out);
cleanup:
    crd_shared_model_destroy(shared);
    return status;
}
