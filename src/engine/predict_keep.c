/* Checkpoints of a prediction: the state is put together at rank 0, kept, and taken up again on any number of ranks. */
#include <string.h>

#include "base/integers.h"
#include "credence/watch.h"
#include "engine/predict_run.h"

int8_t *crd_predict_skipped(const crd_predict_run *r, int64_t window)
{
    float *tensors = crd_shared_data(r->images[window % 2]);
    return (int8_t *)(tensors + r->most_images * r->image_floats);
}

int64_t crd_predict_n_batches(const crd_predict_run *r)
{
    return crd_divide_up(r->n_images, r->options->sampler.batch);
}

static int64_t begin_block(const crd_predict_run *r)
{
    return r->options->first_draw / r->options->sampler.draw_block;
}

int64_t crd_predict_n_units(const crd_predict_run *r)
{
    return crd_divide_up(r->options->n_images, r->options->sampler.batch) *
           (r->n_blocks - begin_block(r));
}

int64_t crd_predict_n_units_done(const crd_predict_run *r)
{
    int64_t batches_before = r->first_image / r->options->sampler.batch;
    int64_t n_unwanted = crd_predict_n_batches(r) - r->n_active;
    return batches_before * (r->n_blocks - begin_block(r)) +
           crd_predict_n_batches(r) * (r->first_block - begin_block(r)) +
           n_unwanted * r->n_blocks_round + r->units.n - crd_unit_set_left(&r->units);
}

void crd_predict_set_look(crd_predict_run *r, int64_t first_block)
{
    int64_t block = r->options->sampler.draw_block, n_draws = 0;
    r->first_block = first_block;
    r->look_end = begin_block(r);
    do {
        r->look_begin = r->look_end;
        n_draws = crd_looks_next(&r->looks, n_draws);
        r->look_end = crd_divide_up(n_draws, block);
    } while (r->look_end <= first_block);
}

int64_t crd_predict_look_draws(const crd_predict_run *r)
{
    int64_t end = crd_smaller(r->look_end * r->options->sampler.draw_block, r->options->n_draws);
    return end - r->options->first_draw;
}

/* Whether an image needs no draws from look_begin on. It follows from its sums, wherever in the round they stand, so that a
 * resumed run finds the same: who was stopped before has fewer draws, who has more was not stopped. */
static int8_t has_enough(crd_predict_run *r, int64_t image)
{
    int64_t *sums = r->sums + image * r->n_sums;
    int64_t n = crd_accumulator_n_draws(sums, r->n_classes);
    int64_t n_look = r->look_begin * r->options->sampler.draw_block;
    if (crd_predict_skipped(r, r->window)[image])
        return 1;
    if (n != n_look || n == 0)
        return n < n_look;
    crd_summary_finish(&r->summary, image, sums, r->maxima + image * r->n_maxima);
    return (int8_t)crd_summary_is_precise(&r->summary, image, r->options->until_mcse);
}

void crd_predict_choose(crd_predict_run *r)
{
    int64_t n = r->n_images, batch = r->options->sampler.batch;
    memset(r->stopped, 0, (size_t)n);
    if (r->options->until_mcse > 0) {
        for (int64_t i = 0; crd_comm_rank(r->comm) == 0 && i < n; i++)
            r->stopped[i] = has_enough(r, i);
        crd_comm_broadcast(r->comm, r->stopped, n);
    }
    r->n_active = 0;
    for (int64_t i = 0; i < n; i += batch)
        if (memchr(r->stopped + i, 0, (size_t)crd_smaller(batch, n - i)) != NULL)
            r->active[r->n_active++] = i / batch;
}

static void reset_accumulators(crd_predict_run *r)
{
    for (int64_t i = 0; i < r->most_images; i++)
        crd_accumulator_reset(r->sums + i * r->n_sums, r->maxima + i * r->n_maxima, r->n_classes);
}

void crd_predict_begin_round(crd_predict_run *r)
{
    r->n_blocks_round = crd_smaller(r->round_blocks, r->look_end - r->first_block);
    crd_unit_set_begin(&r->units, r->n_active * r->n_blocks_round);
    crd_predict_clear_news(r);
}

void crd_predict_collect(crd_predict_run *r)
{
    int64_t n = r->n_images, batch = r->options->sampler.batch;
    for (int64_t k = 0, end; k < r->n_active; k = end) { /* neighbours travel together */
        for (end = k + 1; end < r->n_active && r->active[end] == r->active[end - 1] + 1;)
            end++;
        int64_t first = r->active[k] * batch;
        int64_t n_some = crd_smaller((r->active[end - 1] + 1) * batch, n) - first;
        crd_comm_reduce_sum(r->comm, r->sums + first * r->n_sums, n_some * r->n_sums);
        crd_comm_reduce_max(r->comm, r->maxima + first * r->n_maxima, n_some * r->n_maxima);
    }
    if (crd_comm_rank(r->comm) != 0)
        reset_accumulators(r);
}

void crd_predict_exchange(crd_predict_run *r)
{
    /* Each unit is a bit of one rank, so adding the words joins the sets; the count tells if that does not hold. */
    crd_comm_sum_begin(r->comm, r->news, r->units.n_words + 1);
    crd_comm_sum_end(r->comm);
}

crd_status crd_predict_mark(crd_predict_run *r)
{
    const uint64_t *bits = (const uint64_t *)r->news;
    int64_t told = r->news[r->units.n_words], n = crd_unit_set_count(bits, r->units.n_words);
    int64_t n_twice = crd_unit_set_add(&r->units, bits);
    crd_predict_clear_news(r);
    if (told != n || n_twice != 0)
        return CRD_FAIL(CRD_ERR_INTERNAL,
                        "%lld units were computed, which make %lld, %lld of them twice",
                        (long long)told, (long long)n, (long long)n_twice);
    return CRD_OK;
}

void crd_predict_clear_news(crd_predict_run *r)
{
    memset(r->news, 0, (size_t)(r->units.n_words + 1) * sizeof *r->news);
}

void crd_predict_summarize(crd_predict_run *r)
{
    r->summary.n_images = r->n_images;
    for (int64_t i = 0; i < r->summary.n_images; i++)
        if (crd_predict_skipped(r, r->window)[i])
            crd_summary_skip(&r->summary, i);
        else
            crd_summary_finish(&r->summary, i, r->sums + i * r->n_sums,
                               r->maxima + i * r->n_maxima);
}

static void hand_over(crd_predict_run *r)
{
    crd_comm_note(r->comm, "writing a checkpoint");
    crd_predict_summarize(r);
    crd_predict_state state = {
        .first_image = r->first_image,
        .n_images = r->n_images,
        .first_block = r->first_block,
        .n_blocks = r->n_blocks_round,
        .n_units = r->units.n,
        .done = r->units.done,
        .sums = r->sums,
        .maxima = r->maxima,
        .summary = &r->summary,
        .n_units_done = crd_predict_n_units_done(r),
        .n_units_all = crd_predict_n_units(r),
    };
    r->sink->checkpoint(&state, r->sink->payload);
}

crd_status crd_predict_keep(crd_predict_run *r, crd_request asked)
{
    int64_t done = crd_predict_n_units_done(r), all = crd_predict_n_units(r);
    if (asked == CRD_REQUEST_NONE)
        return CRD_OK;
    if (done == all) { /* what is done needs no stop: all that is left is to say so */
        crd_pace_kept(&r->pace, asked);
        return CRD_OK;
    }
    crd_predict_collect(r);
    if (crd_comm_rank(r->comm) == 0)
        hand_over(r);
    /* Waiting here, nobody takes the time of the checkpoint for a reason to make the next one. */
    crd_status status = crd_comm_agree(r->comm, CRD_OK);
    crd_pace_kept(&r->pace, asked);
    if (status == CRD_OK && asked == CRD_REQUEST_STOP)
        status = CRD_FAIL(CRD_STOPPED, "stopped after %lld of %lld units: run again with --resume",
                          (long long)done, (long long)all);
    return status;
}

/* Whether a round of work can begin where the state stands. On rank 0. */
static crd_status check_state(crd_predict_run *r, const crd_predict_state *state)
{
    crd_status status = CRD_OK;
    int64_t n_images = r->options->n_images, batch = r->options->sampler.batch;
    int64_t first = state->first_image, n = state->n_images, block = state->first_block;
    int is_inside = first >= 0 && first < n_images && first % batch == 0 && n > 0 &&
                    n <= n_images - first && (n % batch == 0 || n == n_images - first) &&
                    block >= begin_block(r) && block < r->n_blocks;
    if (is_inside)
        crd_predict_set_look(r, block);
    CRD_REQUIRE(is_inside && state->n_blocks > 0 && state->n_blocks <= r->look_end - block,
                CRD_ERR_RESUME,
                "the checkpoint stands at image %lld and draw block %lld, where this run has no "
                "round of work",
                (long long)first, (long long)block);
cleanup:
    return status;
}

crd_status crd_predict_find_start(crd_predict_start *out, crd_predict_run *r)
{
    crd_status status = CRD_OK;
    const crd_predict_state *s = crd_comm_rank(r->comm) == 0 ? r->source->state : NULL;
    *out = (crd_predict_start){.first_block = begin_block(r)};
    CRD_TRY(crd_comm_agree(r->comm, s != NULL ? check_state(r, s) : CRD_OK));
    if (s != NULL)
        *out = (crd_predict_start){s->first_image, s->n_images, s->first_block, s->n_blocks,
                                   s->n_units};
    crd_comm_broadcast(r->comm, out, sizeof *out);
cleanup:
    return status;
}

void crd_predict_place(crd_predict_run *r, const crd_predict_start *start)
{
    const crd_predict_state *state = crd_comm_rank(r->comm) == 0 ? r->source->state : NULL;
    reset_accumulators(r);
    if (state != NULL) {
        memcpy(r->sums, state->sums, (size_t)(state->n_images * r->n_sums) * sizeof *r->sums);
        memcpy(r->maxima, state->maxima,
               (size_t)(state->n_images * r->n_maxima) * sizeof *r->maxima);
    }
    r->first_image = start->first_image;
    r->n_images =
        start->n_images > 0 ? start->n_images : crd_smaller(r->window_size, r->options->n_images);
    crd_predict_set_look(r, start->first_block);
}

crd_status crd_predict_take_up(crd_predict_run *r, const crd_predict_start *start)
{
    crd_status status = CRD_OK;
    const crd_predict_state *state = crd_comm_rank(r->comm) == 0 ? r->source->state : NULL;
    crd_predict_choose(r);
    crd_predict_begin_round(r);
    if (start->n_images == 0)
        return CRD_OK;
    r->n_blocks_round = start->n_blocks;
    CRD_REQUIRE(start->n_units == r->n_active * start->n_blocks, CRD_ERR_RESUME,
                "the checkpoint has a round of %lld units, this run %lld",
                (long long)start->n_units, (long long)(r->n_active * start->n_blocks));
    crd_unit_set_begin(&r->units, start->n_units);
    if (state != NULL) {
        memcpy(r->news, state->done, (size_t)r->units.n_words * sizeof *r->news);
        r->news[r->units.n_words] = crd_unit_set_count((const uint64_t *)r->news, r->units.n_words);
    }
    crd_predict_exchange(r);
    CRD_TRY(crd_predict_mark(r));
cleanup:
    return status;
}
