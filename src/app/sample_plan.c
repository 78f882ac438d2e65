/* The cost of a run of chains: the engine takes gradients of it for some seconds, on a sample of
 * the images and with no more chains than there are ranks, and is asked to stop. It writes no
 * file. */
#include "credence/sample_plan.h"

#include "app/resources.h"
#include "app/sample_inputs.h"
#include "app/sample_output.h"
#include "base/clock.h"
#include "base/integers.h"
#include "credence/interrupt.h"

/* The calibration: micro-batches to read images for, and seconds. */
enum { SAMPLE_UNITS = 16 };
static const double calibration_s = 1.5;

typedef struct calibration {
    crd_sample_inputs in;    /* all ranks: the run that is planned */
    crd_sample_options some; /* all ranks: what is done of it */
    crd_sample_times times;
    double load_s, first_s; /* first_s: when the first gradient was there; 0: not yet */
    bool has_asked;         /* to stop */
} calibration;

/** Image i of the sample is image i n_images / n_sample of the run. */
static crd_status load(float *images, int64_t *labels, float *values, int64_t first, int64_t n,
                       void *payload)
{
    crd_status status = CRD_OK;
    calibration *c = payload;
    const crd_network *network = c->in.posterior->network;
    int64_t floats = crd_shape_count(crd_network_input_shape(network)), n_values = 0;
    const crd_loss *loss = c->some.loss;
    double start_s = crd_clock_now_s();
    if (crd_loss_target(loss) == CRD_TARGET_VALUES)
        CRD_TRY(crd_loss_n_values(&n_values, loss, crd_network_n_outputs(network)));
    for (int64_t i = 0; i < n; i++) {
        int64_t image = (first + i) * c->in.options.n_images / c->some.n_images;
        CRD_TRY(crd_sample_inputs_load(&c->in, images + i * floats, labels + i,
                                       values + i * n_values, image, 1));
    }
    c->load_s += crd_clock_now_s() - start_s;
cleanup:
    return status;
}

static crd_status drop_draw(int64_t chain, int64_t draw, const float *weights, void *payload)
{
    (void)chain, (void)draw, (void)weights, (void)payload;
    return CRD_OK;
}

static void drop_checkpoint(const crd_sample_state *state, void *payload)
{
    (void)state, (void)payload;
}

static void watch(int64_t step, int64_t n_steps, void *payload)
{
    calibration *c = payload;
    double now_s = crd_clock_now_s();
    (void)step, (void)n_steps;
    if (c->first_s == 0)
        c->first_s = now_s;
    else if (now_s - c->first_s >= calibration_s && !c->has_asked) {
        crd_interrupt_post(CRD_INTERRUPT_STOP);
        c->has_asked = true;
    }
}

static void take_times(const crd_sample_times *times, void *payload)
{
    ((calibration *)payload)->times = *times;
}

static void choose_sample(calibration *c, int n_ranks)
{
    crd_sample_options *o = &c->some;
    *o = c->in.options;
    o->n_images = crd_smaller(o->n_images, SAMPLE_UNITS * o->micro_batch);
    o->n_chains = crd_smaller(o->n_chains, n_ranks);
    o->batch_size = o->batch_size >= c->in.options.n_images ? 0 : o->batch_size;
    o->checkpoint_s = o->max_time_s = 0;
}

/** Micro-batches of a gradient: batches end with their epoch. */
static double count_units(const crd_sample_options *o)
{
    int64_t n = o->n_images, batch = o->batch_size == 0 ? n : crd_smaller(o->batch_size, n);
    int64_t n_full = n / batch, rest = n % batch;
    int64_t n_units =
        n_full * crd_divide_up(batch, o->micro_batch) + crd_divide_up(rest, o->micro_batch);
    return (double)n_units / (double)crd_divide_up(n, batch);
}

/** What the measured times say. Rank 0. */
static void forecast(crd_sample_plan *out, const calibration *c, const crd_sample_state *s,
                     double start_s)
{
    const crd_sample_options *o = &c->in.options;
    const crd_sample_times *t = &c->times;
    const crd_network *network = c->in.posterior->network;
    double n_gradients = (double)t->n_gradients, per_image_s = c->load_s / (double)c->some.n_images;
    int64_t n_draws = o->chain.n_draws, n_values = 0;
    if (crd_loss_target(o->loss) == CRD_TARGET_VALUES)
        (void)crd_loss_n_values(&n_values, o->loss, crd_network_n_outputs(network));
    *out = (crd_sample_plan){
        .cost = {.n_chains = o->n_chains,
                 .n_gradients = crd_chain_n_steps(&o->chain) * crd_chain_n_gradients(&o->chain) + 1,
                 .n_units = count_units(o),
                 .unit_s = t->n_units > 0 ? t->units_s / (double)t->n_units : 0,
                 .rest_s = n_gradients > 0 ? (t->gradients_s - t->units_s) / n_gradients : 0,
                 .start_s = c->first_s - start_s - c->load_s + per_image_s * (double)o->n_images},
        .n_images = o->n_images,
        .n_weights = s->n,
        .n_draws = n_draws,
        .n_sample = c->some.n_images,
        .n_sample_gradients = t->n_gradients,
        .seconds = crd_clock_now_s() - start_s,
        .data_bytes =
            o->n_images * ((crd_shape_count(crd_network_input_shape(network)) + n_values) *
                               (int64_t)sizeof(float) +
                           (int64_t)sizeof(int64_t)),
        .chain_bytes = (s->n_vectors + 1) * s->n * (int64_t)sizeof(float),
        .file_bytes = crd_sample_output_bytes(o->n_chains, n_draws, s->n, &network->params),
        .draws_bytes = o->n_chains * n_draws * s->n * (int64_t)sizeof(float),
        .node_ranks = crd_resources_cores()};
    out->rank_bytes = crd_larger(crd_resources_own_bytes() - s->n_chains * out->chain_bytes, 0);
}

static crd_status run_files(crd_sample_plan *out, calibration *c, crd_sample_state *state,
                            crd_comm *comm, const crd_sample_files_options *given)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(comm) == 0;
    double start_s = crd_clock_now_s();
    CRD_REQUIRE(given->posterior != NULL && given->n_data > 0, CRD_ERR_USAGE,
                "a posterior and data are needed");
    CRD_TRY(crd_sample_inputs_begin(&c->in, given));
    CRD_TRY(crd_comm_agree(comm, is_first ? crd_sample_inputs_open(&c->in, given) : CRD_OK));
    CRD_TRY(crd_sample_inputs_share(&c->in, comm, given));
    choose_sample(c, crd_comm_size(comm));
    if (is_first)
        status = crd_sample_state_init(state, c->in.posterior, &c->some);
    if (status == CRD_ERR_INPUT)
        status = crd_status_set(status, "%s: %s", given->posterior, crd_status_message());
    CRD_TRY(crd_comm_agree(comm, status));
    const crd_sample_hooks hooks = {.load = load,
                                    .draw = drop_draw,
                                    .checkpoint = drop_checkpoint,
                                    .progress = watch,
                                    .times = take_times,
                                    .payload = c};
    status = crd_sample(comm, state, c->in.posterior, &c->in.start, &c->some, &hooks);
    if (c->has_asked) /* the run may have ended before it looked */
        crd_interrupt_clear(CRD_INTERRUPT_STOP);
    if (status == CRD_STOPPED)
        status = CRD_OK;
    CRD_TRY(status);
    if (is_first)
        forecast(out, c, state, start_s);
cleanup:
    return status;
}

crd_status crd_sample_plan_files(crd_sample_plan *out, crd_comm *comm,
                                 const crd_sample_files_options *options)
{
    calibration c = {0};
    crd_sample_state state = {0};
    crd_status status = run_files(out, &c, &state, comm, options);
    crd_sample_state_clear(&state);
    crd_sample_inputs_close(&c.in);
    return status;
}

double crd_sample_plan_seconds(const crd_sample_plan *plan, int64_t n_ranks)
{
    return crd_sample_cost_seconds(&plan->cost, n_ranks);
}

double crd_sample_plan_efficiency(const crd_sample_plan *plan, int64_t n_ranks)
{
    return crd_sample_plan_seconds(plan, 1) / crd_sample_plan_seconds(plan, n_ranks) /
           (double)n_ranks;
}

int64_t crd_sample_plan_node_bytes(const crd_sample_plan *plan, int64_t n_ranks)
{
    int64_t n_chains = plan->cost.n_chains, here = crd_smaller(n_ranks, plan->node_ranks);
    int64_t n_own = crd_divide_up(n_chains, crd_smaller(n_ranks, n_chains));
    return plan->data_bytes + here * (plan->rank_bytes + n_own * plan->chain_bytes) +
           (n_chains - n_own) * plan->chain_bytes;
}

crd_plan_job crd_sample_plan_job_for(const crd_sample_plan *plan, int64_t n_ranks)
{
    int64_t here = crd_smaller(n_ranks, plan->node_ranks);
    return crd_resources_job(n_ranks, crd_sample_plan_seconds(plan, n_ranks),
                             (double)crd_sample_plan_node_bytes(plan, n_ranks) / (double)here);
}
