/* A run is a sequence of windows of images; a window is computed in rounds of draw blocks; a round is a set of units
 * that the ranks take from their node's counter. Images of the next window travel while this one is
 * computed. Ranks meet at the end of a round (agreement, saved draws) and of a window (sums). */
#include "credence/predict.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "credence/looks.h"
#include "engine/partition.h"

/* Default of options.buffer_bytes. */
enum { BUFFER_BYTES = 64 << 20 };

typedef struct predict_run {
    crd_comm *comm;
    const crd_predict_options *options;
    const crd_predict_source *source;
    const crd_predict_sink *sink;
    crd_sampler *sampler;
    int64_t image_floats, n_classes, n_sums, n_maxima;
    int64_t n_blocks;     /* draw blocks of the run */
    int64_t window_size;  /* images: a multiple of the batch */
    int64_t round_blocks; /* draw blocks of a round */
    int64_t unit_floats;  /* logits of a full unit */
    crd_shared *images[2];
    crd_shared *draws; /* [unit][unit_floats] of a round, if wanted */
    crd_counter *counter;
    int64_t *node_begin; /* [n_nodes + 1] */
    int64_t *sums, *maxima;
    float *logits;        /* of a unit */
    int8_t *skipped[2];   /* rank 0: of the windows in images[] */
    crd_summary summary;  /* rank 0 */
    int64_t n_units_done; /* by this rank, in this window */
} predict_run;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t n_parts(int64_t n, int64_t part)
{
    return (n + part - 1) / part;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static crd_status check_options(const crd_predict_options *o)
{
    if (o->n_draws < 1 || o->n_draws > CRD_MAX_DRAWS)
        return CRD_FAIL(CRD_ERR_USAGE, "number of draws: %lld is not from 1 to %lld",
                        (long long)o->n_draws, (long long)CRD_MAX_DRAWS);
    if (o->sampler.mean && o->n_draws != 1)
        return CRD_FAIL(CRD_ERR_USAGE, "the deterministic network has one draw, not %lld",
                        (long long)o->n_draws);
    if (o->n_images < 1 || o->n_images > UINT32_MAX)
        return CRD_FAIL(CRD_ERR_USAGE, "number of images: %lld is not from 1 to %lld",
                        (long long)o->n_images, (long long)UINT32_MAX);
    if (o->sampler.antithetic && (o->n_draws % 2 != 0 || o->sampler.draw_block % 2 != 0))
        return CRD_FAIL(
            CRD_ERR_USAGE,
            "antithetic draws are pairs: %lld draws in blocks of %lld are not all pairs",
            (long long)o->n_draws, (long long)o->sampler.draw_block);
    if (o->sampler.batch < 1 || o->sampler.draw_block < 1 || o->n_top < 1)
        return CRD_FAIL(CRD_ERR_USAGE, "batch, draw block and top classes are at least 1");
    return CRD_OK;
}

/* Sizes that follow from model and options; the same on all ranks. */
static void plan_run(predict_run *r, const crd_model *model)
{
    const crd_predict_options *o = r->options;
    int64_t batch = o->sampler.batch, block = o->sampler.draw_block;
    int64_t buffer_bytes = o->buffer_bytes > 0 ? o->buffer_bytes : BUFFER_BYTES;
    r->image_floats = crd_shape_count(crd_network_input_shape(model->network));
    r->n_classes = crd_network_n_outputs(model->network);
    r->n_sums = crd_accumulator_n_sums(r->n_classes);
    r->n_maxima = crd_accumulator_n_maxima(r->n_classes);
    r->n_blocks = n_parts(o->n_draws, block);
    r->unit_floats = batch * block * r->n_classes;
    int64_t image_bytes = 2 * r->image_floats * (int64_t)sizeof(float) +
                          (r->n_sums + r->n_maxima) * (int64_t)sizeof(int64_t);
    int64_t batches = larger(buffer_bytes / (image_bytes * batch), 1);
    r->window_size = smaller(batches, n_parts(o->n_images, batch)) * batch;
    r->round_blocks = r->n_blocks;
    if (o->want_draws) {
        int64_t block_bytes = r->window_size / batch * r->unit_floats * (int64_t)sizeof(float);
        r->round_blocks = smaller(r->n_blocks, larger(buffer_bytes / block_bytes, 1));
    }
}

/* This rank's own memory; no communication. */
static crd_status allocate_own(predict_run *r, const crd_model *model)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_sampler_create(&r->sampler, model, &r->options->sampler));
    CRD_ALLOC(&r->node_begin, crd_comm_n_nodes(r->comm) + 1, "units of nodes");
    CRD_ALLOC(&r->sums, r->window_size * r->n_sums, "sums");
    CRD_ALLOC(&r->maxima, r->window_size * r->n_maxima, "maxima");
    CRD_ALLOC(&r->logits, r->unit_floats, "logits");
    if (crd_comm_rank(r->comm) == 0) {
        for (int i = 0; i < 2; i++)
            CRD_ALLOC(&r->skipped[i], r->window_size, "skipped images");
        CRD_TRY(crd_summary_init(&r->summary, r->window_size, r->n_classes, r->options->n_top));
        crd_looks looks = {r->options->n_draws, r->options->n_draws,
                           r->options->sampler.draw_block};
        r->summary.is_paired = r->options->sampler.antithetic;
        r->summary.miss = crd_looks_miss(&looks, r->options->confidence);
    }
cleanup:
    return status;
}

static crd_status allocate_shared(predict_run *r)
{
    crd_status status = CRD_OK;
    for (int i = 0; i < 2; i++)
        CRD_TRY(crd_shared_create(&r->images[i], r->comm,
                                  r->window_size * r->image_floats * (int64_t)sizeof(float)));
    if (r->options->want_draws)
        CRD_TRY(crd_shared_create(&r->draws, r->comm,
                                  r->window_size / r->options->sampler.batch * r->round_blocks *
                                      r->unit_floats * (int64_t)sizeof(float)));
    CRD_TRY(crd_counter_create(&r->counter, r->comm));
cleanup:
    return status;
}

static void release(predict_run *r)
{
    crd_counter_destroy(r->counter);
    crd_shared_destroy(r->draws);
    for (int i = 1; i >= 0; i--)
        crd_shared_destroy(r->images[i]);
    crd_summary_clear(&r->summary);
    for (int i = 0; i < 2; i++)
        crd_free(r->skipped[i]);
    crd_free(r->logits);
    crd_free(r->maxima);
    crd_free(r->sums);
    crd_free(r->node_begin);
    crd_sampler_destroy(r->sampler);
}

static int64_t images_of_window(const predict_run *r, int64_t window)
{
    return smaller(r->window_size, r->options->n_images - window * r->window_size);
}

/* Rank 0 reads a window's images into its place. Not collective. */
static crd_status load_window(predict_run *r, int64_t window)
{
    if (crd_comm_rank(r->comm) != 0)
        return CRD_OK;
    float *tensors = crd_shared_data(r->images[window % 2]);
    int8_t *skipped = r->skipped[window % 2];
    int64_t n = images_of_window(r, window);
    memset(skipped, 0, (size_t)n);
    crd_status status =
        r->source->load(tensors, skipped, window * r->window_size, n, r->source->payload);
    for (int64_t i = 0; status == CRD_OK && i < n; i++)
        if (skipped[i])
            memset(tensors + i * r->image_floats, 0, (size_t)r->image_floats * sizeof *tensors);
    return status;
}

/* A pair lies within one unit, as blocks are even. */
static void accumulate(predict_run *r, const crd_unit *unit, const float *logits)
{
    int64_t step = r->options->sampler.antithetic ? 2 : 1, row = unit->n_images * r->n_classes;
    for (int64_t d = 0; d < unit->n_draws; d += step)
        for (int64_t i = 0; i < unit->n_images; i++) {
            int64_t image = unit->first_image + i, draw = unit->first_draw + d;
            int64_t *sums = r->sums + image * r->n_sums, *maxima = r->maxima + image * r->n_maxima;
            const float *own = logits + d * row + i * r->n_classes;
            if (step == 2)
                crd_accumulator_add_pair(sums, maxima, own, own + row, r->n_classes, draw / 2);
            else
                crd_accumulator_add(sums, maxima, own, r->n_classes, draw);
        }
}

static crd_status compute_unit(predict_run *r, int64_t window, const crd_unit *unit, float *logits)
{
    const float *images = crd_shared_data(r->images[window % 2]);
    crd_status status = crd_sampler_run(
        logits, r->sampler, images + unit->first_image * r->image_floats, unit->n_images,
        window * r->window_size + unit->first_image, unit->first_draw, unit->n_draws);
    if (status != CRD_OK)
        return status;
    accumulate(r, unit, logits);
    r->n_units_done++;
    return CRD_OK;
}

/* Rank 0's node has all saved draws of the round; rank 0 hands them on unit by unit. */
static crd_status deliver_draws(predict_run *r, int64_t window, int64_t first_block,
                                int64_t n_blocks, int64_t n_units)
{
    crd_status status = CRD_OK;
    const crd_predict_options *o = r->options;
    for (int k = 0; k <= crd_comm_n_nodes(r->comm); k++)
        r->node_begin[k] *= r->unit_floats * (int64_t)sizeof(float);
    crd_shared_gather(r->draws, r->node_begin);
    if (crd_comm_rank(r->comm) != 0 || r->sink->draws == NULL)
        return CRD_OK;
    for (int64_t i = 0; i < n_units; i++) {
        crd_unit u = crd_partition_unit(i, images_of_window(r, window), o->sampler.batch,
                                        first_block, n_blocks, o->sampler.draw_block, o->n_draws);
        const float *logits = (const float *)crd_shared_data(r->draws) + i * r->unit_floats;
        CRD_TRY(r->sink->draws(logits, u.first_draw, u.n_draws,
                               window * r->window_size + u.first_image, u.n_images,
                               r->sink->payload));
    }
cleanup:
    return status;
}

/* Draw blocks [first_block, + n_blocks) of a window. `pending` is rank 0's failure to load the next window. */
static crd_status compute_round(predict_run *r, int64_t window, int64_t first_block,
                                int64_t n_blocks, crd_status pending)
{
    crd_status status = pending;
    const crd_predict_options *o = r->options;
    int node = crd_comm_node(r->comm);
    int64_t n_images = images_of_window(r, window);
    int64_t n_units = n_parts(n_images, o->sampler.batch) * n_blocks;
    crd_partition_nodes(r->node_begin, crd_comm_node_sizes(r->comm), crd_comm_n_nodes(r->comm),
                        n_units);
    int64_t begin = r->node_begin[node], end = r->node_begin[node + 1], ticket;
    crd_counter_reset(r->counter, begin);
    while (status == CRD_OK && (ticket = crd_counter_next(r->counter)) < end) {
        int64_t i = begin + crd_partition_shuffle(ticket - begin, end - begin, o->shuffle);
        crd_unit unit = crd_partition_unit(i, n_images, o->sampler.batch, first_block, n_blocks,
                                           o->sampler.draw_block, o->n_draws);
        float *logits = r->logits;
        if (o->want_draws)
            logits = (float *)crd_shared_data(r->draws) + i * r->unit_floats;
        status = compute_unit(r, window, &unit, logits);
        crd_shared_progress(r->images[(window + 1) % 2]);
        if (crd_comm_rank(r->comm) == 0 && r->sink->progress != NULL)
            r->sink->progress(smaller(crd_counter_get(r->counter), end), end, r->sink->payload);
    }
    if (status != CRD_OK)
        crd_counter_raise(r->counter, end); /* the node's peers need not go on for nothing */
    status = crd_comm_agree(r->comm, status);
    if (status == CRD_OK && o->want_draws)
        status = crd_comm_agree(r->comm, deliver_draws(r, window, first_block, n_blocks, n_units));
    return status;
}

/* Sums of all ranks become rows. */
static crd_status finish_window(predict_run *r, int64_t window)
{
    int64_t n = images_of_window(r, window);
    int64_t n_units = n_parts(n, r->options->sampler.batch) * r->n_blocks;
    crd_status status = CRD_OK;
    crd_comm_reduce_sum(r->comm, r->sums, n * r->n_sums);
    crd_comm_reduce_max(r->comm, r->maxima, n * r->n_maxima);
    crd_comm_reduce_sum(r->comm, &r->n_units_done, 1);
    if (crd_comm_rank(r->comm) == 0) {
        r->summary.n_images = n;
        if (r->n_units_done != n_units)
            status = CRD_FAIL(CRD_ERR_INTERNAL, "%lld units were computed, not %lld",
                              (long long)r->n_units_done, (long long)n_units);
        for (int64_t i = 0; i < n; i++)
            if (r->skipped[window % 2][i])
                crd_summary_skip(&r->summary, i);
            else
                crd_summary_finish(&r->summary, i, r->sums + i * r->n_sums,
                                   r->maxima + i * r->n_maxima);
        if (status == CRD_OK && r->sink->summary != NULL)
            status = r->sink->summary(&r->summary, window * r->window_size, r->sink->payload);
    }
    return crd_comm_agree(r->comm, status);
}

static crd_status compute_window(predict_run *r, int64_t window, int64_t n_windows)
{
    crd_status status = CRD_OK, pending = CRD_OK;
    int travelling = window + 1 < n_windows;
    r->n_units_done = 0;
    for (int64_t i = 0; i < images_of_window(r, window); i++)
        crd_accumulator_reset(r->sums + i * r->n_sums, r->maxima + i * r->n_maxima, r->n_classes);
    if (travelling) {
        pending = load_window(r, window + 1);
        crd_shared_begin(r->images[(window + 1) % 2],
                         r->window_size * r->image_floats * (int64_t)sizeof(float));
    }
    for (int64_t block = 0; status == CRD_OK && block < r->n_blocks; block += r->round_blocks)
        status =
            compute_round(r, window, block, smaller(r->round_blocks, r->n_blocks - block), pending);
    if (travelling)
        crd_shared_end(r->images[(window + 1) % 2]);
    return status == CRD_OK ? finish_window(r, window) : status;
}

/* Adds up over ranks what the run cost. */
static void write_report(crd_predict_report *report, predict_run *r, double start,
                         crd_comm_cost before, int64_t n_units)
{
    crd_sampler_times t = crd_sampler_get_times(r->sampler);
    crd_comm_cost cost = crd_comm_get_cost(r->comm);
    int64_t sums[5] = {(int64_t)(1e9 * t.draw_s), (int64_t)(1e9 * t.weighted_s),
                       (int64_t)(1e9 * t.rest_s), (int64_t)(1e9 * (cost.seconds - before.seconds)),
                       cost.bytes - before.bytes};
    crd_comm_reduce_sum(r->comm, sums, 5);
    *report = (crd_predict_report){0};
    if (crd_comm_rank(r->comm) == 0)
        *report = (crd_predict_report){
            .n_units = n_units,
            .wall_s = crd_clock_now_s() - start,
            .times = {1e-9 * (double)sums[0], 1e-9 * (double)sums[1], 1e-9 * (double)sums[2]},
            .comm_s = 1e-9 * (double)sums[3],
            .comm_bytes = sums[4],
        };
}

crd_status crd_predict(crd_predict_report *report, crd_comm *comm, const crd_model *model,
                       const crd_predict_options *options, const crd_predict_source *source,
                       const crd_predict_sink *sink)
{
    crd_status status = CRD_OK;
    double start = crd_clock_now_s();
    crd_comm_cost before = crd_comm_get_cost(comm);
    predict_run r = {.comm = comm, .options = options, .source = source, .sink = sink};
    CRD_TRY(crd_comm_agree(comm, check_options(options)));
    plan_run(&r, model);
    CRD_TRY(crd_comm_agree(comm, allocate_own(&r, model)));
    CRD_TRY(allocate_shared(&r));
    CRD_TRY(crd_comm_agree(comm, load_window(&r, 0)));
    crd_shared_broadcast(r.images[0], r.window_size * r.image_floats * (int64_t)sizeof(float));
    int64_t n_windows = n_parts(options->n_images, r.window_size);
    for (int64_t window = 0; window < n_windows; window++)
        CRD_TRY(compute_window(&r, window, n_windows));
    write_report(report, &r, start, before,
                 n_parts(options->n_images, options->sampler.batch) * r.n_blocks);
cleanup:
    release(&r);
    return status;
}
