/* A step: the batch is in every node's shared memory; each rank runs its units and adds their gradients in fixed
 * point; the sums travel while the last unit's backward pass is still on its way to the input; then every
 * rank makes the same update on its own copy. The next batch is loaded and broadcast meanwhile. */
#include "credence/train.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/integers.h"
#include "credence/watch.h"
#include "engine/batches.h"
#include "engine/health.h"
#include "engine/pace.h"
#include "engine/update.h"

/* What a step adds up beside the gradient. Loss in units of 2^-24: up to 2^38 over all images and draws. */
enum { SUM_LOSS, SUM_RIGHT, SUM_ROWS, SUM_LABELS, N_EXTRA, LOSS_BITS = 24 };

/* Local steps: parameters are averaged in units of 2^-48. */
enum { AVERAGE_BITS = 48 };

/* Parameters are averaged in stretches of at least this many floats. */
enum { BUCKET_FLOATS = 1 << 18 };

/* Sums that travel together: [first, first + n) of the mu block and, from the first to the last parameter with a
 * posterior, [rho_first, rho_first + n_rho) of the rho block. */
typedef struct bucket {
    int64_t first, n, rho_first, n_rho;
} bucket;

typedef struct train_run {
    crd_comm *comm;
    crd_train_state *state;
    const crd_train_options *options;
    const crd_train_hooks *hooks;
    crd_gradient *gradient;
    crd_sampler *teacher; /* the deterministic network, for mse-distill */
    crd_batches *batches;
    crd_update *update;
    int64_t n_floats, n_outputs, image_floats, value_floats;
    int64_t *sums; /* of the gradient; NULL: no step needs them */
    int64_t extra[N_EXTRA];
    bucket *buckets; /* [n_buckets] last parameters first */
    int n_buckets, n_begun;
    int is_checked;         /* 1: the ranks have been seen to compute the same bits */
    float *logits, *taught; /* of a micro-batch: a draw's, the teacher's */
    float *base;            /* local steps: [2 * n_floats] mu and rho of the last average */
    int64_t local_images;   /* local steps: trained on since then by this rank */
    double start_s;
    crd_pace pace;
} train_run;

static int is_local(const train_run *r)
{
    return r->options->local_steps > 1;
}

static int64_t count_units(const train_run *r, int64_t n_images)
{
    return crd_divide_up(n_images, r->options->gradient.micro_batch) * r->options->n_draws;
}

/* A step of one unit on one rank has no use for sums: each piece of the gradient makes its update while it is in
 * the cache. */
static int is_at_once(const train_run *r, int64_t n_images)
{
    const crd_train_options *o = r->options;
    return crd_comm_size(r->comm) == 1 && count_units(r, n_images) == 1 && !is_local(r) &&
           o->clip_norm == 0 && !o->keep_gradients;
}

/* Batches that travel together: with local steps one for every rank. */
static int64_t group_of(const train_run *r)
{
    return is_local(r) ? crd_comm_size(r->comm) : 1;
}

static crd_status check_options(const crd_train_options *o, const crd_train_state *state)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(
        state->epoch <= o->n_epochs && o->n_epochs <= state->history_capacity, CRD_ERR_USAGE,
        "epochs: %lld; they must be %lld, which are done, to %lld, for which there is room",
        (long long)o->n_epochs, (long long)state->epoch, (long long)state->history_capacity);
    CRD_REQUIRE(!o->keep_gradients == (state->kept == NULL), CRD_ERR_USAGE,
                "kept gradients: options and state differ");
    CRD_REQUIRE(o->n_images >= 1 && o->batch_size >= 1 && o->n_draws >= 1 && o->n_epochs >= 1 &&
                    o->local_steps >= 1 && o->gradient.micro_batch >= 1,
                CRD_ERR_USAGE,
                "images, batch, micro-batch, draws, epochs, local steps: at least 1");
    CRD_REQUIRE(isfinite(o->kl_weight) && o->kl_weight >= 0, CRD_ERR_USAGE,
                "KL weight: %g is not a number from 0 on", o->kl_weight);
    CRD_REQUIRE(!o->keep_gradients || (o->kl_weight == 0 && o->local_steps == 1), CRD_ERR_USAGE,
                "gradients are kept only with KL weight 0, not %g, and one local step, not %lld",
                o->kl_weight, (long long)o->local_steps);
    if (o->calibration[0] != '\0')
        CRD_TRY(crd_calibration_loss_check(o->calibration, o->loss));
    CRD_TRY(crd_optimizer_check(&o->optimizer));
    CRD_TRY(crd_schedule_check(&o->schedule));
cleanup:
    return status;
}

/* Takes in a parameter that lies before all others of the bucket. */
static void extend_bucket(bucket *b, const crd_param *param, int has_rho)
{
    b->n += b->first - param->offset;
    b->first = param->offset;
    if (!has_rho)
        return;
    int64_t end = b->n_rho > 0 ? b->rho_first + b->n_rho : param->offset + param->count;
    b->rho_first = param->offset;
    b->n_rho = end - param->offset;
}

/* Cuts the parameters, last first, at tensors' borders into stretches worth a message. */
static crd_status plan_buckets(train_run *r, const crd_posterior *posterior)
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

static crd_status create_teacher(train_run *r)
{
    if (r->options->teacher == NULL)
        return CRD_OK;
    crd_sampler_options options = {.estimator = "reparameterization",
                                   .mean = 1,
                                   .batch = r->options->gradient.micro_batch,
                                   .draw_block = 1};
    return crd_sampler_create(&r->teacher, r->options->teacher, &options);
}

/* This rank's own memory; no communication. */
static crd_status allocate_own(train_run *r)
{
    crd_status status = CRD_OK;
    const crd_train_options *o = r->options;
    const crd_posterior *p = r->state->posterior;
    r->n_floats = p->network->params.n_floats;
    r->n_outputs = crd_network_n_outputs(p->network);
    r->image_floats = crd_shape_count(crd_network_input_shape(p->network));
    if (crd_loss_target(o->loss) == CRD_TARGET_VALUES && o->teacher == NULL)
        CRD_TRY(crd_loss_n_values(&r->value_floats, o->loss, r->n_outputs));
    CRD_TRY(crd_gradient_create(&r->gradient, p->network, p->bayesian, &o->gradient));
    if (o->calibration[0] != '\0')
        CRD_TRY(crd_gradient_set_calibration(r->gradient, o->calibration, o->calibration_beta,
                                             o->uncertainty_threshold, o->error_threshold));
    CRD_TRY(create_teacher(r));
    CRD_TRY(crd_update_create(&r->update, r->state, r->gradient, o));
    CRD_TRY(plan_buckets(r, p));
    if (!is_at_once(r, o->batch_size))
        CRD_ALLOC(&r->sums, crd_gradient_n_sums(r->gradient), "gradient sums");
    CRD_ALLOC(&r->logits, o->gradient.micro_batch * r->n_outputs, "logits");
    CRD_ALLOC(&r->taught, o->gradient.micro_batch * r->n_outputs, "teacher's logits");
    if (is_local(r))
        CRD_ALLOC(&r->base, 2 * r->n_floats, "parameters of the last average");
cleanup:
    return status;
}

static void release(train_run *r)
{
    crd_batches_destroy(r->batches);
    crd_free(r->base);
    crd_free(r->taught);
    crd_free(r->logits);
    crd_free(r->sums);
    crd_free(r->buckets);
    crd_update_destroy(r->update);
    crd_sampler_destroy(r->teacher);
    crd_gradient_destroy(r->gradient);
}

/* Sums of all stretches from `first` on are final: they may travel. All ranks begin the same messages in the
 * same order, whether they had work or not. */
static void begin_sums(train_run *r, int64_t first)
{
    for (; r->n_begun < r->n_buckets && r->buckets[r->n_begun].first >= first; r->n_begun++) {
        const bucket *b = &r->buckets[r->n_begun];
        crd_comm_sum_begin(r->comm, r->sums + b->first, b->n);
        if (b->n_rho > 0)
            crd_comm_sum_begin(r->comm, r->sums + r->n_floats + b->rho_first, b->n_rho);
    }
}

static void on_ready(int64_t first, int64_t n, void *payload)
{
    (void)n;
    begin_sums(payload, first);
}

static void count_right(train_run *r, const int64_t *labels, int64_t n)
{
    int64_t *extra = r->extra;
    for (int64_t i = 0; i < n; i++) {
        const float *logits = r->logits + i * r->n_outputs;
        int64_t top = 0;
        for (int64_t c = 1; c < r->n_outputs; c++)
            if (logits[c] > logits[top])
                top = c;
        extra[SUM_RIGHT] += labels[i] == top;
        extra[SUM_LABELS] += labels[i] >= 0;
    }
}

/* Adds the gradient of n images of a batch from `at` on. */
static crd_status add_gradient(double *loss, train_run *r, const crd_batch *batch, int64_t at,
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

/* Unit (micro-batch, draw) of a batch. */
static crd_status run_unit(train_run *r, const crd_batch *batch, int64_t unit,
                           const crd_gradient_target *target)
{
    crd_status status = CRD_OK;
    const crd_train_options *o = r->options;
    int64_t at = unit / o->n_draws * o->gradient.micro_batch;
    int64_t n = crd_smaller(o->gradient.micro_batch, batch->n - at);
    int64_t stream = r->state->step * group_of(r) + (is_local(r) ? crd_comm_rank(r->comm) : 0);
    /* No two units of a run draw the same network: their gradients' noise is independent. */
    int64_t draw =
        stream * crd_divide_up(o->batch_size, o->gradient.micro_batch) * o->n_draws + unit;
    crd_comm_note(r->comm, "computing unit %lld of step %lld", (long long)unit,
                  (long long)r->state->step + 1);
    double loss;
    CRD_TRY(add_gradient(&loss, r, batch, at, n, draw, target));
    r->extra[SUM_LOSS] += llrint(ldexp(loss * (double)n, LOSS_BITS));
    r->extra[SUM_ROWS] += n;
    count_right(r, batch->labels + at, n);
cleanup:
    return status;
}

static void add_to_epoch(train_run *r)
{
    const int64_t *extra = r->extra;
    double *sums = r->state->sums;
    sums[0] += ldexp((double)extra[SUM_LOSS], -LOSS_BITS);
    sums[1] += (double)extra[SUM_RIGHT];
    sums[2] += (double)extra[SUM_ROWS];
    sums[3] += (double)extra[SUM_LABELS];
}

/* Adds up what is counted beside the gradient; all ranks return the same. */
static crd_status agree_on_step(train_run *r, crd_status status)
{
    crd_comm_sum_begin(r->comm, r->extra, N_EXTRA);
    crd_comm_sum_end(r->comm);
    return crd_comm_agree(r->comm, status);
}

/* The units of a batch that are this rank's, added up: the first begins the sums, and the last one's may travel as they
 * get ready. */
static crd_status run_units(train_run *r, const crd_batch *batch, int64_t first, int64_t step,
                            crd_gradient_ready *ready)
{
    crd_status status = CRD_OK;
    int64_t n_units = count_units(r, batch->n);
    if (first >= n_units)
        memset(r->sums, 0, (size_t)crd_gradient_n_sums(r->gradient) * sizeof *r->sums);
    for (int64_t unit = first; status == CRD_OK && unit < n_units; unit += step) {
        const crd_gradient_target target = {.sums = r->sums,
                                            .adds = unit > first,
                                            .ready = unit + step >= n_units ? ready : NULL,
                                            .payload = r};
        status = run_unit(r, batch, unit, &target);
    }
    return status;
}

/* One step of all ranks together. */
static crd_status step_together(train_run *r, const crd_batch *batch)
{
    r->n_begun = 0;
    crd_status status =
        run_units(r, batch, crd_comm_rank(r->comm), crd_comm_size(r->comm), on_ready);
    begin_sums(r, 0);
    return agree_on_step(r, status);
}

/* One step of this rank alone, on its batch of the group; a rank without one waits for the average. */
static crd_status step_alone(train_run *r, const crd_batch *group)
{
    crd_status status = CRD_OK;
    int64_t at = crd_comm_rank(r->comm) * r->options->batch_size;
    if (at < group->n) {
        crd_batch own = *group;
        own.first += at;
        own.n = crd_smaller(r->options->batch_size, group->n - at);
        own.images += at * r->image_floats;
        own.labels += at;
        own.values += at * r->value_floats;
        status = run_units(r, &own, 0, 1, NULL);
        r->local_images += own.n;
    }
    return agree_on_step(r, status);
}

/* Gradient and update in one. */
static crd_status step_at_once(train_run *r, const crd_batch *batch, double lr, double kl_weight)
{
    crd_status status = CRD_OK;
    const crd_gradient_target target = {.take = crd_update_take, .payload = r->update};
    crd_update_begin(r->update, lr, kl_weight);
    CRD_TRY(run_unit(r, batch, 0, &target));
    CRD_TRY(crd_update_end(r->update));
cleanup:
    return agree_on_step(r, status);
}

/* A parameter's sums in a block become those of all steps so far. They add up in float, as torch's .grad does. */
static crd_status keep_param(train_run *r, const crd_param *param, int64_t block)
{
    const double limit = ldexp(1, CRD_GRADIENT_RANGE_BITS), unit = ldexp(1, CRD_GRADIENT_BITS);
    for (int64_t i = block + param->offset; i < block + param->offset + param->count; i++) {
        float kept = r->state->kept[i] + (float)((double)r->sums[i] / unit);
        if (!(fabs((double)kept) < limit))
            return CRD_FAIL(CRD_ERR_NUMERIC, "%s: the sum of the gradients is %g", param->name,
                            (double)kept);
        r->state->kept[i] = kept;
        r->sums[i] = llrint((double)kept * unit);
    }
    return CRD_OK;
}

/* Statistics of batch norm, in the same sums, are no gradients. */
static crd_status keep_gradients(train_run *r)
{
    crd_status status = CRD_OK;
    const crd_network *network = r->state->posterior->network;
    for (int64_t p = 0; p < network->params.n_params; p++) {
        int n_blocks = 1 + (r->state->posterior->bayesian[p] != 0);
        for (int block = 0; crd_network_param_is_trained(network, p) && block < n_blocks; block++)
            CRD_TRY(keep_param(r, &network->params.entries[p], block * r->n_floats));
    }
cleanup:
    return status;
}

/* values[n_floats] = base + mean over ranks, by images, of (values - base); base NULL stands for zeros. */
static void average(train_run *r, float *values, float *base, int64_t n_images)
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

static crd_status set_parameters(train_run *r)
{
    return crd_gradient_set_parameters(r->gradient, r->state->posterior->mu,
                                       r->state->posterior->rho);
}

static crd_status average_all(train_run *r)
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
    return crd_comm_agree(r->comm, set_parameters(r));
}

static void set_base(train_run *r)
{
    size_t n_bytes = (size_t)r->n_floats * sizeof *r->base;
    memcpy(r->base, r->state->posterior->mu, n_bytes);
    memcpy(r->base + r->n_floats, r->state->posterior->rho, n_bytes);
}

/* Every rank computes the gradient of the run's first micro-batch: what they get must be equal. */
static crd_status check_ranks(train_run *r, const crd_batch *batch)
{
    crd_status status = CRD_OK;
    double loss;
    if (r->is_checked || crd_comm_size(r->comm) == 1)
        return CRD_OK;
    r->is_checked = 1;
    crd_comm_note(r->comm, "computing what all ranks compute");
    const crd_gradient_target target = {.sums = r->sums};
    int64_t n = crd_smaller(r->options->gradient.micro_batch, batch->n);
    CRD_TRY(crd_comm_agree(r->comm, add_gradient(&loss, r, batch, 0, n, 0, &target)));
    CRD_TRY(crd_health_compare(
        r->comm,
        crd_health_digest(r->sums, crd_gradient_n_sums(r->gradient) * (int64_t)sizeof *r->sums)));
cleanup:
    return status;
}

static crd_status make_step(train_run *r, const crd_batch *batch)
{
    crd_status status = CRD_OK;
    crd_train_state *s = r->state;
    double lr = crd_schedule_lr(&r->options->schedule, r->options->optimizer.lr, s->epoch);
    double kl_weight = crd_update_kl_weight(r->options, s->epoch);
    int64_t per_epoch = crd_divide_up(r->options->n_images, r->options->batch_size * group_of(r));
    int at_once = is_at_once(r, batch->n);
    CRD_TRY(check_ranks(r, batch));
    memset(r->extra, 0, sizeof r->extra);
    CRD_TRY(at_once       ? step_at_once(r, batch, lr, kl_weight)
            : is_local(r) ? step_alone(r, batch)
                          : step_together(r, batch));
    add_to_epoch(r);
    status = r->options->keep_gradients ? keep_gradients(r) : CRD_OK;
    if (status == CRD_OK && !at_once &&
        (!is_local(r) || batch->n > crd_comm_rank(r->comm) * r->options->batch_size))
        status = crd_update_step(r->update, r->sums, lr, kl_weight);
    CRD_TRY(crd_comm_agree(r->comm, status));
    s->step++;
    s->batch += group_of(r);
    int64_t done = s->batch / group_of(r);
    if (is_local(r) && (done % r->options->local_steps == 0 || done == per_epoch))
        CRD_TRY(average_all(r));
cleanup:
    if (status != CRD_OK && status != CRD_STOPPED)
        status =
            crd_status_set(status, "step %lld: %s", (long long)s->step + 1, crd_status_message());
    return status;
}

/* Weight of the KL divergence against the true ELBO's 1 / n_images. */
static double temperature(const crd_train_options *o, double kl_weight, const crd_epoch *e)
{
    double share = o->kl == CRD_KL_SUM ? 1 : e->kl_mean / e->kl_sum;
    return kl_weight * share * (double)o->n_images;
}

static crd_status finish_epoch(train_run *r, double seconds)
{
    crd_status status = CRD_OK;
    crd_train_state *s = r->state;
    const crd_train_options *o = r->options;
    double kl_weight = crd_update_kl_weight(o, s->epoch);
    crd_epoch *e = &s->history[s->epoch];
    *e = (crd_epoch){
        .epoch = s->epoch + 1,
        .step = s->step,
        .data_term = s->sums[0] / s->sums[2],
        .lr = crd_schedule_lr(&o->schedule, o->optimizer.lr, s->epoch),
        .accuracy = s->sums[3] > 0 ? s->sums[1] / s->sums[3] : NAN,
        .seconds = seconds,
        .validation = {NAN, NAN, NAN, NAN},
    };
    crd_posterior_kl(&e->kl_sum, &e->kl_mean, s->posterior);
    if (o->gradient.mean)
        kl_weight = 0;
    e->loss = e->data_term + kl_weight * (o->kl == CRD_KL_SUM ? e->kl_sum : e->kl_mean);
    e->temperature = temperature(o, kl_weight, e);
    s->epoch++;
    s->batch = 0;
    memset(s->sums, 0, sizeof s->sums);
    if (o->validate_every > 0 && r->hooks->validate != NULL &&
        (s->epoch % o->validate_every == 0 || s->epoch == o->n_epochs))
        CRD_TRY(r->hooks->validate(e->validation, s, r->hooks->payload));
    double score = e->validation[CRD_VALIDATION_NLL];
    if (isnan(score))
        score = e->validation[CRD_VALIDATION_MSE];
    int is_best = score < s->best || (isnan(s->best) && !isnan(score));
    if (is_best)
        s->best = score;
    if (crd_comm_rank(r->comm) == 0 && is_best && r->hooks->best != NULL)
        r->hooks->best(s, r->hooks->payload);
    if (crd_comm_rank(r->comm) == 0 && r->hooks->epoch != NULL)
        r->hooks->epoch(s, r->hooks->payload);
cleanup:
    return status;
}

/* The highest request of any rank. Collective. */
static crd_request ask_all(train_run *r)
{
    crd_request mine = crd_pace_ask(&r->pace);
    int64_t n_asking[2] = {mine == CRD_REQUEST_KEEP, mine == CRD_REQUEST_STOP};
    crd_comm_sum_begin(r->comm, n_asking, 2);
    crd_comm_sum_end(r->comm);
    return n_asking[1] > 0   ? CRD_REQUEST_STOP
           : n_asking[0] > 0 ? CRD_REQUEST_KEEP
                             : CRD_REQUEST_NONE;
}

/* Between steps: is the state to be kept, is the run to stop? With local steps only an averaged state may be kept. */
static crd_status look_around(train_run *r, int finished)
{
    if ((is_local(r) && r->local_images != 0) || r->hooks->checkpoint == NULL)
        return CRD_OK;
    crd_request asked = ask_all(r);
    if (asked == CRD_REQUEST_NONE && !finished)
        return CRD_OK;
    crd_comm_note(r->comm, "writing a checkpoint");
    if (crd_comm_rank(r->comm) == 0)
        r->hooks->checkpoint(r->state, r->hooks->payload);
    crd_status status = crd_comm_agree(r->comm, CRD_OK);
    crd_pace_kept(&r->pace, asked);
    if (status == CRD_OK && asked == CRD_REQUEST_STOP && !finished)
        status = CRD_FAIL(CRD_STOPPED, "stopped after step %lld: run again with --resume",
                          (long long)r->state->step);
    return status;
}

static crd_status train_all(train_run *r)
{
    crd_status status = CRD_OK;
    crd_train_state *s = r->state;
    int64_t per_epoch = crd_divide_up(r->options->n_images, r->options->batch_size);
    double epoch_start_s = crd_clock_now_s();
    while (crd_batches_left(r->batches) > 0) {
        crd_batch batch;
        double before = s->sums[0];
        CRD_TRY(crd_batches_next(&batch, r->batches));
        CRD_TRY(make_step(r, &batch));
        if (crd_comm_rank(r->comm) == 0 && r->hooks->progress != NULL) {
            double data_term = (s->sums[0] - before) / (double)(batch.n * r->options->n_draws);
            r->hooks->progress(s->epoch * per_epoch + crd_smaller(s->batch, per_epoch),
                               r->options->n_epochs * per_epoch, data_term, r->hooks->payload);
        }
        if (s->batch >= per_epoch) {
            double now = crd_clock_now_s();
            CRD_TRY(finish_epoch(r, now - epoch_start_s));
            epoch_start_s = now;
        }
        CRD_TRY(look_around(r, crd_batches_left(r->batches) == 0));
    }
cleanup:
    return status;
}

/* What the ranks spent since `before`, on all of them. */
static void add_up_costs(crd_train_report *report, crd_comm *comm, crd_comm_cost before)
{
    crd_comm_cost now = crd_comm_get_cost(comm);
    int64_t spent[2] = {llrint(1e9 * (now.seconds - before.seconds)), now.bytes - before.bytes};
    int64_t sums[2] = {spent[0], spent[1]};
    crd_comm_reduce_max(comm, spent, 2);
    crd_comm_broadcast(comm, spent, sizeof spent);
    crd_comm_sum_begin(comm, sums, 2);
    crd_comm_sum_end(comm);
    report->n_ranks = crd_comm_size(comm);
    report->comm_s_mean = 1e-9 * (double)sums[0] / (double)report->n_ranks;
    report->comm_s_max = 1e-9 * (double)spent[0];
    report->comm_bytes_mean = sums[1] / report->n_ranks;
    report->comm_bytes_max = spent[1];
}

crd_status crd_train(crd_train_report *report, crd_comm *comm, crd_train_state *state,
                     const crd_train_options *options, const crd_train_hooks *hooks)
{
    crd_status status = CRD_OK;
    train_run r = {.comm = comm, .state = state, .options = options, .hooks = hooks};
    int64_t first_step = state->step;
    crd_comm_cost before = crd_comm_get_cost(comm);
    r.start_s = crd_clock_now_s();
    r.pace = crd_pace_start(crd_comm_rank(comm), options->checkpoint_s, options->max_time_s);
    CRD_TRY(crd_comm_agree(comm, check_options(options, state)));
    CRD_TRY(crd_comm_agree(comm, allocate_own(&r)));
    CRD_TRY(crd_comm_agree(comm, set_parameters(&r)));
    if (is_local(&r))
        set_base(&r);
    crd_batches_plan plan = {
        .n_images = options->n_images,
        .batch_size = options->batch_size * group_of(&r),
        .n_epochs = options->n_epochs,
        .first_epoch = state->epoch,
        .first_place = state->batch * options->batch_size,
        .image_floats = r.image_floats,
        .value_floats = r.value_floats,
    };
    CRD_TRY(crd_batches_create(&r.batches, comm, &plan, hooks));
    status = train_all(&r);
    *report = (crd_train_report){.n_steps = state->step - first_step,
                                 .wall_s = crd_clock_now_s() - r.start_s};
    add_up_costs(report, comm, before);
cleanup:
    release(&r);
    return status;
}
