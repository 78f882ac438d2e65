/* The order of draw blocks where a node holds only some components at a time: turn by turn, so that
 * each is read once for a round, whatever the number of images. Draws keep their numbers, blocks
 * their draws and units their bits, so that sums and checkpoints know nothing of turns.
 *
 * A block of draws has `len` components in turn. The first ones of all blocks are multiples of a
 * step g: len where they never wrap, else what len and the number of components have in common. So
 * the blocks that begin in a stretch of s components, s a multiple of g, need s + len - g of them.
 */
#include <string.h>

#include "base/alloc.h"
#include "engine/predict_run.h"
#include "engine/shared_model.h"

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The turn of a draw block. */
static int64_t turn_of(const crd_predict_run *r, int64_t block)
{
    const crd_sampler_options *o = &r->options->sampler;
    return crd_component_of(block * o->draw_block, r->turns.n_components, o->antithetic) /
           r->turns.stretch;
}

crd_status crd_predict_plan_turns(crd_predict_run *r)
{
    crd_status status = CRD_OK;
    crd_predict_turns *t = &r->turns;
    const crd_sampler_options *o = &r->options->sampler;
    int64_t block = o->draw_block;
    if (!crd_shared_model_is_streamed(r->source->weights))
        return CRD_OK;
    t->weights = r->source->weights;
    t->n_components = crd_shared_model_view(t->weights)->n_components;
    int64_t n = t->n_components, held = crd_shared_model_held(t->weights) / 2;
    int64_t len = crd_block_components(n, block, o->antithetic);
    int64_t last = (r->plan.n_blocks - 1) * block / (o->antithetic ? 2 : 1);
    int64_t step = last < n ? len : common_divisor(len, n);
    CRD_REQUIRE(held >= len, CRD_ERR_INTERNAL, "%lld components are held, but a block has %lld",
                (long long)held, (long long)len);
    t->stretch = (held - (len - step)) / step * step;
    t->n = crd_divide_up(n, t->stretch);
    CRD_ALLOC(&t->windows, t->n, "turns");
    CRD_TRY(crd_unit_set_init(&t->units, r->plan.most_units));
    /* First components come again after n / step blocks. */
    int64_t begin = crd_predict_begin_block(r), end = begin + crd_divide_up(n, step);
    for (int64_t b = begin; b < crd_smaller(end, r->plan.n_blocks); b++) {
        int64_t first = crd_component_of(b * block, n, o->antithetic), turn = first / t->stretch;
        int64_t n_draws = crd_smaller(block, r->options->n_draws - b * block);
        int64_t needed = first + crd_block_components(n, n_draws, o->antithetic);
        t->windows[turn] = crd_larger(t->windows[turn], crd_smaller(needed - turn * t->stretch, n));
    }
cleanup:
    return status;
}

void crd_predict_clear_turns(crd_predict_run *r)
{
    crd_unit_set_clear(&r->turns.units);
    crd_free(r->turns.windows);
}

const crd_unit_set *crd_predict_dealt(const crd_predict_run *r)
{
    return r->turns.weights == NULL ? &r->place.units : &r->turns.units;
}

/* The turn of the round's first unit that is left, in the order of turns from `from` on; -1: none
 * is left. */
static int64_t first_left(const crd_predict_run *r, int64_t from)
{
    const crd_predict_turns *t = &r->turns;
    int64_t best = t->n;
    for (int64_t i = 0; i < r->place.units.n && best > 0; i++) {
        if (r->place.units.done[i / 64] >> i % 64 & 1)
            continue;
        int64_t turn = turn_of(r, r->place.first_block + i % r->place.n_blocks_round);
        best = crd_smaller(best, (turn - from + t->n) % t->n);
    }
    return best == t->n ? -1 : (from + best) % t->n;
}

static void choose_units(crd_predict_run *r)
{
    crd_predict_turns *t = &r->turns;
    crd_unit_set_begin(&t->units, r->place.units.n);
    uint64_t *others = t->units.done;
    for (int64_t i = 0; i < r->place.units.n; i++)
        if (turn_of(r, r->place.first_block + i % r->place.n_blocks_round) != t->current)
            others[i / 64] |= UINT64_C(1) << i % 64;
    for (int64_t w = 0; w < t->units.n_words; w++)
        others[w] |= r->place.units.done[w];
    crd_unit_set_recount(&t->units);
}

/* The next turn of this round; or, if there is more to come after it, of the run. */
static void prepare_next(const crd_predict_run *r)
{
    const crd_predict_turns *t = &r->turns;
    int64_t next = first_left(r, (t->current + 1) % t->n);
    bool has_more = r->place.first_image + r->place.n_images < r->options->n_images ||
                    r->place.first_block + r->place.n_blocks_round < r->plan.n_blocks;
    if (next == t->current && has_more)
        do
            next = (next + 1) % t->n;
        while (t->windows[next] == 0);
    if (next != t->current)
        crd_shared_model_prefetch(t->weights, next * t->stretch, t->windows[next]);
}

crd_status crd_predict_take_turn(crd_predict_run *r)
{
    crd_status status = CRD_OK;
    crd_predict_turns *t = &r->turns;
    if (t->weights == NULL)
        return CRD_OK;
    t->current = first_left(r, t->current);
    choose_units(r);
    CRD_TRY(crd_shared_model_hold(t->weights, t->current * t->stretch, t->windows[t->current]));
    prepare_next(r);
cleanup:
    return status;
}
