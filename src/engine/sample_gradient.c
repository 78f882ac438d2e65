/* U = -log posterior of a chain and its gradient: the data term's from micro-batches, shared by
 * the ranks of the chain's group and added up in whole numbers; the prior's on every one of them,
 * in the order of the weights. A batch is a piece of the order of its epoch, the chain's own. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/integers.h"
#include "bayes/prior.h"
#include "credence/rng.h"
#include "credence/watchdog.h"
#include "engine/rank_check.h"
#include "engine/sample_run.h"

/* Data terms are added in units of 2^-24, and stay below 2^38 with all images. */
enum { POTENTIAL_BITS = 24, POTENTIAL_RANGE_BITS = 38, PIECE = 1024 };

/* Places of labels and values after the images. */
typedef struct layout {
    int64_t labels, values, n_bytes;
} layout;

static int64_t aligned(int64_t n_bytes)
{
    return crd_divide_up(n_bytes, CRD_ALIGNMENT) * CRD_ALIGNMENT;
}

static layout make_layout(const crd_sample_run *r)
{
    int64_t n = r->options->n_images;
    layout l;
    l.labels = aligned(n * r->image_floats * (int64_t)sizeof(float));
    l.values = aligned(l.labels + n * (int64_t)sizeof(int64_t));
    l.n_bytes = l.values + n * r->value_floats * (int64_t)sizeof(float);
    return l;
}

crd_status crd_sample_load(crd_sample_run *r)
{
    crd_status status = CRD_OK;
    const layout l = make_layout(r);
    CRD_TRY(crd_shared_create(&r->data, r->comm, l.n_bytes));
    char *bytes = crd_shared_data(r->data);
    r->images = (const float *)(void *)bytes;
    r->labels = (const int64_t *)(void *)(bytes + l.labels);
    r->values = (const float *)(void *)(bytes + l.values);
    int64_t n = r->options->n_images;
    for (int64_t at = 0; crd_comm_rank(r->comm) == 0 && status == CRD_OK && at < n; at += PIECE) {
        crd_comm_heartbeat(r->comm, "reading images from number %lld", (long long)at);
        status = r->hooks->load((float *)(void *)bytes + at * r->image_floats,
                                (int64_t *)(void *)(bytes + l.labels) + at,
                                (float *)(void *)(bytes + l.values) + at * r->value_floats, at,
                                crd_smaller(PIECE, n - at), r->hooks->payload);
    }
    CRD_TRY(crd_comm_agree(r->comm, status));
    crd_shared_broadcast(r->data, l.n_bytes);
cleanup:
    return status;
}

/* A micro-batch: views, or gathered. */
typedef struct micro {
    const float *images, *values;
    const int64_t *labels;
    int64_t n;
} micro;

/* The images of a batch: places [first, first + n) of an epoch of the chain. */
typedef struct batch {
    int64_t first, n, epoch;
    uint64_t seed;
} batch;

/* Gradients of one step are of one batch; the first gradient has one of its own. */
static batch batch_of(const crd_sample_run *r, const crd_chain *chain, int64_t i)
{
    int64_t per_step = crd_chain_n_gradients(chain->options), n = r->options->n_images;
    int64_t number = (i + per_step - 1) / per_step, per_epoch = crd_divide_up(n, r->batch);
    int64_t first = number % per_epoch * r->batch;
    return (batch){
        .first = first,
        .n = crd_smaller(r->batch, n - first),
        .epoch = number / per_epoch,
        /* Another order for each chain, and than that of a training with this seed. */
        .seed = chain->options->seed ^ (uint64_t)(chain->number + 1) * UINT64_C(0x9e3779b97f4a7c15),
    };
}

static micro make_micro(const crd_sample_run *r, const batch *b, int64_t at)
{
    const int64_t n_images = r->options->n_images;
    int64_t n = crd_smaller(r->options->micro_batch, b->n - at);
    if (b->n == n_images) /* the order is of no account */
        return (micro){r->images + at * r->image_floats, r->values + at * r->value_floats,
                       r->labels + at, n};
    for (int64_t k = 0; k < n; k++) {
        int64_t place = crd_shuffled(b->first + at + k, n_images, b->seed, b->epoch);
        memcpy(r->batch_images + k * r->image_floats, r->images + place * r->image_floats,
               (size_t)r->image_floats * sizeof(float));
        if (r->value_floats > 0)
            memcpy(r->batch_values + k * r->value_floats, r->values + place * r->value_floats,
                   (size_t)r->value_floats * sizeof(float));
        r->batch_labels[k] = r->labels[place];
    }
    return (micro){r->batch_images, r->batch_values, r->batch_labels, n};
}

/* Adds a micro-batch of a batch of n images to the sums and *potential. */
static crd_status add_micro(int64_t *potential, crd_sample_run *r, const micro *m, int64_t n,
                            int adds)
{
    crd_status status = CRD_OK;
    double loss;
    const crd_gradient_target target = {.sums = r->sums, .adds = adds};
    int is_by_label = crd_loss_target(r->options->loss) == CRD_TARGET_LABEL;
    CRD_TRY(crd_gradient_add(&loss, NULL, &target, r->gradient, r->options->loss, m->images,
                             is_by_label ? m->labels : NULL, m->values, m->n, 0, 0,
                             (double)m->n / (double)n));
    CRD_REQUIRE(fabs(loss) < ldexp(1, POTENTIAL_RANGE_BITS) / (double)r->options->n_images,
                CRD_ERR_NUMERIC, "the data term is %g", loss);
    *potential += llrint(ldexp(loss * (double)m->n, POTENTIAL_BITS));
cleanup:
    return status;
}

/* Sums over the batch, on all ranks of the group. */
static crd_status sum_batch(int64_t *potential, crd_sample_run *r, const batch *b)
{
    crd_status status = CRD_OK;
    int64_t n_floats = r->posterior->network->params.n_floats;
    int64_t own = crd_comm_rank(r->group), size = crd_comm_size(r->group);
    int64_t n_units = crd_divide_up(b->n, r->options->micro_batch);
    *potential = 0;
    if (own >= n_units)
        memset(r->sums, 0, (size_t)n_floats * sizeof *r->sums);
    status = crd_gradient_set_parameters(r->gradient, r->weights, r->weights);
    double start_s = crd_clock_now_s();
    for (int64_t unit = own; status == CRD_OK && unit < n_units; unit += size) {
        const micro m = make_micro(r, b, unit * r->options->micro_batch);
        status = add_micro(potential, r, &m, b->n, unit > own);
        r->times.n_units++;
    }
    r->times.units_s += crd_clock_now_s() - start_s;
    CRD_TRY(crd_comm_agree(r->group, status));
    crd_comm_sum_begin(r->group, r->sums, n_floats);
    crd_comm_sum_begin(r->group, potential, 1);
    crd_comm_sum_end(r->group);
cleanup:
    return status;
}

/* Adds the prior's part. */
static double add_prior(crd_sample_run *r, const crd_chain *chain, double factor)
{
    const double half_log = 0.5 * log(2 * 3.14159265358979323846);
    double sum = 0;
    for (int64_t s = 0; s < r->n_spans; s++) {
        const crd_chain_span *span = &r->spans[s];
        const crd_prior prior = crd_prior_of(r->posterior, span->param);
        const int64_t *sums = r->sums + r->posterior->network->params.entries[span->param].offset;
        for (int64_t i = 0; i < span->count; i++) {
            double mean = prior.means != NULL ? (double)prior.means[i] : prior.mean;
            crd_cross_entropy e =
                crd_prior_cross_entropy(&prior, (double)chain->position[span->at + i] - mean, 0);
            sum += e.value + half_log;
            r->g[span->at + i] = (float)(factor * (double)sums[i] + e.dmu);
        }
    }
    return sum;
}

static int is_finite(const float *values, int64_t n)
{
    int finite = 1;
    for (int64_t i = 0; i < n; i++)
        finite &= fabsf(values[i]) < INFINITY;
    return finite;
}

static void set_weights(crd_sample_run *r, const crd_chain *chain)
{
    const crd_params *params = &r->posterior->network->params;
    memcpy(r->weights, r->start->values + chain->number % r->start->n_blocks * params->n_floats,
           (size_t)params->n_floats * sizeof *r->weights);
    crd_sample_scatter(r->weights, chain->position, r->posterior);
}

crd_status crd_sample_potential(crd_chain_gradient *out, crd_sample_run *r, const crd_chain *chain,
                                int64_t i)
{
    crd_status status = CRD_OK;
    const batch b = batch_of(r, chain, i);
    const double n = (double)r->options->n_images, scale = r->options->likelihood_scale;
    int64_t sum;
    set_weights(r, chain);
    CRD_TRY(sum_batch(&sum, r, &b));
    out->potential = scale * (n / (double)b.n) * ldexp((double)sum, -POTENTIAL_BITS);
    out->potential += add_prior(r, chain, ldexp(scale * n, -CRD_GRADIENT_BITS));
    out->g = r->g;
    CRD_REQUIRE(isfinite(out->potential) && is_finite(r->g, chain->n), CRD_ERR_NUMERIC,
                "the potential is %g, or its gradient is not finite", out->potential);
cleanup:
    return status;
}

crd_status crd_sample_check_ranks(crd_sample_run *r)
{
    crd_status status = CRD_OK;
    const batch all = {.n = r->options->n_images};
    int64_t ignored = 0;
    if (crd_comm_size(r->comm) == 1)
        return CRD_OK;
    memcpy(r->weights, r->start->values,
           (size_t)r->posterior->network->params.n_floats * sizeof *r->weights);
    micro m = make_micro(r, &all, 0);
    m.n = crd_smaller(m.n, r->batch); /* memory is planned for no more */
    status = crd_gradient_set_parameters(r->gradient, r->weights, r->weights);
    if (status == CRD_OK)
        status = add_micro(&ignored, r, &m, m.n, 0);
    CRD_TRY(crd_comm_agree(r->comm, status));
    CRD_TRY(crd_rank_check_compare(
        r->comm, crd_rank_check_digest(r->sums, r->posterior->network->params.n_floats *
                                                    (int64_t)sizeof *r->sums)));
cleanup:
    return status;
}
