/* Checkpoints of a prediction: the state is put together at rank 0, kept, and taken up again on any number of ranks. */
#include <string.h>

#include "credence/watch.h"
#include "engine/predict_run.h"

int64_t crd_predict_n_images(const crd_predict_run *r)
{
    return crd_smaller(r->window_size, r->options->n_images - r->window * r->window_size);
}

int64_t crd_predict_n_round_blocks(const crd_predict_run *r)
{
    return crd_smaller(r->round_blocks, r->n_blocks - r->first_block);
}

int64_t crd_predict_n_units(const crd_predict_run *r)
{
    return crd_n_parts(r->options->n_images, r->options->sampler.batch) * r->n_blocks;
}

static void reset_accumulators(crd_predict_run *r)
{
    for (int64_t i = 0; i < r->window_size; i++)
        crd_accumulator_reset(r->sums + i * r->n_sums, r->maxima + i * r->n_maxima, r->n_classes);
}

void crd_predict_collect(crd_predict_run *r)
{
    int64_t n = crd_predict_n_images(r);
    crd_comm_reduce_sum(r->comm, r->sums, n * r->n_sums);
    crd_comm_reduce_max(r->comm, r->maxima, n * r->n_maxima);
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
    r->summary.n_images = crd_predict_n_images(r);
    for (int64_t i = 0; i < r->summary.n_images; i++)
        if (r->skipped[r->window % 2][i])
            crd_summary_skip(&r->summary, i);
        else
            crd_summary_finish(&r->summary, i, r->sums + i * r->n_sums,
                               r->maxima + i * r->n_maxima);
}

static int64_t n_units_done(const crd_predict_run *r)
{
    return r->n_units_before + r->units.n - crd_unit_set_left(&r->units);
}

static void hand_over(crd_predict_run *r)
{
    crd_comm_note(r->comm, "writing a checkpoint");
    crd_predict_summarize(r);
    crd_predict_state state = {
        .first_image = r->window * r->window_size,
        .n_images = crd_predict_n_images(r),
        .first_block = r->first_block,
        .n_blocks = crd_predict_n_round_blocks(r),
        .n_units = r->units.n,
        .done = r->units.done,
        .sums = r->sums,
        .maxima = r->maxima,
        .summary = &r->summary,
        .n_units_done = n_units_done(r),
        .n_units_all = crd_predict_n_units(r),
    };
    r->sink->checkpoint(&state, r->sink->payload);
}

crd_status crd_predict_keep(crd_predict_run *r, crd_request asked)
{
    int64_t done = n_units_done(r), all = crd_predict_n_units(r);
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

/* The numbers of a state that all ranks need. */
typedef struct place {
    int64_t first_image, first_block, n_units;
} place;

static crd_status check_state(const crd_predict_run *r, const crd_predict_state *state)
{
    crd_status status = CRD_OK;
    int64_t n_images = r->options->n_images, first = state->first_image, block = state->first_block;
    int64_t n_batches = crd_n_parts(state->n_images, r->options->sampler.batch);
    CRD_REQUIRE(first >= 0 && first < n_images && first % r->window_size == 0 &&
                    state->n_images == crd_smaller(r->window_size, n_images - first) &&
                    block >= 0 && block < r->n_blocks && block % r->round_blocks == 0 &&
                    state->n_blocks == crd_smaller(r->round_blocks, r->n_blocks - block) &&
                    state->n_units == n_batches * state->n_blocks,
                CRD_ERR_RESUME,
                "the checkpoint stands at image %lld and draw block %lld with %lld units, where "
                "this run has no round of work",
                (long long)first, (long long)block, (long long)state->n_units);
cleanup:
    return status;
}

crd_status crd_predict_place(crd_predict_run *r)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(r->comm) == 0;
    const crd_predict_state *state = is_first ? r->source->state : NULL;
    place at = {0};
    reset_accumulators(r);
    CRD_TRY(crd_comm_agree(r->comm, state != NULL ? check_state(r, state) : CRD_OK));
    if (state != NULL)
        at = (place){state->first_image, state->first_block, state->n_units};
    crd_comm_broadcast(r->comm, &at, sizeof at);
    r->window = at.first_image / r->window_size;
    r->first_block = at.first_block;
    int64_t n_batches = crd_n_parts(crd_predict_n_images(r), r->options->sampler.batch);
    r->n_units_before =
        at.first_image / r->options->sampler.batch * r->n_blocks + n_batches * at.first_block;
    crd_unit_set_begin(&r->units, n_batches * crd_predict_n_round_blocks(r));
    crd_predict_clear_news(r);
    if (at.n_units == 0)
        return CRD_OK; /* a new run */
    if (state != NULL) {
        memcpy(r->news, state->done, (size_t)r->units.n_words * sizeof *r->news);
        memcpy(r->sums, state->sums, (size_t)(state->n_images * r->n_sums) * sizeof *r->sums);
        memcpy(r->maxima, state->maxima,
               (size_t)(state->n_images * r->n_maxima) * sizeof *r->maxima);
        r->news[r->units.n_words] = crd_unit_set_count((const uint64_t *)r->news, r->units.n_words);
    }
    crd_predict_exchange(r);
    CRD_TRY(crd_predict_mark(r));
cleanup:
    return status;
}
