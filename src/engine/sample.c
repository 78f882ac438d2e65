/* Chains over ranks: checks, memory, the loop over gradients, draws and checkpoints between them.
 * All chains take their gradients in step, so that their draws fall together; how a sampler moves
 * is in src/chains. */
#include "credence/sample.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/integers.h"
#include "credence/watchdog.h"
#include "engine/sample_run.h"

/* The ranks meet about as often. */
static const double round_s = 0.05;

static crd_status check_options(const crd_sample_options *o)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_chain_check(&o->chain));
    CRD_REQUIRE(o->n_chains >= 1 && o->n_chains <= CRD_MAX_CHAINS, CRD_ERR_USAGE,
                "chains: %lld is not from 1 to %d", (long long)o->n_chains, CRD_MAX_CHAINS);
    CRD_REQUIRE(o->n_images >= 1 && o->micro_batch >= 1 && o->batch_size >= 0, CRD_ERR_USAGE,
                "images, micro-batch: at least 1, batch: at least 0");
    CRD_REQUIRE(!crd_chain_needs_all(&o->chain) || o->batch_size == 0 ||
                    o->batch_size >= o->n_images,
                CRD_ERR_USAGE, "batch size: %s needs the gradient of all %lld images",
                o->chain.name, (long long)o->n_images);
cleanup:
    return status;
}

/* Chains of this rank. */
static int64_t count_own(const crd_sample_run *r)
{
    int64_t n = 0;
    for (int64_t c = 0; c < r->options->n_chains; c++)
        n += crd_sample_has(r, c);
    return n;
}

/* This rank's own memory; no communication. */
static crd_status allocate_own(crd_sample_run *r)
{
    crd_status status = CRD_OK;
    const crd_sample_options *o = r->options;
    const crd_network *network = r->posterior->network;
    int64_t n, n_floats = network->params.n_floats;
    CRD_TRY(crd_sample_find_spans(&r->spans, &r->n_spans, &n, r->posterior));
    r->image_floats = crd_shape_count(crd_network_input_shape(network));
    if (crd_loss_target(o->loss) == CRD_TARGET_VALUES)
        CRD_TRY(crd_loss_n_values(&r->value_floats, o->loss, crd_network_n_outputs(network)));
    r->batch = o->batch_size == 0 ? o->n_images : crd_smaller(o->batch_size, o->n_images);
    int64_t most = crd_smaller(o->micro_batch, r->batch);
    const crd_gradient_options gradient = {
        .estimator = "reparameterization", .micro_batch = most, .mean = 1, .keep_all = 1};
    CRD_ALLOC(&r->fixed, network->params.n_params, "flags of parameters");
    CRD_TRY(crd_gradient_create(&r->gradient, network, r->fixed, &gradient));
    CRD_ALLOC(&r->batch_images, most * r->image_floats, "images of a micro-batch");
    CRD_ALLOC(&r->batch_values, most * r->value_floats, "values of a micro-batch");
    CRD_ALLOC(&r->batch_labels, most, "labels of a micro-batch");
    CRD_ALLOC(&r->weights, n_floats, "weights");
    CRD_ALLOC(&r->sums, crd_gradient_n_sums(r->gradient), "gradient sums");
    CRD_ALLOC(&r->g, n, "gradient");
    CRD_ALLOC(&r->noise, n, "noise");
    CRD_ALLOC(&r->drawn, count_own(r) * n, "draws");
    CRD_ALLOC(&r->parcel,
              crd_divide_up((1 + r->sampler->n_vectors) * n, 2) +
                  crd_larger(CRD_CHAIN_NUMBERS, CRD_DRAW_FIGURES),
              "numbers of a chain");
cleanup:
    return status;
}

static void release(crd_sample_run *r)
{
    crd_shared_destroy(r->data);
    crd_free(r->parcel);
    crd_free(r->drawn);
    crd_free(r->noise);
    crd_free(r->g);
    crd_free(r->sums);
    crd_free(r->weights);
    crd_free(r->batch_labels);
    crd_free(r->batch_values);
    crd_free(r->batch_images);
    crd_gradient_destroy(r->gradient);
    crd_free(r->fixed);
    crd_free(r->spans);
    crd_comm_destroy(r->group);
}

/* Ends a step: the figures of its state. */
static void end_step(crd_sample_run *r, crd_chain *chain, int64_t step,
                     crd_chain_gradient *gradient)
{
    double *x = chain->numbers;
    x[CRD_CHAIN_ACCEPTANCE] = 1;
    if (r->sampler->end != NULL)
        r->sampler->end(chain, step, gradient);
    x[CRD_CHAIN_POTENTIAL] = gradient->potential;
    if (step < r->options->chain.burn_in)
        return; /* no draw's */
    x[CRD_CHAIN_STEPS]++;
    x[CRD_CHAIN_ACCEPTED] += x[CRD_CHAIN_ACCEPTANCE];
    x[CRD_CHAIN_UNDONE] += x[CRD_CHAIN_DIVERGING];
}

/* One gradient of a chain, and what follows from it; `drawn` gets the state if it is a draw. */
static crd_status advance(crd_sample_run *r, int64_t c, float *drawn)
{
    const crd_chain_options *o = &r->options->chain;
    int64_t i = r->state->n_gradients, per_step = crd_chain_n_gradients(o);
    int64_t step = i / per_step, phase = i % per_step;
    crd_chain chain = crd_sample_chain(r, c);
    crd_chain_gradient gradient = {0};
    crd_comm_heartbeat(r->comm, "gradient %lld of chain %lld", (long long)i, (long long)c);
    crd_status status = crd_sample_potential(&gradient, r, &chain, i);
    if (status == CRD_ERR_NUMERIC && r->sampler->survives && i > 0) {
        gradient = (crd_chain_gradient){0};
        status = CRD_OK;
    }
    if (status != CRD_OK)
        return crd_status_set(status, "chain %lld, step %lld: %s%s", (long long)c,
                              (long long)(phase == 0 ? step : step + 1), crd_status_message(),
                              status == CRD_ERR_NUMERIC ? "; a smaller step size may help" : "");
    if (i > 0 && phase == 0) {
        end_step(r, &chain, step - 1, &gradient);
        if (crd_chain_draw_at(o, step) >= 0)
            memcpy(drawn, chain.position, (size_t)chain.n * sizeof *drawn);
    }
    if (step < crd_chain_n_steps(o))
        r->sampler->move(&chain, step, phase, &gradient);
    return CRD_OK;
}

/* The draw that the state is after so many gradients; -1: none. */
static int64_t draw_after(const crd_sample_run *r, int64_t n_gradients)
{
    const crd_chain_options *o = &r->options->chain;
    int64_t per_step = crd_chain_n_gradients(o), done = n_gradients - 1;
    return done > 0 && done % per_step == 0 ? crd_chain_draw_at(o, done / per_step) : -1;
}

/* Up to `most` gradients of all chains, but none after a draw. */
static crd_status run_round(crd_sample_run *r, int64_t most, int64_t n_all)
{
    crd_status status = CRD_OK;
    crd_sample_state *s = r->state;
    for (int64_t k = 0; k < most && s->n_gradients < n_all; k++) {
        float *drawn = r->drawn;
        for (int64_t c = 0; status == CRD_OK && c < s->n_chains; c++)
            if (crd_sample_has(r, c)) {
                status = advance(r, c, drawn);
                drawn += s->n;
            }
        s->n_gradients++;
        if (draw_after(r, s->n_gradients) >= 0)
            break;
    }
    return status;
}

/* What rank 0 and the requests of all ranks say: the highest request, and the next round's
 * length. Collective. */
static crd_interrupt ask_all(crd_sample_run *r, int64_t *most, double seconds)
{
    crd_interrupt mine = crd_checkpoint_timer_poll(&r->timer);
    int64_t sums[3] = {mine == CRD_INTERRUPT_CHECKPOINT, mine == CRD_INTERRUPT_STOP, 0};
    if (crd_comm_rank(r->comm) == 0)
        sums[2] = seconds < round_s / 2   ? crd_smaller(2 * *most, 1 << 20)
                  : seconds > 2 * round_s ? crd_larger(*most / 2, 1)
                                          : *most;
    crd_comm_sum_begin(r->comm, sums, 3);
    crd_comm_sum_end(r->comm);
    *most = sums[2];
    return sums[1] > 0   ? CRD_INTERRUPT_STOP
           : sums[0] > 0 ? CRD_INTERRUPT_CHECKPOINT
                         : CRD_INTERRUPT_NONE;
}

static crd_status keep(crd_sample_run *r, crd_interrupt asked, int is_done)
{
    if (r->hooks->checkpoint == NULL || (asked == CRD_INTERRUPT_NONE && !is_done))
        return CRD_OK;
    crd_comm_heartbeat(r->comm, "writing a checkpoint");
    crd_sample_collect(r);
    if (crd_comm_rank(r->comm) == 0)
        r->hooks->checkpoint(r->state, r->hooks->payload);
    crd_status status = crd_comm_agree(r->comm, CRD_OK);
    crd_checkpoint_timer_served(&r->timer, asked);
    if (status == CRD_OK && asked == CRD_INTERRUPT_STOP && !is_done)
        status = CRD_FAIL(CRD_STOPPED, "stopped after %lld gradients: run again with --resume",
                          (long long)r->state->n_gradients);
    return status;
}

static crd_status sample_all(crd_sample_run *r)
{
    crd_status status = CRD_OK;
    crd_sample_state *s = r->state;
    const crd_chain_options *o = &r->options->chain;
    int64_t per_step = crd_chain_n_gradients(o), n_steps = crd_chain_n_steps(o), most = 1;
    int64_t n_all = n_steps * per_step + 1, n_first = s->n_gradients;
    while (s->n_gradients < n_all) {
        double start_s = crd_clock_now_s();
        int64_t n_before = s->n_gradients;
        status = run_round(r, most, n_all);
        double seconds = crd_clock_now_s() - start_s;
        r->times.gradients_s += seconds;
        r->times.n_gradients += (s->n_gradients - n_before) * count_own(r);
        if (n_before == n_first)
            r->times = (crd_sample_times){0};
        CRD_TRY(crd_comm_agree(r->comm, status));
        int64_t draw = draw_after(r, s->n_gradients);
        if (draw >= 0)
            CRD_TRY(crd_sample_deliver(r, draw));
        if (crd_comm_rank(r->comm) == 0 && r->hooks->progress != NULL)
            r->hooks->progress((s->n_gradients - 1) / per_step, n_steps, r->hooks->payload);
        CRD_TRY(keep(r, ask_all(r, &most, seconds), s->n_gradients >= n_all));
    }
cleanup:
    return status;
}

crd_status crd_sample(crd_comm *comm, crd_sample_state *state, const crd_posterior *posterior,
                      const crd_sample_start *start, const crd_sample_options *options,
                      const crd_sample_hooks *hooks)
{
    crd_status status = CRD_OK;
    crd_sample_run r = {.comm = comm,
                        .state = state,
                        .posterior = posterior,
                        .start = start,
                        .options = options,
                        .hooks = hooks,
                        .n_colors = crd_smaller(crd_comm_size(comm), options->n_chains)};
    r.timer =
        crd_checkpoint_timer_start(crd_comm_rank(comm), options->checkpoint_s, options->max_time_s);
    CRD_TRY(crd_comm_agree(comm, check_options(options)));
    r.sampler = crd_chain_sampler_of(&options->chain);
    CRD_TRY(crd_comm_split(&r.group, comm, crd_comm_rank(comm) % (int)r.n_colors));
    CRD_TRY(crd_comm_agree(comm, allocate_own(&r)));
    CRD_TRY(crd_sample_load(&r));
    CRD_TRY(crd_sample_check_ranks(&r));
    CRD_TRY(crd_sample_share(&r));
    status = sample_all(&r);
    if ((status == CRD_OK || status == CRD_STOPPED) && crd_comm_rank(comm) == 0 &&
        hooks->times != NULL)
        hooks->times(&r.times, hooks->payload);
cleanup:
    release(&r);
    return status;
}
