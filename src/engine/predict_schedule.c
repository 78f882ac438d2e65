/* Where a prediction stands: the look that the draws go up to, the images that need more of
 * them, the round of units in progress. All of it follows from the options and from rank 0's sums;
 * nothing here computes or writes. */
#include <string.h>

#include "engine/predict_run.h"

int64_t crd_predict_n_batches(const crd_predict_run *r)
{
    return crd_divide_up(r->place.n_images, r->options->sampler.batch);
}

int64_t crd_predict_begin_block(const crd_predict_run *r)
{
    return r->options->first_draw / r->options->sampler.draw_block;
}

int64_t crd_predict_n_units(const crd_predict_run *r)
{
    return crd_divide_up(r->options->n_images, r->options->sampler.batch) *
           (r->plan.n_blocks - crd_predict_begin_block(r));
}

int64_t crd_predict_n_units_done(const crd_predict_run *r)
{
    int64_t batches_before = r->place.first_image / r->options->sampler.batch;
    int64_t n_unwanted = crd_predict_n_batches(r) - r->place.n_active;
    return batches_before * (r->plan.n_blocks - crd_predict_begin_block(r)) +
           crd_predict_n_batches(r) * (r->place.first_block - crd_predict_begin_block(r)) +
           n_unwanted * r->place.n_blocks_round + r->place.units.n -
           crd_unit_set_left(&r->place.units);
}

void crd_predict_set_look(crd_predict_run *r, int64_t first_block)
{
    int64_t block = r->options->sampler.draw_block, n_draws = 0;
    r->place.first_block = first_block;
    r->place.look_end = crd_predict_begin_block(r);
    do {
        r->place.look_begin = r->place.look_end;
        n_draws = crd_stopping_rule_next(&r->place.rule, n_draws);
        r->place.look_end = crd_divide_up(n_draws, block);
    } while (r->place.look_end <= first_block);
}

int64_t crd_predict_look_draws(const crd_predict_run *r)
{
    int64_t end =
        crd_smaller(r->place.look_end * r->options->sampler.draw_block, r->options->n_draws);
    return end - r->options->first_draw;
}

/* Whether an image needs no draws from look_begin on. It follows from its sums, wherever in the
 * round they stand, so that a resumed run finds the same: who was stopped before has fewer
 * draws, who has more was not stopped. */
static int8_t has_enough(crd_predict_run *r, int64_t image)
{
    int64_t n = crd_predict_n_draws(r, image);
    int64_t n_look = r->place.look_begin * r->options->sampler.draw_block;
    if (crd_predict_skipped(r, r->place.window)[image])
        return 1;
    if (n != n_look || n == 0)
        return n < n_look;
    crd_predict_finish_row(r, image);
    return crd_summary_error(&r->totals.summary, image) < r->options->until_mcse;
}

void crd_predict_choose(crd_predict_run *r)
{
    int64_t n = r->place.n_images, batch = r->options->sampler.batch;
    memset(r->place.stopped, 0, (size_t)n);
    if (r->options->until_mcse > 0) {
        for (int64_t i = 0; crd_comm_rank(r->comm) == 0 && i < n; i++)
            r->place.stopped[i] = has_enough(r, i);
        crd_comm_broadcast(r->comm, r->place.stopped, n);
    }
    r->place.n_active = 0;
    for (int64_t i = 0; i < n; i += batch)
        if (memchr(r->place.stopped + i, 0, (size_t)crd_smaller(batch, n - i)) != NULL)
            r->place.active[r->place.n_active++] = i / batch;
}

void crd_predict_begin_round(crd_predict_run *r)
{
    r->place.n_blocks_round =
        crd_smaller(r->plan.round_blocks, r->place.look_end - r->place.first_block);
    crd_unit_set_begin(&r->place.units, r->place.n_active * r->place.n_blocks_round);
    crd_predict_clear_new_units(r);
}
