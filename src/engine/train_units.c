/* The units of a step are the pairs of a micro-batch and a draw. They follow from the options
 * only; which rank runs one is no part of the result. */
#include <math.h>
#include <string.h>

#include "base/softmax.h"
#include "credence/watchdog.h"
#include "engine/rank_check.h"
#include "engine/train_run.h"

int64_t crd_train_count_units(const crd_train_run *r, int64_t n_images)
{
    return crd_divide_up(n_images, r->options->gradient.micro_batch) * r->options->n_draws;
}

int64_t crd_train_most_images(const crd_train_run *r)
{
    return crd_smaller(r->options->gradient.micro_batch, r->options->n_images);
}

static void count_right(crd_train_run *r, const int64_t *labels, int64_t n)
{
    int64_t *extra = r->extra;
    for (int64_t i = 0; i < n; i++) {
        extra[SUM_RIGHT] += labels[i] == crd_argmax(r->logits + i * r->n_outputs, r->n_outputs);
        extra[SUM_LABELS] += labels[i] >= 0;
    }
}

/* Adds the gradient of n images of a batch from `at` on. */
static crd_status add_gradient(double *loss, crd_train_run *r, const crd_batch *batch, int64_t at,
                               int64_t n, int64_t draw, const crd_gradient_target *target)
{
    crd_status status = CRD_OK;
    const crd_train_options *o = r->options;
    const float *images = batch->images + at * r->image_floats;
    const float *values = batch->values + at * r->value_floats;
    double weight = (double)n / (double)(batch->n * o->n_draws);
    if (r->teacher != NULL) {
        CRD_TRY(crd_sampler_run(r->taught, r->teacher, images, n, 0, 0, 1));
        values = r->taught;
    }
    /* Without labels a calibration term takes the values. */
    int is_by_label = crd_loss_target(o->loss) == CRD_TARGET_LABEL;
    CRD_TRY(crd_gradient_add(loss, r->logits, target, r->gradient, o->loss, images,
                             is_by_label ? batch->labels + at : NULL, values, n, batch->first + at,
                             draw, weight));
    CRD_REQUIRE(fabs(*loss) < 1e9, CRD_ERR_NUMERIC, "the data term is %g", *loss);
cleanup:
    return status;
}

crd_status crd_train_run_unit(crd_train_run *r, const crd_batch *batch, int64_t unit,
                              const crd_gradient_target *target)
{
    crd_status status = CRD_OK;
    const crd_train_options *o = r->options;
    int64_t at = unit / o->n_draws * o->gradient.micro_batch;
    int64_t n = crd_smaller(o->gradient.micro_batch, batch->n - at);
    int64_t stream =
        r->state->step * crd_train_group(r) + (crd_train_is_local(r) ? crd_comm_rank(r->comm) : 0);
    /* No two units of a run draw the same network: their gradients' noise is independent. */
    int64_t draw =
        stream * crd_divide_up(o->batch_size, o->gradient.micro_batch) * o->n_draws + unit;
    crd_comm_heartbeat(r->comm, "computing unit %lld of step %lld", (long long)unit,
                       (long long)r->state->step + 1);
    double loss;
    CRD_TRY(add_gradient(&loss, r, batch, at, n, draw, target));
    r->extra[SUM_LOSS] += llrint(ldexp(loss * (double)n, LOSS_BITS));
    r->extra[SUM_ROWS] += n;
    count_right(r, batch->labels + at, n);
cleanup:
    return status;
}

crd_status crd_train_run_units(crd_train_run *r, const crd_batch *batch, int64_t first,
                               int64_t step, crd_gradient_ready *ready)
{
    crd_status status = CRD_OK;
    int64_t n_units = crd_train_count_units(r, batch->n);
    if (first >= n_units)
        memset(r->sums, 0, (size_t)crd_gradient_n_sums(r->gradient) * sizeof *r->sums);
    for (int64_t unit = first; status == CRD_OK && unit < n_units; unit += step) {
        const crd_gradient_target target = {.sums = r->sums,
                                            .adds = unit > first,
                                            .ready = unit + step >= n_units ? ready : NULL,
                                            .payload = r};
        status = crd_train_run_unit(r, batch, unit, &target);
    }
    return status;
}

crd_status crd_train_check_ranks(crd_train_run *r, const crd_batch *batch)
{
    crd_status status = CRD_OK;
    double loss;
    if (r->is_checked || crd_comm_size(r->comm) == 1)
        return CRD_OK;
    r->is_checked = 1;
    crd_comm_heartbeat(r->comm, "computing what all ranks compute");
    const crd_gradient_target target = {.sums = r->sums};
    int64_t n = crd_smaller(r->options->gradient.micro_batch, batch->n);
    CRD_TRY(crd_comm_agree(r->comm, add_gradient(&loss, r, batch, 0, n, 0, &target)));
    CRD_TRY(crd_rank_check_compare(r->comm,
                                   crd_rank_check_digest(r->sums, crd_gradient_n_sums(r->gradient) *
                                                                      (int64_t)sizeof *r->sums)));
cleanup:
    return status;
}
