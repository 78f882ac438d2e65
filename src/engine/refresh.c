/* Batch norm's statistics from images: networks times micro-batches are units, dealt to the ranks
 * in stretches, so that a rank fills few networks; their statistics are summed in fixed point
 * (bayes/gradient.h). It changes no network itself. */
#include "credence/refresh.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/integers.h"
#include "bayes/gradient.h"
#include "credence/watchdog.h"
#include "engine/batches.h"
#include "graph/graph.h"

static int is_statistic(const crd_network *network, int64_t param)
{
    const crd_graph_op *op;
    const crd_param_spec *spec = crd_network_param_spec(&op, network, param);
    return spec->role == CRD_STATISTIC && op->kind->statistics != NULL;
}

int crd_network_has_statistics(const crd_network *network)
{
    return crd_statistics_count(network) > 0;
}

int64_t crd_statistics_count(const crd_network *network)
{
    int64_t n = 0;
    for (int64_t p = 0; p < network->params.n_params; p++)
        if (is_statistic(network, p))
            n += network->params.entries[p].count;
    return n;
}

void crd_statistics_put(float *values, const crd_network *network, const float *row)
{
    for (int64_t p = 0; p < network->params.n_params; p++) {
        const crd_param *param = &network->params.entries[p];
        if (!is_statistic(network, p))
            continue;
        memcpy(values + param->offset, row, (size_t)param->count * sizeof *row);
        row += param->count;
    }
}

typedef struct refreshing {
    crd_comm *comm;
    const crd_network *network;
    const crd_refresh_networks *networks;
    const crd_refresh_options *options;
    crd_gradient *gradient;
    crd_batches *batches;
    uint8_t *bayesian; /* [n_params] nothing is */
    float *values;     /* [n_floats] of the network that is there */
    int64_t there;     /* its number; -1: none */
    int64_t *sums;     /* [n][n_statistics] */
    int64_t n_statistics;
} refreshing;

static crd_status allocate(refreshing *r)
{
    crd_status status = CRD_OK;
    const crd_params *params = &r->network->params;
    const crd_gradient_options gradient = {
        .estimator = "reparameterization",
        .seed = r->options->seed,
        .micro_batch = crd_smaller(r->options->micro_batch, r->options->n_images),
        .batch_norm_train = true,
        .mean = true};
    CRD_ALLOC(&r->bayesian, params->n_params, "flags");
    CRD_ALLOC(&r->values, params->n_floats, "a network");
    CRD_ALLOC(&r->sums, r->networks->n * r->n_statistics, "statistics");
    CRD_TRY(crd_gradient_create(&r->gradient, r->network, r->bayesian, &gradient));
cleanup:
    return status;
}

static crd_status go_to_network(refreshing *r, int64_t i)
{
    if (r->there == i)
        return CRD_OK;
    r->networks->fill(r->values, i, r->networks->payload);
    r->there = i;
    return crd_gradient_set_parameters(r->gradient, r->values, NULL);
}

/* This rank's stretch of the units of a batch. */
static crd_status run_units(refreshing *r, const crd_batch *batch)
{
    crd_status status = CRD_OK;
    int64_t micro = crd_smaller(r->options->micro_batch, r->options->n_images);
    int64_t n_micro = crd_divide_up(batch->n, micro), n_units = r->networks->n * n_micro;
    int64_t image_floats = crd_shape_count(crd_network_input_shape(r->network));
    int64_t rank = crd_comm_rank(r->comm), size = crd_comm_size(r->comm);
    for (int64_t u = n_units * rank / size; u < n_units * (rank + 1) / size; u++) {
        int64_t i = u / n_micro, at = u % n_micro * micro, n = crd_smaller(micro, batch->n - at);
        CRD_TRY(go_to_network(r, i));
        CRD_TRY(crd_gradient_add_statistics(r->sums + i * r->n_statistics, r->gradient,
                                            batch->images + at * image_floats, n, batch->first + at,
                                            (double)n / (double)r->options->n_images));
        crd_comm_heartbeat(r->comm, "batch norm's statistics");
    }
cleanup:
    return status;
}

static crd_status run_all(refreshing *r)
{
    crd_status status = CRD_OK;
    while (crd_batches_left(r->batches) > 0) {
        crd_batch batch;
        CRD_TRY(crd_batches_next(&batch, r->batches));
        CRD_TRY(crd_comm_agree(r->comm, run_units(r, &batch)));
    }
    int64_t n = r->networks->n * r->n_statistics;
    crd_comm_sum_begin(r->comm, r->sums, n);
    crd_comm_sum_end(r->comm);
cleanup:
    return status;
}

crd_status crd_refresh_statistics(float *rows, crd_comm *comm, const crd_network *network,
                                  const crd_refresh_networks *networks,
                                  const crd_refresh_options *options, const crd_train_hooks *hooks)
{
    crd_status status = CRD_OK;
    refreshing r = {.comm = comm,
                    .network = network,
                    .networks = networks,
                    .options = options,
                    .there = -1,
                    .n_statistics = crd_statistics_count(network)};
    const crd_batches_plan plan = {.n_images = options->n_images,
                                   .batch_size = options->batch_size,
                                   .n_epochs = options->epoch + 1,
                                   .first_epoch = options->epoch,
                                   .image_floats =
                                       crd_shape_count(crd_network_input_shape(network))};
    CRD_TRY(crd_comm_agree(comm, allocate(&r)));
    CRD_TRY(crd_batches_create(&r.batches, comm, &plan, hooks));
    CRD_TRY(run_all(&r));
    for (int64_t i = 0; i < networks->n * r.n_statistics; i++)
        rows[i] = (float)ldexp((double)r.sums[i], -CRD_GRADIENT_BITS);
cleanup:
    crd_batches_destroy(r.batches);
    crd_gradient_destroy(r.gradient);
    crd_free(r.sums);
    crd_free(r.values);
    crd_free(r.bayesian);
    return status;
}
