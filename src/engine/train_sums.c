/* Sums of gradients travel in stretches of whole tensors, the output's side first, so that the
 * averaging of one overlaps with the backward pass of those before it. */
#include "base/alloc.h"
#include "engine/train_run.h"

/* Parameters are averaged in stretches of at least this many floats. */
enum { BUCKET_FLOATS = 1 << 18 };

/* Takes in a parameter that lies before all others of the bucket. */
static void extend_bucket(crd_train_bucket *b, const crd_param *param, int has_rho)
{
    b->n += b->first - param->offset;
    b->first = param->offset;
    if (!has_rho)
        return;
    int64_t end = b->n_rho > 0 ? b->rho_first + b->n_rho : param->offset + param->count;
    b->rho_first = param->offset;
    b->n_rho = end - param->offset;
}

crd_status crd_train_plan_buckets(crd_train_run *r, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_params *params = &posterior->network->params;
    CRD_ALLOC(&r->buckets, params->n_params, "buckets");
    r->buckets[0].first = r->n_floats;
    for (int64_t p = params->n_params - 1; p >= 0; p--) {
        int has_rho = posterior->bayesian[p] && !r->options->gradient.mean;
        extend_bucket(&r->buckets[r->n_buckets], &params->entries[p], has_rho);
        if (r->buckets[r->n_buckets].n >= BUCKET_FLOATS && p > 0)
            r->buckets[++r->n_buckets].first = params->entries[p].offset;
    }
    r->n_buckets++;
cleanup:
    return status;
}

void crd_train_begin_sums(crd_train_run *r, int64_t first)
{
    for (; r->n_begun < r->n_buckets && r->buckets[r->n_begun].first >= first; r->n_begun++) {
        const crd_train_bucket *b = &r->buckets[r->n_begun];
        crd_comm_sum_begin(r->comm, r->sums + b->first, b->n);
        if (b->n_rho > 0)
            crd_comm_sum_begin(r->comm, r->sums + r->n_floats + b->rho_first, b->n_rho);
    }
}

void crd_train_on_ready(int64_t first, int64_t n, void *payload)
{
    (void)n;
    crd_train_begin_sums(payload, first);
}
