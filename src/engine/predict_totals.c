/* Sums of a prediction: each rank adds to its own, rank 0 gets them all and makes rows of them;
 * and the record of which units are in them. What the integers mean the reducer knows. */
#include <string.h>

#include "engine/predict_run.h"

static int64_t *sums_of(const crd_predict_run *r, int64_t image)
{
    return r->totals.sums + image * crd_reduction_n_sums(&r->totals.reduction);
}

static int64_t *maxima_of(const crd_predict_run *r, int64_t image)
{
    return r->totals.maxima + image * crd_reduction_n_maxima(&r->totals.reduction);
}

void crd_predict_reset_sums(crd_predict_run *r, int64_t n_images)
{
    for (int64_t i = 0; i < n_images; i++)
        crd_reduction_reset(&r->totals.reduction, sums_of(r, i), maxima_of(r, i));
}

void crd_predict_load_sums(crd_predict_run *r, const crd_predict_state *state)
{
    memcpy(r->totals.sums, state->sums,
           (size_t)(sums_of(r, state->n_images) - r->totals.sums) * sizeof *r->totals.sums);
    memcpy(r->totals.maxima, state->maxima,
           (size_t)(maxima_of(r, state->n_images) - r->totals.maxima) * sizeof *r->totals.maxima);
}

/* A pair lies within one unit, as blocks are even. */
void crd_predict_accumulate(crd_predict_run *r, const crd_unit *unit, const float *logits)
{
    const crd_reduction *reduction = &r->totals.reduction;
    for (int64_t k = 0; k < unit->n_images; k++) {
        int64_t image = unit->first_image + k;
        if (!r->place.stopped[image])
            crd_reduction_add(reduction, sums_of(r, image), maxima_of(r, image),
                              logits + k * reduction->n_outputs,
                              unit->n_images * reduction->n_outputs, unit->first_draw,
                              unit->n_draws);
    }
}

int64_t crd_predict_n_draws(const crd_predict_run *r, int64_t image)
{
    return crd_reduction_n_draws(&r->totals.reduction, sums_of(r, image));
}

void crd_predict_finish_row(crd_predict_run *r, int64_t image)
{
    crd_summary_finish(&r->totals.summary, image, sums_of(r, image), maxima_of(r, image));
}

void crd_predict_collect(crd_predict_run *r)
{
    int64_t n = r->place.n_images, batch = r->options->sampler.batch;
    for (int64_t k = 0, end; k < r->place.n_active; k = end) { /* neighbours travel together */
        for (end = k + 1;
             end < r->place.n_active && r->place.active[end] == r->place.active[end - 1] + 1;)
            end++;
        int64_t first = r->place.active[k] * batch;
        int64_t n_some = crd_smaller((r->place.active[end - 1] + 1) * batch, n) - first;
        crd_comm_reduce_sum(r->comm, sums_of(r, first), sums_of(r, n_some) - r->totals.sums);
        crd_comm_reduce_max(r->comm, maxima_of(r, first), maxima_of(r, n_some) - r->totals.maxima);
    }
    if (crd_comm_rank(r->comm) != 0)
        crd_predict_reset_sums(r, r->plan.most_images);
}

void crd_predict_exchange(crd_predict_run *r)
{
    /* Each unit is a bit of one rank, so adding the words joins the sets; the count tells if
     * that does not hold. */
    crd_comm_sum_begin(r->comm, r->totals.new_units, r->place.units.n_words + 1);
    crd_comm_sum_end(r->comm);
}

crd_status crd_predict_mark(crd_predict_run *r)
{
    const uint64_t *bits = (const uint64_t *)r->totals.new_units;
    int64_t told = r->totals.new_units[r->place.units.n_words],
            n = crd_unit_set_count(bits, r->place.units.n_words);
    int64_t n_twice = crd_unit_set_add(&r->place.units, bits);
    crd_predict_clear_new_units(r);
    if (told != n || n_twice != 0)
        return CRD_FAIL(CRD_ERR_INTERNAL,
                        "%lld units were computed, which make %lld, %lld of them twice",
                        (long long)told, (long long)n, (long long)n_twice);
    return CRD_OK;
}

void crd_predict_clear_new_units(crd_predict_run *r)
{
    memset(r->totals.new_units, 0,
           (size_t)(r->place.units.n_words + 1) * sizeof *r->totals.new_units);
}

void crd_predict_summarize(crd_predict_run *r)
{
    r->totals.summary.n_images = r->place.n_images;
    for (int64_t i = 0; i < r->totals.summary.n_images; i++)
        if (crd_predict_skipped(r, r->place.window)[i])
            crd_summary_mark_skipped(&r->totals.summary, i);
        else
            crd_predict_finish_row(r, i);
}
