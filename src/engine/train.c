/* Training over ranks: checks, memory, the loop over batches, checkpoints between steps. A
 * batch is in every node's shared memory; the next one is loaded and broadcast meanwhile. What
 * a step does is in train_step.c. */
#include "credence/train.h"

#include <math.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "credence/watchdog.h"
#include "engine/train_ivon.h"
#include "engine/train_run.h"

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
    CRD_REQUIRE(
        !crd_optimizer_is_variational(&o->optimizer) ||
            (!o->gradient.mean && !o->keep_gradients && o->local_steps == 1 && o->clip_norm == 0 &&
             o->kl == CRD_KL_SUM),
        CRD_ERR_USAGE,
        "%s: makes draws, with the KL divergence's sum; it keeps no gradients, clips no norm "
        "and takes no local steps",
        o->optimizer.name);
    CRD_TRY(crd_schedule_check(&o->schedule));
    CRD_TRY(crd_train_check_collect(o));
cleanup:
    return status;
}

static crd_status create_teacher(crd_train_run *r)
{
    if (r->options->teacher == NULL)
        return CRD_OK;
    crd_sampler_options options = {.estimator = "reparameterization",
                                   .mean = 1,
                                   .batch = crd_train_most_images(r),
                                   .draw_block = 1};
    return crd_sampler_create(&r->teacher, r->options->teacher, &options);
}

/* This rank's own memory; no communication. */
static crd_status allocate_own(crd_train_run *r)
{
    crd_status status = CRD_OK;
    const crd_train_options *o = r->options;
    const crd_posterior *p = r->state->posterior;
    r->n_floats = p->network->params.n_floats;
    r->n_outputs = crd_network_n_outputs(p->network);
    r->image_floats = crd_shape_count(crd_network_input_shape(p->network));
    if (crd_loss_target(o->loss) == CRD_TARGET_VALUES && o->teacher == NULL)
        CRD_TRY(crd_loss_n_values(&r->value_floats, o->loss, r->n_outputs));
    crd_gradient_options gradient = o->gradient;
    gradient.micro_batch = crd_train_most_images(r);
    gradient.at_sigma = crd_optimizer_is_variational(&o->optimizer);
    CRD_TRY(crd_gradient_create(&r->gradient, p->network, p->bayesian, &gradient));
    if (o->calibration[0] != '\0')
        CRD_TRY(crd_gradient_set_calibration(r->gradient, o->calibration, o->calibration_beta,
                                             o->uncertainty_threshold, o->error_threshold));
    CRD_TRY(create_teacher(r));
    CRD_TRY(crd_update_create(&r->update, r->state, r->gradient, o));
    CRD_TRY(crd_train_plan_buckets(r, p));
    if (!crd_train_is_at_once(r, crd_smaller(o->batch_size, o->n_images)))
        CRD_ALLOC(&r->sums, crd_gradient_n_sums(r->gradient), "gradient sums");
    CRD_ALLOC(&r->logits, crd_train_most_images(r) * r->n_outputs, "logits");
    CRD_ALLOC(&r->taught, crd_train_most_images(r) * r->n_outputs, "teacher's logits");
    if (crd_train_is_local(r))
        CRD_ALLOC(&r->base, 2 * r->n_floats, "parameters of the last average");
cleanup:
    return status;
}

static void release(crd_train_run *r)
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

/* The highest request of any rank. Collective. */
static crd_interrupt ask_all(crd_train_run *r)
{
    crd_interrupt mine = crd_checkpoint_timer_poll(&r->timer);
    int64_t n_asking[2] = {mine == CRD_INTERRUPT_CHECKPOINT, mine == CRD_INTERRUPT_STOP};
    crd_comm_sum_begin(r->comm, n_asking, 2);
    crd_comm_sum_end(r->comm);
    return n_asking[1] > 0   ? CRD_INTERRUPT_STOP
           : n_asking[0] > 0 ? CRD_INTERRUPT_CHECKPOINT
                             : CRD_INTERRUPT_NONE;
}

/* Between steps: is the state to be kept, is the run to stop? With local steps only an averaged
 * state may be kept. */
static crd_status look_around(crd_train_run *r, int finished)
{
    if ((crd_train_is_local(r) && r->local_images != 0) || r->hooks->checkpoint == NULL)
        return CRD_OK;
    crd_interrupt asked = ask_all(r);
    if (asked == CRD_INTERRUPT_NONE && !finished)
        return CRD_OK;
    crd_comm_heartbeat(r->comm, "writing a checkpoint");
    crd_train_finish_posterior(r);
    if (crd_comm_rank(r->comm) == 0)
        r->hooks->checkpoint(r->state, r->hooks->payload);
    crd_status status = crd_comm_agree(r->comm, CRD_OK);
    crd_checkpoint_timer_served(&r->timer, asked);
    if (status == CRD_OK && asked == CRD_INTERRUPT_STOP && !finished)
        status = CRD_FAIL(CRD_STOPPED, "stopped after step %lld: run again with --resume",
                          (long long)r->state->step);
    return status;
}

static crd_status train_all(crd_train_run *r)
{
    crd_status status = CRD_OK;
    crd_train_state *s = r->state;
    int64_t per_epoch = crd_train_steps_per_epoch(r->options);
    double epoch_start_s = crd_clock_now_s();
    while (crd_batches_left(r->batches) > 0) {
        crd_batch batch;
        double before = s->sums[0];
        CRD_TRY(crd_batches_next(&batch, r->batches));
        CRD_TRY(crd_train_make_step(r, &batch));
        if (crd_comm_rank(r->comm) == 0 && r->hooks->progress != NULL) {
            double data_term = (s->sums[0] - before) / (double)(batch.n * r->options->n_draws);
            r->hooks->progress(s->epoch * per_epoch + crd_smaller(s->batch, per_epoch),
                               r->options->n_epochs * per_epoch, data_term, r->hooks->payload);
        }
        if (s->batch >= per_epoch) {
            CRD_TRY(crd_train_finish_epoch(r, crd_clock_now_s() - epoch_start_s));
            epoch_start_s = crd_clock_now_s();
        }
        CRD_TRY(crd_train_collect(r));
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

void crd_train_options_init(crd_train_options *out)
{
    *out = (crd_train_options){
        .gradient = {.micro_batch = 32, .batch_norm_train = 1},
        .batch_size = 128,
        .n_draws = 1,
        .n_epochs = 10,
        .kl = CRD_KL_SUM,
        .kl_weight = -1,
        .schedule = {.name = "constant", .gamma = 0.1, .step_size = 10, .t_max = 10},
        .local_steps = 1,
        .validate_every = 1,
        .checkpoint_s = 600};
    (void)crd_optimizer_defaults(&out->optimizer, "adam"); /* a name that there is */
}

crd_status crd_train(crd_train_report *report, crd_comm *comm, crd_train_state *state,
                     const crd_train_options *options, const crd_train_hooks *hooks)
{
    crd_status status = CRD_OK;
    crd_train_run r = {.comm = comm, .state = state, .options = options, .hooks = hooks};
    int64_t first_step = state->step;
    crd_comm_cost before = crd_comm_get_cost(comm);
    r.start_s = crd_clock_now_s();
    r.timer =
        crd_checkpoint_timer_start(crd_comm_rank(comm), options->checkpoint_s, options->max_time_s);
    CRD_TRY(crd_comm_agree(comm, check_options(options, state)));
    CRD_TRY(crd_comm_agree(comm, allocate_own(&r)));
    if (crd_optimizer_is_variational(&options->optimizer))
        crd_train_ivon_begin(state, &options->optimizer);
    CRD_TRY(crd_comm_agree(comm, crd_train_set_parameters(&r)));
    if (crd_train_is_local(&r))
        crd_train_set_base(&r);
    crd_batches_plan plan = {
        .n_images = options->n_images,
        .batch_size = options->batch_size * crd_train_group(&r),
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
