/* A run is a sequence of windows of images; a window is computed in rounds of draw blocks; a
 * round is a set of units that the ranks take from their node's counter. Images of the next
 * window travel while this one is computed. Ranks meet at the end of a round and of a window
 * (sums), and in between only where an alarm calls them: when a checkpoint is due, when the run
 * is to stop, when a rank has failed. After that what is left of the round is dealt anew. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/integers.h"
#include "credence/watchdog.h"
#include "engine/partition.h"
#include "engine/predict_run.h"
#include "engine/rank_check.h"
#include "engine/shared_model.h"

/* Most units of a round, which bounds the memory for their bits. */
enum { ROUND_UNITS = 1 << 22 };
/* What the buffers take by default: this much anyway, and up to the larger size of a node where
 * that gives every rank so many units between two meetings that the wait for the last one does
 * not count. */
enum { BUFFER_BYTES = 64 << 20, LARGE_BUFFER_BYTES = 1 << 30, UNITS_PER_RANK = 16 };

_Static_assert(CRD_MAX_COMPONENTS <= CRD_MAX_STRATA, "every mixture can be reduced");

static int64_t n_components(const crd_model *model)
{
    return crd_larger(model->n_components, 1);
}

static crd_status check_options(const crd_predict_options *o, const crd_model *model)
{
    if (o->n_draws < 1 || o->n_draws > CRD_MAX_DRAWS)
        return CRD_FAIL(CRD_ERR_USAGE, "number of draws: %lld is not from 1 to %lld",
                        (long long)o->n_draws, (long long)CRD_MAX_DRAWS);
    if (o->sampler.mean && o->n_draws != n_components(model))
        return CRD_FAIL(CRD_ERR_USAGE,
                        "a deterministic network has one draw: of %lld of them not %lld",
                        (long long)n_components(model), (long long)o->n_draws);
    int64_t n_networks =
        model->family == NULL ? 0 : crd_family_n_networks(model->family, model->n_components);
    if (n_networks > 0 && o->n_draws > n_networks)
        return CRD_FAIL(CRD_ERR_USAGE, "number of draws: %lld is more than the %lld networks",
                        (long long)o->n_draws, (long long)n_networks);
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
    if (o->first_draw < 0 || o->first_draw >= o->n_draws ||
        o->first_draw % o->sampler.draw_block != 0)
        return CRD_FAIL(
            CRD_ERR_USAGE, "first draw: no block of %lld draws below %lld begins at %lld",
            (long long)o->sampler.draw_block, (long long)o->n_draws, (long long)o->first_draw);
    if (o->until_mcse > 0 && (o->want_draws || o->first_draw > 0 || o->min_draws < 1))
        return CRD_FAIL(CRD_ERR_USAGE,
                        "images are stopped at 1 draw or more, and only in a run that "
                        "counts all draws and keeps none");
    return CRD_OK;
}

/* The posterior's components or chains as groups of draws. */
static crd_status set_groups(crd_reduction *out, const crd_family *family, int64_t n_components,
                             int64_t n_chains, int mean)
{
    return n_chains > 0
               ? crd_reduction_chain(out, n_chains, n_components / n_chains)
               : crd_reduction_stratify(out, crd_family_n_strata(family, n_components, mean));
}

/* The reducer of the model's outputs. */
static crd_status set_reduction(crd_reduction *out, const crd_model *model,
                                const crd_predict_options *o)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_reduction_init(out, o->outputs, crd_network_n_outputs(model->network), o->n_top));
    if (model->family != NULL)
        CRD_TRY(
            set_groups(out, model->family, model->n_components, model->n_chains, o->sampler.mean));
    out->is_paired = o->sampler.antithetic;
cleanup:
    return status;
}

crd_status crd_predict_reduction(crd_reduction *out, const crd_posterior *posterior,
                                 const crd_predict_options *options)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_reduction_init(out, posterior->outputs, posterior->n_classes, options->n_top));
    CRD_TRY(set_groups(out, posterior->family, posterior->n_components, posterior->n_chains,
                       options->sampler.mean));
cleanup:
    return status;
}

/* The looks at which images may stop. */
static crd_status set_rules(crd_predict_run *r, const crd_model *model)
{
    const crd_predict_options *o = r->options;
    crd_reduction *reduction = &r->totals.reduction;
    int64_t first = o->until_mcse > 0 ? crd_smaller(o->min_draws, o->n_draws) : o->n_draws;
    r->place.rule = (crd_stopping_rule){first, o->n_draws, o->sampler.draw_block};
    r->plan.n_blocks = crd_divide_up(o->n_draws, o->sampler.draw_block);
    crd_status status = set_reduction(reduction, model, o);
    reduction->error_probability =
        crd_stopping_rule_error_probability(&r->place.rule, o->confidence);
    return status;
}

/* How many things fit that take so many bytes of a node and so many of each of its ranks;
 * `wanted` of them if that is more and memory allows. */
static int64_t buffer_holds(const crd_predict_options *o, int64_t node_bytes, int64_t rank_bytes,
                            int64_t wanted)
{
    int64_t bytes = node_bytes + rank_bytes;
    if (o->buffer_bytes > 0)
        return crd_larger(o->buffer_bytes / bytes, 1);
    int64_t most = crd_smaller(wanted, LARGE_BUFFER_BYTES / node_bytes);
    most = crd_smaller(most, BUFFER_BYTES / crd_larger(rank_bytes, 1));
    return crd_larger(crd_larger(BUFFER_BYTES / bytes, most), 1);
}

/* Draw blocks between the first two meetings of all ranks. */
static int64_t first_look_blocks(const crd_predict_options *o)
{
    int64_t end = o->until_mcse > 0 ? crd_smaller(o->min_draws, o->n_draws) : o->n_draws;
    return crd_divide_up(end - o->first_draw, o->sampler.draw_block);
}

int64_t crd_predict_window_images(const crd_model *model, const crd_predict_options *o, int n_ranks)
{
    int64_t batch = o->sampler.batch;
    int64_t floats = crd_shape_count(crd_network_input_shape(model->network));
    crd_reduction reduction;
    if (set_reduction(&reduction, model, o) != CRD_OK)
        return batch;
    int64_t n_sums = crd_reduction_n_sums(&reduction) + crd_reduction_n_maxima(&reduction);
    int64_t node_bytes = batch * 2 * floats * (int64_t)sizeof(float);
    int64_t rank_bytes = batch * n_sums * (int64_t)sizeof(int64_t);
    int64_t wanted = crd_divide_up((int64_t)n_ranks * UNITS_PER_RANK, first_look_blocks(o));
    if (model->is_streamed) /* each window reads all components */
        wanted = INT64_MAX;
    int64_t batches = buffer_holds(o, node_bytes, rank_bytes, wanted);
    return crd_smaller(batches, crd_divide_up(o->n_images, batch)) * batch;
}

/* Sizes that follow from model, options, ranks and checkpoint; the same on all ranks. */
static void plan_run(crd_predict_run *r, const crd_model *model, const crd_predict_start *start)
{
    const crd_predict_options *o = r->options;
    int64_t batch = o->sampler.batch, block = o->sampler.draw_block,
            n_ranks = crd_comm_size(r->comm);
    r->plan.image_floats = crd_shape_count(crd_network_input_shape(model->network));
    r->plan.unit_floats = batch * block * r->totals.reduction.n_outputs;
    r->plan.window_size = crd_predict_window_images(model, o, (int)n_ranks);
    int64_t n_batches = r->plan.window_size / batch, round_units = ROUND_UNITS;
    if (o->want_draws)
        round_units = buffer_holds(o, r->plan.unit_floats * (int64_t)sizeof(float), 0,
                                   n_ranks * UNITS_PER_RANK);
    r->plan.round_blocks = crd_smaller(r->plan.n_blocks, crd_larger(round_units / n_batches, 1));
    r->plan.most_images =
        crd_larger(r->plan.window_size, crd_divide_up(start->n_images, batch) * batch);
    r->plan.most_units = crd_larger(n_batches * r->plan.round_blocks, start->n_units);
}

/* This rank's own memory; no communication. */
static crd_status allocate_own(crd_predict_run *r, const crd_model *model)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_sampler_create(&r->means.sampler, model, &r->options->sampler));
    CRD_ALLOC(&r->means.node_begin, crd_comm_n_nodes(r->comm) + 1, "units of nodes");
    const crd_reduction *reduction = &r->totals.reduction;
    CRD_ALLOC(&r->totals.sums, r->plan.most_images * crd_reduction_n_sums(reduction), "sums");
    CRD_ALLOC(&r->totals.maxima, r->plan.most_images * crd_reduction_n_maxima(reduction), "maxima");
    CRD_ALLOC(&r->means.logits, r->plan.unit_floats, "logits");
    CRD_ALLOC(&r->place.stopped, r->plan.most_images, "stopped images");
    CRD_ALLOC(&r->place.active, r->plan.most_images / r->options->sampler.batch, "batches");
    CRD_TRY(crd_unit_set_init(&r->place.units, r->plan.most_units));
    CRD_TRY(crd_predict_plan_turns(r));
    CRD_ALLOC(&r->totals.new_units, crd_unit_set_words(r->plan.most_units) + 1, "units done");
    if (crd_comm_rank(r->comm) == 0) {
        CRD_TRY(crd_summary_init(&r->totals.summary, reduction, r->plan.most_images));
        if (r->options->keep_sums)
            CRD_TRY(crd_summary_keep_sums(&r->totals.summary));
    }
cleanup:
    return status;
}

int8_t *crd_predict_skipped(const crd_predict_run *r, int64_t window)
{
    float *tensors = crd_shared_data(r->means.images[window % 2]);
    return (int8_t *)(tensors + r->plan.most_images * r->plan.image_floats);
}

static int64_t images_bytes(const crd_predict_run *r, int64_t n)
{
    return n * r->plan.image_floats * (int64_t)sizeof(float);
}

static crd_status allocate_shared(crd_predict_run *r)
{
    crd_status status = CRD_OK;
    for (int i = 0; i < 2; i++)
        CRD_TRY(crd_shared_create(&r->means.images[i], r->comm,
                                  images_bytes(r, r->plan.most_images) + r->plan.most_images));
    if (r->options->want_draws)
        CRD_TRY(
            crd_shared_create(&r->means.draws, r->comm,
                              r->plan.most_units * r->plan.unit_floats * (int64_t)sizeof(float)));
    CRD_TRY(crd_counter_create(&r->means.counter, r->comm));
    CRD_TRY(crd_alarm_create(&r->means.alarm, r->comm));
cleanup:
    return status;
}

static void release(crd_predict_run *r)
{
    crd_alarm_destroy(r->means.alarm);
    crd_counter_destroy(r->means.counter);
    crd_shared_destroy(r->means.draws);
    for (int i = 1; i >= 0; i--)
        crd_shared_destroy(r->means.images[i]);
    crd_summary_clear(&r->totals.summary);
    crd_free(r->totals.new_units);
    crd_predict_clear_turns(r);
    crd_unit_set_clear(&r->place.units);
    crd_free(r->place.active);
    crd_free(r->place.stopped);
    crd_free(r->means.logits);
    crd_free(r->totals.maxima);
    crd_free(r->totals.sums);
    crd_free(r->means.node_begin);
    crd_sampler_destroy(r->means.sampler);
}

/* Images [first, + n) of window number `window` are read into their place: by rank 0, or by all
 * ranks of its node. Not collective. The lowest rank that fails has the first bad image. */
static crd_status load_window(crd_predict_run *r, int64_t window, int64_t first, int64_t n)
{
    int64_t rank = crd_comm_node_rank(r->comm), n_readers = 1;
    if (crd_comm_node(r->comm) == 0 && r->source->is_shared)
        n_readers = crd_comm_node_sizes(r->comm)[0];
    if (crd_comm_node(r->comm) != 0 || rank >= n_readers)
        return CRD_OK;
    int64_t begin = n * rank / n_readers, n_own = n * (rank + 1) / n_readers - begin;
    float *tensors =
        (float *)crd_shared_data(r->means.images[window % 2]) + begin * r->plan.image_floats;
    int8_t *skipped = crd_predict_skipped(r, window) + begin;
    if (n_own == 0)
        return CRD_OK;
    crd_comm_heartbeat(r->comm, "reading image %lld and on", (long long)(first + begin));
    memset(skipped, 0, (size_t)n_own);
    crd_status status = r->source->load(tensors, skipped, first + begin, n_own, r->source->payload);
    for (int64_t i = 0; status == CRD_OK && i < n_own; i++)
        if (skipped[i])
            memset(tensors + i * r->plan.image_floats, 0,
                   (size_t)r->plan.image_floats * sizeof *tensors);
    return status;
}

static crd_unit unit_of(const crd_predict_run *r, int64_t i)
{
    int64_t n_blocks = r->place.n_blocks_round;
    int64_t i_of_all = r->place.active[i / n_blocks] * n_blocks + i % n_blocks;
    return crd_partition_unit(i_of_all, r->place.n_images, r->options->sampler.batch,
                              r->place.first_block, n_blocks, r->options->sampler.draw_block,
                              r->options->n_draws);
}

/* Unit i of the round; its logits go to `logits`, its draws into the sums. */
static crd_status compute_unit(crd_predict_run *r, int64_t i, float *logits)
{
    crd_unit unit = unit_of(r, i);
    const float *images = crd_shared_data(r->means.images[r->place.window % 2]);
    crd_comm_heartbeat(r->comm, "computing image %lld, draw %lld and on",
                       (long long)(r->place.first_image + unit.first_image),
                       (long long)unit.first_draw);
    crd_status status = crd_sampler_run(
        logits, r->means.sampler, images + unit.first_image * r->plan.image_floats, unit.n_images,
        r->place.first_image + unit.first_image, unit.first_draw, unit.n_draws);
    if (status != CRD_OK)
        return status;
    crd_predict_accumulate(r, &unit, logits);
    r->totals.new_units[i / 64] =
        (int64_t)((uint64_t)r->totals.new_units[i / 64] | UINT64_C(1) << i % 64);
    r->totals.new_units[r->place.units.n_words]++;
    r->means.n_computed++;
    return CRD_OK;
}

/* Looks whether this rank knows a reason to meet, and gives the highest that any rank has told. */
static int listen(crd_predict_run *r)
{
    crd_interrupt asked = r->sink->checkpoint != NULL ? crd_checkpoint_timer_poll(&r->means.timer)
                                                      : CRD_INTERRUPT_NONE;
    if (asked != CRD_INTERRUPT_NONE)
        crd_alarm_raise(r->means.alarm, (int)asked);
    return crd_alarm_get(r->means.alarm);
}

/* Takes units until none is left on this node, or the alarm calls. */
static crd_status take_units(crd_predict_run *r, int64_t n_left)
{
    crd_status status = CRD_OK;
    int node = crd_comm_node(r->comm);
    int64_t begin = r->means.node_begin[node], end = r->means.node_begin[node + 1], ticket;
    int64_t n_done = crd_predict_n_units_done(r);
    /* One unit at least before the first look: a run with too little time for more still gets
     * on. */
    while (status == CRD_OK && (ticket = crd_counter_next(r->means.counter)) < end) {
        int64_t k = begin + crd_partition_shuffle(ticket - begin, end - begin, r->options->shuffle);
        float *logits = r->means.logits;
        if (r->options->want_draws)
            logits = (float *)crd_shared_data(r->means.draws) + k * r->plan.unit_floats;
        status = compute_unit(r, crd_unit_set_nth(crd_predict_dealt(r), k), logits);
        crd_shared_progress(r->means.images[(r->place.window + 1) % 2]);
        if (crd_comm_rank(r->comm) == 0 && r->sink->progress != NULL) {
            double share = (double)(crd_smaller(ticket + 1, end) - begin) / (double)(end - begin);
            r->sink->progress(n_done + (int64_t)(share * (double)n_left), crd_predict_n_units(r),
                              r->sink->payload);
        }
        if (listen(r) != 0)
            break;
    }
    return status;
}

/* Rank 0's node gets all draws of the units done since the last meeting; rank 0 hands them on
 * unit by unit. The k-th unit that was left then lies in place k. */
static crd_status deliver_draws(crd_predict_run *r, int64_t n_left)
{
    crd_status status = CRD_OK;
    for (int k = 0; k <= crd_comm_n_nodes(r->comm); k++)
        r->means.node_begin[k] *= r->plan.unit_floats * (int64_t)sizeof(float);
    crd_shared_gather(r->means.draws, r->means.node_begin);
    if (crd_comm_rank(r->comm) != 0 || r->sink->draws == NULL)
        return CRD_OK;
    for (int64_t k = 0; k < n_left; k++) {
        int64_t i = crd_unit_set_nth(crd_predict_dealt(r), k);
        if (((uint64_t)r->totals.new_units[i / 64] >> i % 64 & 1) == 0)
            continue;
        crd_unit u = unit_of(r, i);
        const float *logits =
            (const float *)crd_shared_data(r->means.draws) + k * r->plan.unit_floats;
        CRD_TRY(r->sink->draws(logits, u.first_draw, u.n_draws,
                               r->place.first_image + u.first_image, u.n_images, r->sink->payload));
    }
cleanup:
    return status;
}

/* Deals what is left of the round, computes it, and meets: all of it is done then, or the alarm
 * has called. `pending` is this rank's failure to load the next window. */
static crd_status compute_until_meeting(crd_predict_run *r, crd_status pending)
{
    crd_status status = CRD_OK;
    int64_t n_left = crd_unit_set_left(crd_predict_dealt(r));
    crd_partition_nodes(r->means.node_begin, crd_comm_node_sizes(r->comm),
                        crd_comm_n_nodes(r->comm), n_left);
    crd_counter_reset(r->means.counter, r->means.node_begin[crd_comm_node(r->comm)]);
    status = pending == CRD_OK ? take_units(r, n_left) : pending;
    if (status != CRD_OK)
        crd_alarm_raise(r->means.alarm, CRD_ALARM_FAILED); /* the others would work for nothing */
    while (!crd_alarm_arrived(r->means.alarm))
        listen(r);
    int level = crd_alarm_settle(r->means.alarm);
    CRD_TRY(crd_comm_agree(r->comm, status));
    crd_predict_exchange(r);
    if (r->options->want_draws)
        CRD_TRY(crd_comm_agree(r->comm, deliver_draws(r, n_left)));
    CRD_TRY(crd_predict_mark(r));
    CRD_TRY(crd_predict_write_checkpoint(r, (crd_interrupt)level));
cleanup:
    return status;
}

/* Rank 0 gets the sums up to a look, and counts: every image that was not stopped before has
 * seen all draws. */
static crd_status finish_look(crd_predict_run *r)
{
    crd_status status = CRD_OK;
    int64_t expected = crd_predict_look_draws(r);
    crd_predict_collect(r);
    for (int64_t i = 0; crd_comm_rank(r->comm) == 0 && i < r->place.n_images; i++) {
        int64_t n = crd_predict_n_draws(r, i);
        if (n != expected && !r->place.stopped[i])
            status =
                CRD_FAIL(CRD_ERR_INTERNAL, "image %lld has seen %lld draws, not %lld",
                         (long long)(r->place.first_image + i), (long long)n, (long long)expected);
    }
    return crd_comm_agree(r->comm, status);
}

/* The round is done: begins the next one of the window. *is_over is 1 if there is none. */
static crd_status next_round(crd_predict_run *r, int *is_over)
{
    crd_status status = CRD_OK;
    int64_t block = r->place.first_block + r->place.n_blocks_round;
    if (block == r->place.look_end) {
        CRD_TRY(finish_look(r));
        *is_over = block == r->plan.n_blocks;
        if (*is_over)
            return CRD_OK;
        crd_predict_set_look(r, block);
        crd_predict_choose(r);
    }
    r->place.first_block = block;
    crd_predict_begin_round(r);
    *is_over = r->place.n_active == 0;
cleanup:
    return status;
}

/* Sums become rows. */
static crd_status finish_window(crd_predict_run *r)
{
    crd_status status = CRD_OK;
    if (crd_comm_rank(r->comm) == 0) {
        int64_t first = r->place.first_image;
        crd_comm_heartbeat(r->comm, "writing image %lld and on", (long long)first);
        crd_predict_summarize(r);
        if (r->sink->summary != NULL)
            status = r->sink->summary(&r->totals.summary, first, r->sink->payload);
        crd_predict_reset_sums(r, r->place.n_images);
    }
    return crd_comm_agree(r->comm, status);
}

/* From where the run is to the end of the window; the n_next images after it travel meanwhile. */
static crd_status compute_window(crd_predict_run *r, int64_t n_next)
{
    crd_status status = CRD_OK, pending = CRD_OK;
    crd_shared *next = r->means.images[(r->place.window + 1) % 2];
    if (n_next > 0) {
        pending =
            load_window(r, r->place.window + 1, r->place.first_image + r->place.n_images, n_next);
        crd_shared_begin(next, images_bytes(r, n_next));
    }
    for (int is_over = 0; status == CRD_OK && !is_over;) {
        while (status == CRD_OK && crd_unit_set_left(&r->place.units) > 0) {
            status = crd_predict_take_turn(r);
            if (status == CRD_OK)
                status = compute_until_meeting(r, pending);
        }
        if (status == CRD_OK)
            status = next_round(r, &is_over);
    }
    if (n_next > 0)
        crd_shared_end(next);
    CRD_TRY(status);
    CRD_TRY(crd_comm_agree(r->comm,
                           pending)); /* after a resume nothing of the window may have been left */
    CRD_TRY(finish_window(r));
cleanup:
    return status;
}

static void next_window(crd_predict_run *r, int64_t n_images)
{
    r->place.window++;
    r->place.first_image += r->place.n_images;
    r->place.n_images = n_images;
    crd_predict_set_look(r, r->options->first_draw / r->options->sampler.draw_block);
    crd_predict_choose(r);
    crd_predict_begin_round(r);
}

static crd_status compute_windows(crd_predict_run *r)
{
    crd_status status = CRD_OK;
    for (int64_t n_next = 1; n_next > 0;) {
        n_next = crd_smaller(r->plan.window_size,
                             r->options->n_images - r->place.first_image - r->place.n_images);
        CRD_TRY(compute_window(r, n_next));
        if (n_next > 0)
            next_window(r, n_next);
    }
cleanup:
    return status;
}

/* Every rank computes a draw of the first images, in the shape of a unit: what they get must be
 * equal. */
static crd_status check_ranks(crd_predict_run *r)
{
    crd_status status = CRD_OK;
    int64_t n = crd_smaller(r->options->sampler.batch, r->place.n_images), digest = 0, draw = 0;
    if (crd_comm_size(r->comm) == 1)
        return CRD_OK;
    if (r->turns.weights != NULL) { /* whose components are held */
        if (crd_unit_set_left(&r->place.units) == 0)
            return CRD_OK;
        CRD_TRY(crd_predict_take_turn(r));
        draw = unit_of(r, crd_unit_set_nth(crd_predict_dealt(r), 0)).first_draw;
    }
    status = crd_sampler_run(r->means.logits, r->means.sampler,
                             crd_shared_data(r->means.images[r->place.window % 2]), n,
                             r->place.first_image, draw, 1);
    if (status == CRD_OK)
        digest = crd_rank_check_digest(r->means.logits, n * r->totals.reduction.n_outputs *
                                                            (int64_t)sizeof *r->means.logits);
    CRD_TRY(crd_comm_agree(r->comm, status));
    CRD_TRY(crd_rank_check_compare(r->comm, digest));
cleanup:
    return status;
}

/* Adds up over ranks what the run cost. */
static void write_report(crd_predict_report *report, crd_predict_run *r, double start,
                         crd_comm_cost before)
{
    crd_sampler_times t = crd_sampler_get_times(r->means.sampler);
    crd_comm_cost cost = crd_comm_get_cost(r->comm);
    int64_t sums[7] = {(int64_t)(1e9 * t.draw_s), (int64_t)(1e9 * t.weighted_s),
                       (int64_t)(1e9 * t.rest_s), (int64_t)(1e9 * (cost.seconds - before.seconds)),
                       cost.bytes - before.bytes, r->means.n_computed,
                       cost.calls - before.calls};
    crd_comm_reduce_sum(r->comm, sums, 7);
    *report = (crd_predict_report){0};
    if (crd_comm_rank(r->comm) == 0)
        *report = (crd_predict_report){
            .n_units = sums[5],
            .wall_s = crd_clock_now_s() - start,
            .times = {1e-9 * (double)sums[0], 1e-9 * (double)sums[1], 1e-9 * (double)sums[2]},
            .comm_s = 1e-9 * (double)sums[3],
            .comm_calls = sums[6],
            .comm_bytes = sums[4],
        };
}

void crd_predict_options_init(crd_predict_options *out)
{
    *out = (crd_predict_options){.sampler = {.precision = CRD_FP32, .batch = 8, .draw_block = 8},
                                 .min_draws = 32,
                                 .confidence = 0.95,
                                 .n_top = 5,
                                 .checkpoint_s = 600};
}

crd_status crd_predict(crd_predict_report *report, crd_comm *comm, const crd_model *model,
                       const crd_predict_options *options, const crd_predict_source *source,
                       const crd_predict_sink *sink)
{
    crd_status status = CRD_OK;
    double start = crd_clock_now_s();
    crd_comm_cost before = crd_comm_get_cost(comm);
    crd_predict_run r = {.comm = comm, .options = options, .source = source, .sink = sink};
    CRD_TRY(crd_comm_agree(comm, check_options(options, model)));
    r.means.timer =
        crd_checkpoint_timer_start(crd_comm_rank(comm), options->checkpoint_s, options->max_time_s);
    crd_predict_start at;
    CRD_TRY(crd_comm_agree(comm, set_rules(&r, model)));
    CRD_TRY(crd_predict_find_start(&at, &r));
    plan_run(&r, model, &at);
    CRD_TRY(crd_comm_agree(comm, allocate_own(&r, model)));
    CRD_TRY(allocate_shared(&r));
    crd_predict_place(&r, &at);
    CRD_TRY(crd_comm_agree(comm,
                           load_window(&r, r.place.window, r.place.first_image, r.place.n_images)));
    crd_shared_broadcast(r.means.images[r.place.window % 2], images_bytes(&r, r.place.n_images));
    CRD_TRY(crd_predict_resume(&r, &at));
    CRD_TRY(check_ranks(&r));
    status = compute_windows(&r);
    if (status == CRD_OK && r.turns.weights != NULL)
        status = crd_shared_model_finish(r.turns.weights);
    if (status == CRD_OK || status == CRD_STOPPED)
        write_report(report, &r, start, before);
cleanup:
    release(&r);
    return status;
}
