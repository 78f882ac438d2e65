/* The promise of training: the same posterior, bit for bit, on any ranks and nodes, stopped and resumed anywhere.
 * Rank 0 trains alone as well, and compares. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/test_ops.h"
#include "base/alloc.h"
#include "credence/predict.h"
#include "credence/train.h"
#include "mpi_test.h"

enum { SIDE = 6, IMAGES = 50, CLASSES = 4 };

static float noise(uint64_t i)
{
    i = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    i = (i ^ (i >> 31)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (float)((double)(i >> 40) / (1 << 24) - 0.5);
}

/* Convolution, batch norm, pooling and a linear layer. */
static crd_posterior *make_posterior(crd_comm *comm)
{
    crd_network *network;
    crd_posterior *posterior;
    crd_shape input = crd_shape_make(3, 1, SIDE, SIDE);
    attr_list conv = conv2d_list((conv2d_attrs){.in_channels = 1,
                                                .out_channels = 6,
                                                .kernel_size = {3, 3},
                                                .stride = {1, 1},
                                                .padding = {1, 1},
                                                .dilation = {1, 1},
                                                .groups = 1});
    attr_list norm = batch_norm_list(6, 1e-5);
    attr_list pool = adaptive_list(2, 2);
    attr_list linear = linear_list(24, CLASSES, 1);
    int64_t at = 0;
    CHECK(comm, crd_network_create(&network, "tiny", &input) == CRD_OK);
    CHECK(comm, network_add(&at, network, "Conv2d", "conv", &conv, &at, 1) == CRD_OK);
    CHECK(comm, network_add(&at, network, "BatchNorm2d", "bn", &norm, &at, 1) == CRD_OK);
    CHECK(comm, network_add(&at, network, "ReLU", "relu", NULL, &at, 1) == CRD_OK);
    CHECK(comm, network_add(&at, network, "AdaptiveAvgPool2d", "pool", &pool, &at, 1) == CRD_OK);
    CHECK(comm, network_add(&at, network, "Flatten", "flatten", NULL, &at, 1) == CRD_OK);
    CHECK(comm, network_add(&at, network, "Linear", "fc", &linear, &at, 1) == CRD_OK);
    CHECK(comm, crd_posterior_create(&posterior, network) == CRD_OK);
    posterior->conversion = crd_conversion_defaults();
    for (int64_t p = 0; p < network->params.n_params; p++) {
        const crd_param *param = &network->params.entries[p];
        int is_norm = strncmp(param->name, "bn.", 3) == 0;
        posterior->bayesian[p] = !is_norm;
        for (int64_t i = 0; i < param->count; i++) {
            posterior->mu[param->offset + i] = is_norm ? 1 : noise((uint64_t)(1000 * p + i));
            posterior->rho[param->offset + i] = is_norm ? 0 : -4;
        }
    }
    return posterior;
}

/* The class of an image is the quarter that is bright. Place i of an epoch is image (7 i + epoch) % IMAGES. */
static crd_status load(float *images, int64_t *labels, float *values, int64_t epoch, int64_t first,
                       int64_t n, void *payload)
{
    (void)values;
    const int64_t *failing = payload; /* epoch in which an image cannot be read, or -1 */
    if (epoch == *failing && first > 0)
        return CRD_FAIL(CRD_ERR_INPUT, "image of epoch %lld is bad", (long long)epoch);
    for (int64_t i = 0; i < n; i++) {
        int64_t image = (7 * (first + i) + epoch) % IMAGES;
        labels[i] = image % CLASSES;
        for (int64_t k = 0; k < SIDE * SIDE; k++) {
            int64_t quarter = k / (SIDE * SIDE / 2) * 2 + k % SIDE / (SIDE / 2);
            images[i * SIDE * SIDE + k] =
                noise((uint64_t)(image * 100 + k)) + (quarter == labels[i]);
        }
    }
    return CRD_OK;
}

static crd_train_options make_options(crd_comm *comm)
{
    crd_train_options o = {
        .gradient = {.estimator = "reparameterization",
                     .seed = 3,
                     .micro_batch = 4,
                     .batch_norm_train = 1},
        .n_images = IMAGES,
        .batch_size = 16,
        .n_draws = 3,
        .n_epochs = 4,
        .kl = CRD_KL_SUM,
        .kl_weight = 1.0 / IMAGES,
        .kl_anneal_epochs = 2,
        .schedule = {.name = "exponential", .gamma = 0.9},
        .clip_norm = 10,
        .local_steps = 1,
    };
    CHECK(comm, crd_loss_find(&o.loss, "cross-entropy") == CRD_OK);
    CHECK(comm, crd_optimizer_defaults(&o.optimizer, "adam") == CRD_OK);
    o.optimizer.lr = 0.02;
    return o;
}

/* Trains a posterior from the beginning for n_epochs; the state is the caller's to destroy. */
static crd_status train_reported(crd_train_report *report, crd_train_state *state, crd_comm *comm,
                                 const crd_train_options *options, int64_t failing)
{
    crd_posterior *posterior = make_posterior(comm);
    crd_train_hooks hooks = {.load = load, .payload = &failing};
    CHECK(comm, crd_train_state_init(state, posterior, crd_optimizer_n_states(&options->optimizer),
                                     options->n_epochs) == CRD_OK);
    if (options->keep_gradients)
        CHECK(comm, crd_train_state_keep_gradients(state) == CRD_OK);
    return crd_train(report, comm, state, options, &hooks);
}

static crd_status train(crd_train_state *state, crd_comm *comm, crd_train_options *options,
                        int64_t failing)
{
    crd_train_report report;
    return train_reported(&report, state, comm, options, failing);
}

static void destroy(crd_train_state *state)
{
    crd_posterior_destroy(state->posterior);
    crd_train_state_clear(state);
}

static int equal(const crd_train_state *a, const crd_train_state *b)
{
    size_t n_bytes = (size_t)a->posterior->network->params.n_floats * sizeof(float);
    int same = memcmp(a->posterior->mu, b->posterior->mu, n_bytes) == 0 &&
               memcmp(a->posterior->rho, b->posterior->rho, n_bytes) == 0 && a->step == b->step &&
               a->epoch == b->epoch;
    for (int k = 0; k < a->n_states; k++)
        same = same && memcmp(a->states[k], b->states[k], 2 * n_bytes) == 0;
    for (int64_t e = 0; e < a->epoch; e++)
        same = same && a->history[e].loss == b->history[e].loss &&
               a->history[e].accuracy == b->history[e].accuracy;
    return same;
}

static void ranks_do_not_matter(crd_comm *world, crd_train_options options, double least_accuracy)
{
    crd_comm *self;
    crd_train_state alone, together;
    CHECK(world, crd_comm_create_self(&self) == CRD_OK);
    CHECK(world, train(&together, world, &options, -1) == CRD_OK);
    CHECK(world, train(&alone, self, &options, -1) == CRD_OK);
    CHECK(world, equal(&alone, &together));
    CHECK(world, together.epoch == options.n_epochs && together.step == 4 * options.n_epochs);
    const crd_epoch *last = &together.history[options.n_epochs - 1];
    CHECK(world, last->data_term < together.history[0].data_term);
    CHECK(world, last->accuracy >= least_accuracy);
    destroy(&alone);
    destroy(&together);
    crd_comm_destroy(self);
}

/* A step of one unit: one rank makes the update while the gradient is on its way. */
static void one_unit_a_step_is_no_exception(crd_comm *world, crd_train_options options)
{
    options.gradient.micro_batch = options.batch_size;
    options.n_draws = 1;
    options.clip_norm = 0;
    ranks_do_not_matter(world, options, 0.2);
    crd_optimizer_options adam = options.optimizer;
    CHECK(world, crd_optimizer_defaults(&options.optimizer, "sgd") == CRD_OK);
    options.optimizer.lr = 0.1;
    ranks_do_not_matter(world, options, 0.2);
    options.optimizer = adam;
    options.gradient.mean = 1;
    ranks_do_not_matter(world, options, 0.2);
    options.gradient.mean = 0;
    options.keep_gradients = 1;
    options.kl_weight = 0;
    ranks_do_not_matter(world, options, 0);
}

/* Batches and micro-batches may be far larger than the set. */
static void memory_is_for_the_images_there_are(crd_comm *world, crd_train_options options)
{
    int64_t peaks[2];
    options.n_images = 2;
    for (int is_large = 0; is_large <= 1; is_large++) {
        crd_train_state state;
        options.batch_size = options.gradient.micro_batch = is_large ? 1 << 16 : 2;
        CHECK(world, train(&state, world, &options, -1) == CRD_OK);
        destroy(&state);
        peaks[is_large] = crd_alloc_peak_bytes();
    }
    CHECK(world, peaks[1] - peaks[0] < 1 << 16);
}

/* The KL divergence is in the history where it is in the loss. */
static void divergence_is_measured_where_it_counts(crd_comm *world, crd_train_options options)
{
    for (int k = 0; k < 3; k++) {
        crd_train_state state;
        options.kl_weight = k == 0 ? 0.5 : 0;
        options.gradient.mean = k == 2;
        CHECK(world, train(&state, world, &options, -1) == CRD_OK);
        for (int64_t i = 0; i < state.epoch; i++) {
            const crd_epoch *e = &state.history[i];
            CHECK(world, isnan(e->kl_sum) == (k > 0) && isnan(e->kl_mean) == (k > 0));
            CHECK(world, (e->temperature == 0) == (k > 0));
            CHECK(world, k > 0 ? e->loss == e->data_term : e->loss > e->data_term);
        }
        destroy(&state);
    }
}

/* Without draws no gradient of rho travels: what a step costs less is that block of the sums. */
static void only_what_is_trained_travels(crd_comm *world, crd_train_options options)
{
    crd_train_report reports[2];
    int64_t n_floats = 0;
    for (int mean = 0; mean <= 1; mean++) {
        crd_train_state state;
        options.gradient.mean = mean;
        CHECK(world, train_reported(&reports[mean], &state, world, &options, -1) == CRD_OK);
        CHECK(world, reports[mean].n_steps == 4 * options.n_epochs);
        CHECK(world, reports[mean].n_ranks == crd_comm_size(world));
        CHECK(world, reports[mean].comm_s_mean <= reports[mean].comm_s_max * (1 + 1e-9));
        /* conv.weight is the first and fc.bias the last parameter. */
        const crd_params *params = &state.posterior->network->params;
        const crd_param *last = &params->entries[params->n_params - 1];
        n_floats = last->offset + last->count;
        destroy(&state);
    }
    int64_t less = reports[0].comm_bytes_mean - reports[1].comm_bytes_mean;
    int64_t expected = crd_comm_size(world) == 1 ? 0 : 8 * n_floats * reports[0].n_steps;
    CHECK(world, less == expected);
    CHECK(world, reports[1].comm_bytes_max >= expected);
}

typedef struct keeper {
    int64_t failing;
    int64_t stop_step;
    crd_train_state kept;
    int n_kept;
} keeper;

static crd_status keeper_load(float *images, int64_t *labels, float *values, int64_t epoch,
                              int64_t first, int64_t n, void *payload)
{
    keeper *k = payload;
    return load(images, labels, values, epoch, first, n, &k->failing);
}

static void copy_state(crd_train_state *to, const crd_train_state *from)
{
    size_t n_bytes = (size_t)from->posterior->network->params.n_floats * sizeof(float);
    memcpy(to->posterior->mu, from->posterior->mu, n_bytes);
    memcpy(to->posterior->rho, from->posterior->rho, n_bytes);
    for (int k = 0; k < from->n_states; k++)
        memcpy(to->states[k], from->states[k], 2 * n_bytes);
    memcpy(to->history, from->history, (size_t)from->history_capacity * sizeof *to->history);
    to->step = from->step;
    to->epoch = from->epoch;
    to->batch = from->batch;
    memcpy(to->sums, from->sums, sizeof to->sums);
    to->best = from->best;
}

static void keep(const crd_train_state *state, void *payload)
{
    keeper *k = payload;
    if (state->step == k->stop_step) {
        copy_state(&k->kept, state);
        k->n_kept++;
    }
}

/* Every step is offered as a checkpoint; from one of them all ranks continue, in the middle of an epoch. */
static void resuming_is_exact(crd_comm *world, crd_train_options options, int64_t step)
{
    crd_train_state whole;
    options.checkpoint_s = 1e-9;
    CHECK(world, train(&whole, world, &options, -1) == CRD_OK);
    keeper k = {.failing = -1, .stop_step = step};
    int n_states = crd_optimizer_n_states(&options.optimizer);
    CHECK(world, crd_train_state_init(&k.kept, make_posterior(world), n_states, options.n_epochs) ==
                     CRD_OK);
    crd_train_hooks hooks = {.load = keeper_load, .checkpoint = keep, .payload = &k};
    crd_train_state first;
    CHECK(world, crd_train_state_init(&first, make_posterior(world), n_states, options.n_epochs) ==
                     CRD_OK);
    crd_train_report report;
    CHECK(world, crd_train(&report, world, &first, &options, &hooks) == CRD_OK);
    CHECK(world, k.n_kept == (crd_comm_rank(world) == 0));
    /* Only rank 0 has the checkpoint; sharing makes the rest. */
    crd_train_state resumed = {0};
    crd_posterior *posterior = NULL;
    if (crd_comm_rank(world) == 0)
        resumed = k.kept;
    else
        destroy(&k.kept);
    CHECK(world, crd_train_state_share(&resumed, &posterior, world) == CRD_OK);
    CHECK(world, resumed.step == step);
    CHECK(world, crd_train(&report, world, &resumed, &options, &hooks) == CRD_OK);
    CHECK(world, report.n_steps == whole.step - step);
    CHECK(world, equal(&whole, &resumed));
    destroy(&whole);
    destroy(&first);
    destroy(&resumed);
}

/* Local steps depend on the ranks, but leave all ranks with the same state, and learn. */
static void local_steps_learn(crd_comm *world, crd_train_options options)
{
    options.local_steps = 2;
    options.n_epochs = 40;
    strcpy(options.schedule.name, "constant");
    options.gradient.batch_norm_train = 0;
    crd_train_state state;
    CHECK(world, train(&state, world, &options, -1) == CRD_OK);
    const crd_epoch *last = &state.history[options.n_epochs - 1];
    CHECK(world, last->accuracy > 0.9 && last->data_term < state.history[0].data_term);
    double first = (double)state.posterior->mu[0], of_root = first;
    crd_comm_broadcast(world, &of_root, sizeof of_root);
    CHECK(world, first == of_root);
    destroy(&state);
}

/* IVON: the sums of g and g eps of all units, and a Hessian in the place of rho. */
static void ivon_is_no_exception(crd_comm *world, crd_train_options options)
{
    CHECK(world, crd_optimizer_defaults(&options.optimizer, "ivon") == CRD_OK);
    options.optimizer.ess = IMAGES;
    options.optimizer.beta2 = 0.9;
    options.optimizer.lr = 0.3;
    options.clip_norm = 0;
    ranks_do_not_matter(world, options, 0.6);
    resuming_is_exact(world, options, 6);
    resuming_is_exact(world, options, 8);
    options.gradient.estimator = "flipout";
    ranks_do_not_matter(world, options, 0.6);
    options.gradient.micro_batch = options.batch_size;
    options.n_draws = 1;
    ranks_do_not_matter(world, options, 0.2);
    resuming_is_exact(world, options, 7);
}

static void failures_reach_all_ranks(crd_comm *world, crd_train_options options)
{
    crd_train_state state;
    CHECK(world, train(&state, world, &options, 2) == CRD_ERR_INPUT);
    CHECK(world, strstr(crd_status_message(), "image of epoch 2 is bad") != NULL);
    CHECK(world, state.epoch == 2);
    destroy(&state);
    options.optimizer.lr = 1e30;
    options.clip_norm = 0;
    strcpy(options.optimizer.name, "sgd");
    CHECK(world, train(&state, world, &options, -1) == CRD_ERR_NUMERIC);
    CHECK(world, strstr(crd_status_message(), "step ") != NULL);
    destroy(&state);
    options.n_draws = 0;
    CHECK(world, train(&state, world, &options, -1) == CRD_ERR_USAGE);
    destroy(&state);
}

/* mse-distill: the data term falls towards the deterministic network's logits. */
static void distilling_learns(crd_comm *world, crd_train_options options)
{
    crd_posterior *posterior = crd_comm_rank(world) == 0 ? make_posterior(world) : NULL;
    crd_shared_model *teacher;
    CHECK(world, crd_shared_model_create(&teacher, world, posterior, NULL, 1) == CRD_OK);
    CHECK(world, crd_loss_find(&options.loss, "mse-distill") == CRD_OK);
    options.teacher = crd_shared_model_view(teacher);
    options.gradient.batch_norm_train = 0;
    options.kl_weight = 0;
    ranks_do_not_matter(world, options, 0);
    crd_shared_model_destroy(teacher);
    crd_posterior_destroy(posterior);
}

int main(void)
{
    crd_comm *world;
    if (crd_comm_create_world(&world) != CRD_OK)
        return 1;
    crd_train_options options = make_options(world);
    ranks_do_not_matter(world, options, 0.6);
    one_unit_a_step_is_no_exception(world, options);
    memory_is_for_the_images_there_are(world, options);
    divergence_is_measured_where_it_counts(world, options);
    only_what_is_trained_travels(world, options);
    resuming_is_exact(world, options, 6);
    resuming_is_exact(world, options, 8);
    ivon_is_no_exception(world, options);
    local_steps_learn(world, options);
    failures_reach_all_ranks(world, options);
    distilling_learns(world, options);
    options.gradient.estimator = "flipout";
    ranks_do_not_matter(world, options, 0.6);
    options.gradient.estimator = "local-reparameterization";
    options.gradient.batch_norm_train = 0;
    ranks_do_not_matter(world, options, 0.6);
    crd_comm_destroy(world);
    return 0;
}
