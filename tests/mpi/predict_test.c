/* The promise of the engine: the same bits on any ranks, nodes and order as on one process. Every rank computes the
 * answer alone as well, on a communicator of itself, and rank 0 compares. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "credence/interrupt.h"
#include "credence/predict.h"
#include "credence/stopping_rule.h"
#include "mpi_test.h"
#include "reduce/predict_state.h"
#include "small_net.h"

enum { IMAGES = 70, SIDE = SMALL_NET_SIDE, CLASSES = SMALL_NET_CLASSES };

static crd_status load(float *tensors, int8_t *skipped, int64_t first, int64_t n, void *payload)
{
    const int64_t *failing = payload; /* image whose loading fails, or -1 */
    for (int64_t i = 0; i < n; i++) {
        if (first + i == *failing)
            return CRD_FAIL(CRD_ERR_INPUT, "image %lld is bad", (long long)*failing);
        skipped[i] = (first + i) % 13 == 5;
        for (int64_t k = 0; k < 3 * SIDE * SIDE; k++)
            tensors[i * 3 * SIDE * SIDE + k] =
                (float)((k * (first + i + 3)) % 17) / 8 - 1 + 0.5F * (float)((first + i) % 7);
    }
    return CRD_OK;
}

typedef struct result {
    float mean[IMAGES][CLASSES];
    double information[IMAGES];
    int64_t votes[IMAGES][CLASSES];
    int64_t n_draws[IMAGES];
    int64_t n_units; /* computed by all ranks */
    int skipped;
    uint64_t draws_digest; /* of all logits, in file order */
    int64_t n_logits;
    int64_t failing_sink; /* first image of the call that fails, or -1 */
} result;

static crd_status take_summary(const crd_summary *summary, int64_t first_image, void *payload)
{
    const crd_class_rows rows = crd_class_rows_view(summary), *s = &rows;
    result *r = payload;
    if (r->failing_sink == first_image)
        return CRD_FAIL(CRD_ERR_IO, "the disk is full");
    for (int64_t i = 0; i < s->n_images; i++) {
        memcpy(r->mean[first_image + i], s->probs_mean + i * CLASSES, sizeof r->mean[0]);
        memcpy(r->votes[first_image + i], s->votes + i * CLASSES, sizeof r->votes[0]);
        r->information[first_image + i] = s->mutual_information[i];
        r->n_draws[first_image + i] = s->n_draws[i];
        r->skipped += s->skipped[i];
    }
    return CRD_OK;
}

static crd_status take_draws(const float *logits, int64_t first_draw, int64_t n_draws,
                             int64_t first_image, int64_t n_images, void *payload)
{
    result *r = payload;
    for (int64_t k = 0; k < n_draws * n_images * CLASSES; k++) {
        uint32_t bits;
        memcpy(&bits, &logits[k], sizeof bits);
        int64_t draw = first_draw + k / CLASSES / n_images;
        int64_t image = first_image + k / CLASSES % n_images;
        uint64_t place = (uint64_t)((draw * IMAGES + image) * CLASSES + k % CLASSES);
        r->draws_digest += (bits | (place << 32)) * UINT64_C(0x9e3779b97f4a7c15);
        r->n_logits++;
    }
    return CRD_OK;
}

static int64_t n_units(const crd_predict_options *options)
{
    int64_t batch = options->sampler.batch, block = options->sampler.draw_block;
    return (IMAGES + batch - 1) / batch * ((options->n_draws + block - 1) / block);
}

/* `weights`: the model, if it is streamed; else NULL. */
static crd_status run_from(result *out, crd_comm *comm, const crd_model *model,
                           crd_shared_model *weights, const crd_predict_options *options,
                           int64_t failing_image, int64_t failing_sink)
{
    /* With units in another order, the ranks of rank 0's node share the reading. */
    crd_predict_source source = {.load = load,
                                 .payload = &failing_image,
                                 .is_shared = options->shuffle != 0,
                                 .weights = weights};
    crd_predict_sink sink = {.summary = take_summary, .draws = take_draws, .payload = out};
    crd_predict_report report;
    memset(out, 0, sizeof *out);
    out->failing_sink = failing_sink;
    crd_status status = crd_predict(&report, comm, model, options, &source, &sink);
    if (status == CRD_OK && crd_comm_rank(comm) == 0) {
        out->n_units = report.n_units;
        CHECK(comm, options->until_mcse > 0 ? out->n_units < n_units(options)
                                            : out->n_units == n_units(options));
    }
    return status;
}

static crd_status run(result *out, crd_comm *comm, const crd_model *model,
                      const crd_predict_options *options, int64_t failing_image,
                      int64_t failing_sink)
{
    return run_from(out, comm, model, NULL, options, failing_image, failing_sink);
}

static void check_options(crd_comm *world, const crd_model *model, crd_predict_options options)
{
    static result one, many;
    crd_comm *self;
    CHECK(world, crd_comm_create_self(&self) == CRD_OK);
    if (crd_comm_rank(world) == 0)
        CHECK(world, run(&one, self, model, &options, -1, -1) == CRD_OK);
    crd_comm_destroy(self);
    for (uint64_t shuffle = 0; shuffle < 2; shuffle++) {
        options.shuffle = shuffle * UINT64_C(0x5851f42d4c957f2d);
        CHECK(world, run(&many, world, model, &options, -1, -1) == CRD_OK);
        if (crd_comm_rank(world) == 0) {
            CHECK(world, one.skipped == 5 && isnan(one.information[5]));
            CHECK(world, memcmp(&one, &many, sizeof one) == 0);
            CHECK(world,
                  options.want_draws == (one.n_logits == options.n_draws * IMAGES * CLASSES));
        }
    }
}

/* The newest checkpoint of a run, and what goes to its other hooks. */
typedef struct keeper {
    crd_predict_state state;
    result *out;
    int n_kept;
} keeper;

static void *copy(void *old, const void *bytes, int64_t n)
{
    void *block = realloc(old, (size_t)n * 8);
    return memcpy(block, bytes, (size_t)n * 8);
}

static void keep(const crd_predict_state *state, void *payload)
{
    keeper *k = payload;
    crd_predict_state old = k->state;
    k->state = *state;
    k->state.done = copy(old.done, state->done, (state->n_units + 63) / 64);
    const crd_reduction *r = &state->summary->reduction;
    k->state.sums = copy(old.sums, state->sums, state->n_images * crd_reduction_n_sums(r));
    k->state.maxima = copy(old.maxima, state->maxima, state->n_images * crd_reduction_n_maxima(r));
    k->n_kept++;
}

static crd_status keep_summary(const crd_summary *s, int64_t first_image, void *payload)
{
    return take_summary(s, first_image, ((keeper *)payload)->out);
}

static crd_status keep_draws(const float *logits, int64_t first_draw, int64_t n_draws,
                             int64_t first_image, int64_t n_images, void *payload)
{
    return take_draws(logits, first_draw, n_draws, first_image, n_images, ((keeper *)payload)->out);
}

/* Stopped again and again, each time by another rank's word, and gone on with by ever other ranks: all of them, and rank 0
 * alone; and with other windows and rounds, as their sizes may follow from the ranks. Each unit is computed once, and the answer is the undisturbed run's. */
static void check_stops(crd_comm *world, const crd_model *model, crd_predict_options options)
{
    static result one, many;
    int64_t none = -1, n_computed = 0, buffer_bytes = options.buffer_bytes;
    keeper k = {.out = &many};
    crd_comm *self;
    CHECK(world, crd_comm_create_self(&self) == CRD_OK);
    many = (result){.failing_sink = -1};
    if (crd_comm_rank(world) == 0)
        CHECK(world, run(&one, self, model, &options, -1, -1) == CRD_OK);
    crd_status status = CRD_STOPPED;
    for (int i = 0; status == CRD_STOPPED; i++) {
        crd_predict_source source = {load, &none, i % 2, k.n_kept > 0 ? &k.state : NULL, NULL};
        crd_predict_sink sink = {keep_summary, keep_draws, keep, NULL, &k};
        crd_predict_report report = {0};
        crd_comm *comm = i % 3 == 2 ? self : world;
        options.checkpoint_s = i % 4 == 1 ? 1e-9 : 0; /* also after every unit */
        options.buffer_bytes = buffer_bytes * (1 + i % 3);
        if (comm == world || crd_comm_rank(world) == 0) {
            if (crd_comm_rank(comm) == i % crd_comm_size(comm) && i < 40)
                crd_interrupt_post(CRD_INTERRUPT_STOP);
            status = crd_predict(&report, comm, model, &options, &source, &sink);
            crd_interrupt_clear(CRD_INTERRUPT_STOP);
            n_computed += report.n_units;
        }
        crd_comm_broadcast(world, &status, sizeof status);
    }
    CHECK(world, status == CRD_OK);
    if (crd_comm_rank(world) == 0) {
        many.n_units = n_computed;
        CHECK(world, k.n_kept == 0 || k.state.n_units_all == n_units(&options));
        CHECK(world, memcmp(&one, &many, sizeof one) == 0);
        k.state.first_image++; /* between two windows */
    }
    crd_predict_source source = {load, &none, 0, &k.state, NULL};
    crd_predict_sink sink = {0};
    crd_predict_report report;
    crd_comm_broadcast(world, &k.n_kept,
                       sizeof k.n_kept); /* a short run may be done before it is stopped */
    if (k.n_kept > 0)
        CHECK(world,
              crd_predict(&report, world, model, &options, &source, &sink) == CRD_ERR_RESUME);
    free(k.state.done);
    free(k.state.sums);
    free(k.state.maxima);
    crd_comm_destroy(self);
}

/* Images stop at looks, each with the row that a run of so many draws gives it. */
static void check_adaptive_rows(crd_comm *world, const crd_model *model,
                                crd_predict_options options)
{
    static result stopped, fixed;
    const crd_stopping_rule rule = {options.min_draws, options.n_draws, options.sampler.draw_block};
    int n_looks_used = 0, n_seen = 0;
    CHECK(world, run(&stopped, world, model, &options, -1, -1) == CRD_OK);
    options.until_mcse = 0;
    for (int64_t look = crd_stopping_rule_next(&rule, 0);;
         look = crd_stopping_rule_next(&rule, look)) {
        int n_here = 0;
        options.n_draws = look;
        CHECK(world, run(&fixed, world, model, &options, -1, -1) == CRD_OK);
        for (int64_t i = 0; crd_comm_rank(world) == 0 && i < IMAGES; i++)
            if (stopped.n_draws[i] == look) {
                n_here++;
                CHECK(world, memcmp(stopped.mean[i], fixed.mean[i], sizeof fixed.mean[i]) == 0);
                CHECK(world, stopped.information[i] == fixed.information[i]);
            }
        n_looks_used += n_here > 0;
        n_seen += n_here;
        if (look == rule.max_draws)
            break;
    }
    if (crd_comm_rank(world) == 0)
        CHECK(world, n_seen == IMAGES - 5 && n_looks_used > 2); /* 5 are skipped */
}

/* A rank with other weights is found before any work is done. */
static void check_deviating_rank(crd_comm *world, const crd_predict_options *options)
{
    static result r;
    crd_shared_model *own;
    crd_comm *self;
    int size = crd_comm_size(world), rank = crd_comm_rank(world);
    CHECK(world, crd_comm_create_self(&self) == CRD_OK);
    crd_posterior *mine = small_net_posterior(world);
    if (rank == size - 1)
        mine->mu[0] += 0.001f;
    CHECK(world, crd_shared_model_create(&own, self, mine, NULL, 0) == CRD_OK);
    crd_status status = run(&r, world, crd_shared_model_view(own), options, -1, -1);
    if (size == 1) {
        CHECK(world, status == CRD_OK);
    } else {
        char name[32];
        snprintf(name, sizeof name, "rank %d (host ", size - 1);
        CHECK(world, status == CRD_ERR_INTERNAL);
        CHECK(world, strncmp(crd_status_message(), name, strlen(name)) == 0);
        CHECK(world, strstr(crd_status_message(), "kernels ") != NULL);
    }
    crd_shared_model_destroy(own);
    crd_posterior_destroy(mine);
    crd_comm_destroy(self);
}

/* Every rank must come back with the same words. */
static void check_failures(crd_comm *world, const crd_model *model, crd_predict_options options)
{
    static result r;
    CHECK(world, run(&r, world, model, &options, 0, -1) == CRD_ERR_INPUT);
    CHECK(world, strcmp(crd_status_message(), "image 0 is bad") == 0);
    CHECK(world, run(&r, world, model, &options, 60, -1) == CRD_ERR_INPUT);
    CHECK(world, strcmp(crd_status_message(), "image 60 is bad") == 0);
    options.shuffle = 1;
    CHECK(world, run(&r, world, model, &options, 60, -1) == CRD_ERR_INPUT);
    CHECK(world, strcmp(crd_status_message(), "image 60 is bad") == 0);
    CHECK(world, run(&r, world, model, &options, -1, 0) == CRD_ERR_IO);
    CHECK(world, strcmp(crd_status_message(), "the disk is full") == 0);
    options.n_draws = 0;
    CHECK(world, run(&r, world, model, &options, -1, -1) == CRD_ERR_USAGE);
}

/* Rank 0 alone says whether there is a sigma: all ranks make room for the same. */
static void check_means_only(crd_comm *world, const crd_posterior *posterior)
{
    crd_shared_model *shared;
    int mean = crd_comm_rank(world) == 0;
    CHECK(world, crd_shared_model_create(&shared, world, posterior, NULL, mean) == CRD_OK);
    CHECK(world, crd_shared_model_view(shared)->sigma == NULL);
    crd_shared_model_destroy(shared);
}

static void check_not_a_number(crd_comm *world, crd_posterior *posterior,
                               crd_predict_options options)
{
    static result r;
    crd_shared_model *shared;
    if (crd_comm_rank(world) == 0)
        for (int64_t i = 0; i < posterior->network->params.n_floats; i++)
            posterior->mu[i] = 1e30f; /* finite, but the product of two layers is not */
    CHECK(world, crd_shared_model_create(&shared, world, posterior, NULL, 0) == CRD_OK);
    CHECK(world,
          run(&r, world, crd_shared_model_view(shared), &options, -1, -1) == CRD_ERR_NUMERIC);
    crd_shared_model_destroy(shared);
}

static void check_adaptive(crd_comm *world, const crd_model *model, crd_predict_options options)
{
    options.until_mcse = 0.02;
    options.min_draws = 8;
    options.n_draws = 317;
    options.confidence = 0.95;
    check_adaptive_rows(world, model, options);
    for (int64_t bytes = 0; bytes <= 600000; bytes += 300000) { /* one window, several */
        options.buffer_bytes = bytes;
        check_options(world, model, options);
        check_stops(world, model, options);
    }
    options.sampler.draw_block = 6;
    options.sampler.antithetic = 1;
    options.n_draws = 316;
    check_options(world, model, options);
    check_stops(world, model, options);
    options.n_draws = 317;
    static result r;
    CHECK(world, run(&r, world, model, &options, -1, -1) == CRD_ERR_USAGE);
    options.n_draws = 316;
    options.want_draws = 1;
    CHECK(world, run(&r, world, model, &options, -1, -1) == CRD_ERR_USAGE);
}

/* A mixture whose numbers come from elsewhere. */
typedef struct mixture {
    crd_posterior *posterior;
    crd_numbers_source own;
    int n_finished, is_damaged;
} mixture;

static crd_status read_mixture(const crd_component_numbers *to, int64_t first, int64_t n,
                               void *payload)
{
    mixture *m = payload;
    return m->own.read(to, first, n, m->own.payload);
}

static crd_status compare_mixture(uint8_t *differs, void *payload)
{
    mixture *m = payload;
    return m->own.compare(differs, m->own.payload);
}

static crd_status finish_mixture(bool *done, void *payload)
{
    mixture *m = payload;
    m->n_finished++;
    *done = m->n_finished % 2 == 0;
    return m->is_damaged ? CRD_FAIL(CRD_ERR_INPUT, "a component is damaged") : CRD_OK;
}

/* Components that differ in their means. */
static void make_mixture(mixture *out, crd_comm *world)
{
    enum { N = 7 };
    crd_component_source sources[N];
    crd_posterior *parts[N];
    for (int c = 0; c < N; c++) {
        parts[c] = small_net_posterior(world);
        for (int64_t i = 0; i < parts[c]->network->params.n_floats; i++)
            parts[c]->mu[i] *= 1 + 0.125F * (float)c;
        sources[c] = (crd_component_source){parts[c], "part.h5", "1a"};
    }
    CHECK(world, crd_posterior_join(&out->posterior, sources, N, false) == CRD_OK);
    for (int c = 0; c < N; c++)
        crd_posterior_destroy(parts[c]);
    out->own = crd_posterior_source(out->posterior);
}

/* Streamed, the answer is that of a model in memory, also after a run that ended while more was
 * being read; and it counts only if all that was read was undamaged. */
static void check_streamed(crd_comm *world, crd_predict_options options)
{
    static result whole, streamed;
    mixture m = {0};
    crd_shared_model *in_memory, *in_windows;
    if (crd_comm_rank(world) == 0)
        make_mixture(&m, world);
    const crd_numbers_source source = {read_mixture, compare_mixture, finish_mixture, &m};

    CHECK(world, crd_shared_model_create(&in_memory, world, m.posterior, NULL, 0) == CRD_OK);
    int64_t bytes = crd_shared_model_bytes(in_memory);
    const crd_shared_model_options shared = {
        .source = &source, .node_bytes = bytes * 5 / 7, .draw_block = 2};
    CHECK(world, crd_shared_model_open(&in_windows, world, m.posterior, &shared) == CRD_OK);
    const crd_model *view = crd_shared_model_view(in_windows);
    CHECK(world, crd_shared_model_held(in_windows) == 4);
    options.sampler.draw_block = 2;
    options.n_draws = 300;
    options.min_draws = 4;
    for (int k = 0; k < 3; k++) {
        options.until_mcse = k % 2 == 0 ? 1 : 0; /* every image stops at the first look */
        CHECK(world,
              run(&whole, world, crd_shared_model_view(in_memory), &options, -1, -1) == CRD_OK);
        CHECK(world, run_from(&streamed, world, view, in_windows, &options, -1, -1) == CRD_OK);
        CHECK(world, memcmp(&whole, &streamed, sizeof whole) == 0);
        CHECK(world, crd_comm_rank(world) != 0 || m.n_finished == 2 * (k + 1));
    }
    m.is_damaged = 1;
    CHECK(world, run_from(&streamed, world, view, in_windows, &options, -1, -1) == CRD_ERR_INPUT);
    CHECK(world, strcmp(crd_status_message(), "a component is damaged") == 0);
    crd_shared_model_destroy(in_windows);
    crd_shared_model_destroy(in_memory);
    crd_posterior_destroy(m.posterior);
}

int main(void)
{
    crd_comm *world;
    if (crd_comm_create_world(&world) != CRD_OK)
        return 1;
    crd_posterior *posterior = crd_comm_rank(world) == 0 ? small_net_posterior(world) : NULL;
    crd_shared_model *shared;
    CHECK(world, crd_shared_model_create(&shared, world, posterior, NULL, 0) == CRD_OK);
    const crd_model *model = crd_shared_model_view(shared);
    crd_predict_options options = {
        .sampler = {.estimator = "reparameterization", .seed = 7, .batch = 4, .draw_block = 5},
        .n_draws = 37,
        .n_top = 5,
        .n_images = IMAGES,
    };
    check_options(world, model, options);
    options.want_draws = 1;
    check_options(world, model, options);
    options.buffer_bytes = 600000; /* several windows of images, several rounds of draws */
    check_options(world, model, options);
    options.buffer_bytes = 1; /* a batch a window, a block a round */
    check_options(world, model, options);
    check_stops(world, model, options);
    options.buffer_bytes = 600000;
    check_stops(world, model, options);
    options.want_draws = 0;
    options.shuffle = UINT64_C(0x5851f42d4c957f2d);
    options.buffer_bytes = 0;
    check_stops(world, model, options);
    check_adaptive(world, model, options);
    check_streamed(world, options);
    check_deviating_rank(world, &options);
    options.want_draws = 1;
    options.sampler.estimator = "flipout";
    options.sampler.batch = 9;
    check_options(world, model, options);
    options.sampler.estimator = "local-reparameterization";
    options.sampler.draw_block = 64; /* larger than all draws; fewer units than ranks */
    options.sampler.batch = 100;
    check_options(world, model, options);
    options = (crd_predict_options){
        .sampler = {.estimator = "reparameterization", .mean = 1, .batch = 1, .draw_block = 1},
        .n_draws = 1,
        .n_top = 5,
        .n_images = IMAGES,
        .buffer_bytes = 600000,
    };
    check_options(world, model, options);
    check_failures(world, model, options);
    crd_shared_model_destroy(shared);
    check_means_only(world, posterior);
    check_not_a_number(world, posterior, options);
    crd_posterior_destroy(posterior);
    crd_comm_destroy(world);
    return 0;
}
