/* One step: the ranks compute their units' gradients, agree, and all make the same update on
 * their own copies; or, with local steps, each on its own until the next average. */
#include <math.h>
#include <string.h>

#include "engine/train_ivon.h"
#include "engine/train_run.h"

/* Local steps: parameters are averaged in units of 2^-48. */
enum { AVERAGE_BITS = 48 };

int crd_train_is_local(const crd_train_run *r)
{
    return r->options->local_steps > 1;
}

int64_t crd_train_group(const crd_train_run *r)
{
    return crd_train_is_local(r) ? crd_comm_size(r->comm) : 1;
}

/* A step of one unit on one rank has no use for sums: each piece of the gradient makes its
 * update while it is in the cache. */
int crd_train_is_at_once(const crd_train_run *r, int64_t n_images)
{
    const crd_train_options *o = r->options;
    return crd_comm_size(r->comm) == 1 && crd_train_count_units(r, n_images) == 1 &&
           !crd_train_is_local(r) && o->clip_norm == 0;
}

static void add_to_epoch(crd_train_run *r)
{
    const int64_t *extra = r->extra;
    double *sums = r->state->sums;
    sums[0] += ldexp((double)extra[SUM_LOSS], -LOSS_BITS);
    sums[1] += (double)extra[SUM_RIGHT];
    sums[2] += (double)extra[SUM_ROWS];
    sums[3] += (double)extra[SUM_LABELS];
}

/* Adds up what is counted beside the gradient; all ranks return the same. */
static crd_status agree_on_step(crd_train_run *r, crd_status status)
{
    crd_comm_sum_begin(r->comm, r->extra, N_EXTRA);
    crd_comm_sum_end(r->comm);
    return crd_comm_agree(r->comm, status);
}

/* One step of all ranks together. */
static crd_status compute_together(crd_train_run *r, const crd_batch *batch, double lr,
                                   double kl_weight)
{
    (void)lr;
    (void)kl_weight;
    r->n_begun = 0;
    crd_status status = crd_train_run_units(r, batch, crd_comm_rank(r->comm),
                                            crd_comm_size(r->comm), crd_train_on_ready);
    crd_train_begin_sums(r, 0);
    return agree_on_step(r, status);
}

/* One step of this rank alone, on its batch of the group; a rank without one waits for the
 * average. */
static crd_status compute_alone(crd_train_run *r, const crd_batch *group, double lr,
                                double kl_weight)
{
    crd_status status = CRD_OK;
    (void)lr;
    (void)kl_weight;
    int64_t at = crd_comm_rank(r->comm) * r->options->batch_size;
    if (at < group->n) {
        crd_batch own = *group;
        own.first += at;
        own.n = crd_smaller(r->options->batch_size, group->n - at);
        own.images += at * r->image_floats;
        own.labels += at;
        own.values += at * r->value_floats;
        status = crd_train_run_units(r, &own, 0, 1, NULL);
        r->local_images += own.n;
    }
    return agree_on_step(r, status);
}

/* Gradient and update in one. */
static crd_status compute_at_once(crd_train_run *r, const crd_batch *batch, double lr,
                                  double kl_weight)
{
    crd_status status = CRD_OK;
    const crd_gradient_target target = {.take = crd_update_apply, .payload = r->update};
    crd_update_begin(r->update, lr, kl_weight);
    CRD_TRY(crd_train_run_unit(r, batch, 0, &target));
    CRD_TRY(crd_update_end(r->update));
cleanup:
    return agree_on_step(r, status);
}

/* values[n_floats] = base + mean over ranks, by images, of (values - base); base NULL stands
 * for zeros. */
static void average(crd_train_run *r, float *values, float *base, int64_t n_images)
{
    const double unit = ldexp(1, -AVERAGE_BITS);
    const double scale = ldexp((double)r->local_images / (double)n_images, AVERAGE_BITS);
    for (int64_t i = 0; i < r->n_floats; i++) {
        double from = base == NULL ? 0 : (double)base[i];
        r->sums[i] = llrint(scale * ((double)values[i] - from));
    }
    crd_comm_sum_begin(r->comm, r->sums, r->n_floats);
    crd_comm_sum_end(r->comm);
    for (int64_t i = 0; i < r->n_floats; i++) {
        double from = base == NULL ? 0 : (double)base[i];
        values[i] = (float)(from + (double)r->sums[i] * unit);
    }
    if (base != NULL)
        memcpy(base, values, (size_t)r->n_floats * sizeof *base);
}

crd_status crd_train_set_parameters(crd_train_run *r)
{
    crd_status status =
        crd_gradient_set_parameters(r->gradient, r->state->posterior->mu, r->state->posterior->rho);
    if (status == CRD_OK && crd_optimizer_is_variational(&r->options->optimizer))
        crd_train_ivon_set_sigma(r->gradient, r->state, &r->options->optimizer);
    return status;
}

void crd_train_finish_posterior(crd_train_run *r)
{
    if (crd_optimizer_is_variational(&r->options->optimizer))
        crd_train_ivon_write_rho(r->state, &r->options->optimizer);
}

static crd_status average_all(crd_train_run *r)
{
    int64_t n_images = r->local_images;
    crd_comm_sum_begin(r->comm, &n_images, 1);
    crd_comm_sum_end(r->comm);
    average(r, r->state->posterior->mu, r->base, n_images);
    average(r, r->state->posterior->rho, r->base + r->n_floats, n_images);
    for (int k = 0; k < r->state->n_states; k++)
        for (int block = 0; block < 2; block++)
            average(r, r->state->states[k] + block * r->n_floats, NULL, n_images);
    r->local_images = 0;
    return crd_comm_agree(r->comm, crd_train_set_parameters(r));
}

void crd_train_set_base(crd_train_run *r)
{
    size_t n_bytes = (size_t)r->n_floats * sizeof *r->base;
    memcpy(r->base, r->state->posterior->mu, n_bytes);
    memcpy(r->base + r->n_floats, r->state->posterior->rho, n_bytes);
}

static int fits_local(const crd_train_run *r, int64_t n_images)
{
    (void)n_images;
    return crd_train_is_local(r);
}

static int fits_always(const crd_train_run *r, int64_t n_images)
{
    (void)r;
    (void)n_images;
    return 1;
}

static crd_status update_together(crd_train_run *r, const crd_batch *batch, double lr,
                                  double kl_weight)
{
    (void)batch;
    return crd_update_step(r->update, r->sums, lr, kl_weight);
}

/* A rank without a batch of the group has nothing to add. */
static crd_status update_alone(crd_train_run *r, const crd_batch *group, double lr,
                               double kl_weight)
{
    if (group->n <= crd_comm_rank(r->comm) * r->options->batch_size)
        return CRD_OK;
    return crd_update_step(r->update, r->sums, lr, kl_weight);
}

static crd_status average_when_due(crd_train_run *r)
{
    int64_t group = crd_train_group(r), done = r->state->batch / group;
    int64_t per_epoch = crd_divide_up(r->options->n_images, r->options->batch_size * group);
    return done % r->options->local_steps == 0 || done == per_epoch ? average_all(r) : CRD_OK;
}

/* The ways of making a step: the first that fits is taken. They differ in where the sums go and
 * who makes the update, and all but local steps give the same bits. */
typedef struct step_mode {
    int (*fits)(const crd_train_run *r, int64_t n_images);
    /* Collective: gradients, and what is counted beside them, of all ranks. */
    crd_status (*compute)(crd_train_run *r, const crd_batch *batch, double lr, double kl_weight);
    /* From the sums; NULL: made already. */
    crd_status (*update)(crd_train_run *r, const crd_batch *batch, double lr, double kl_weight);
    /* Collective: after the step was counted; may be NULL. */
    crd_status (*finish)(crd_train_run *r);
} step_mode;

static const step_mode modes[] = {
    {fits_local, compute_alone, update_alone, average_when_due},
    {crd_train_is_at_once, compute_at_once, NULL, NULL},
    {fits_always, compute_together, update_together, NULL},
};

static const step_mode *find_mode(const crd_train_run *r, int64_t n_images)
{
    const step_mode *mode = modes;
    while (!mode->fits(r, n_images))
        mode++;
    return mode;
}

crd_status crd_train_make_step(crd_train_run *r, const crd_batch *batch)
{
    crd_status status = CRD_OK;
    crd_train_state *s = r->state;
    double done = (double)s->batch / (double)crd_train_steps_per_epoch(r->options);
    double lr = crd_schedule_lr_at(&r->options->schedule, r->options->optimizer.lr, s->epoch, done);
    double kl_weight = crd_update_kl_weight(r->options, s->epoch);
    const step_mode *mode = find_mode(r, batch->n);
    CRD_TRY(crd_train_check_ranks(r, batch));
    memset(r->extra, 0, sizeof r->extra);
    CRD_TRY(mode->compute(r, batch, lr, kl_weight));
    add_to_epoch(r);
    if (mode->update != NULL)
        status = mode->update(r, batch, lr, kl_weight);
    CRD_TRY(crd_comm_agree(r->comm, status));
    s->step++;
    s->batch += crd_train_group(r);
    if (mode->finish != NULL)
        CRD_TRY(mode->finish(r));
cleanup:
    if (status != CRD_OK && status != CRD_STOPPED)
        status =
            crd_status_set(status, "step %lld: %s%s", (long long)s->step + 1, crd_status_message(),
                           status == CRD_ERR_NUMERIC ? "; a smaller learning rate may help" : "");
    return status;
}
