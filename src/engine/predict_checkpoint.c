/* Checkpoints of a prediction: the state is put together at rank 0, kept, and taken up again on
 * any number of ranks. */
#include <string.h>

#include "credence/watchdog.h"
#include "engine/predict_run.h"

static void hand_over(crd_predict_run *r)
{
    crd_comm_heartbeat(r->comm, "writing a checkpoint");
    crd_predict_summarize(r);
    crd_predict_state state = {
        .first_image = r->place.first_image,
        .n_images = r->place.n_images,
        .first_block = r->place.first_block,
        .n_blocks = r->place.n_blocks_round,
        .n_units = r->place.units.n,
        .done = r->place.units.done,
        .sums = r->totals.sums,
        .maxima = r->totals.maxima,
        .summary = &r->totals.summary,
        .n_units_done = crd_predict_n_units_done(r),
        .n_units_all = crd_predict_n_units(r),
    };
    r->sink->checkpoint(&state, r->sink->payload);
}

crd_status crd_predict_write_checkpoint(crd_predict_run *r, crd_interrupt asked)
{
    int64_t done = crd_predict_n_units_done(r), all = crd_predict_n_units(r);
    if (asked == CRD_INTERRUPT_NONE)
        return CRD_OK;
    if (done == all) { /* what is done needs no stop: all that is left is to say so */
        crd_checkpoint_timer_served(&r->means.timer, asked);
        return CRD_OK;
    }
    crd_predict_collect(r);
    if (crd_comm_rank(r->comm) == 0)
        hand_over(r);
    /* Waiting here, nobody takes the time of the checkpoint for a reason to make the next one. */
    crd_status status = crd_comm_agree(r->comm, CRD_OK);
    crd_checkpoint_timer_served(&r->means.timer, asked);
    if (status == CRD_OK && asked == CRD_INTERRUPT_STOP)
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
                    block >= crd_predict_begin_block(r) && block < r->plan.n_blocks;
    if (is_inside)
        crd_predict_set_look(r, block);
    CRD_REQUIRE(is_inside && state->n_blocks > 0 && state->n_blocks <= r->place.look_end - block,
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
    *out = (crd_predict_start){.first_block = crd_predict_begin_block(r)};
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
    crd_predict_reset_sums(r, r->plan.most_images);
    if (state != NULL)
        crd_predict_load_sums(r, state);
    r->place.first_image = start->first_image;
    r->place.n_images = start->n_images > 0
                            ? start->n_images
                            : crd_smaller(r->plan.window_size, r->options->n_images);
    crd_predict_set_look(r, start->first_block);
}

crd_status crd_predict_resume(crd_predict_run *r, const crd_predict_start *start)
{
    crd_status status = CRD_OK;
    const crd_predict_state *state = crd_comm_rank(r->comm) == 0 ? r->source->state : NULL;
    crd_predict_choose(r);
    crd_predict_begin_round(r);
    if (start->n_images == 0)
        return CRD_OK;
    r->place.n_blocks_round = start->n_blocks;
    CRD_REQUIRE(start->n_units == r->place.n_active * start->n_blocks, CRD_ERR_RESUME,
                "the checkpoint has a round of %lld units, this run %lld",
                (long long)start->n_units, (long long)(r->place.n_active * start->n_blocks));
    crd_unit_set_begin(&r->place.units, start->n_units);
    if (state != NULL) {
        memcpy(r->totals.new_units, state->done,
               (size_t)r->place.units.n_words * sizeof *r->totals.new_units);
        r->totals.new_units[r->place.units.n_words] =
            crd_unit_set_count((const uint64_t *)r->totals.new_units, r->place.units.n_words);
    }
    crd_predict_exchange(r);
    CRD_TRY(crd_predict_mark(r));
cleanup:
    return status;
}
