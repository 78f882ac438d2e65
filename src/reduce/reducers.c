/* The registry: which reducer serves which outputs, and what the table says of it. */
#include <math.h>

#include "base/integers.h"
#include "reduce/reducer.h"
#include "stats/exact_sum.h"
#include "stats/group_error.h"

const crd_reducer *const crd_reducers[] = {&crd_classification, &crd_regression, NULL};

crd_status crd_reduction_init(crd_reduction *out, crd_output_kind outputs, int64_t n_outputs,
                              int64_t n_top)
{
    *out = (crd_reduction){
        .outputs = outputs, .n_outputs = n_outputs, .n_strata = 1, .error_probability = 0.05};
    out->extents[CRD_AXIS_NONE] = 1;
    for (int i = 0; crd_reducers[i] != NULL; i++)
        if (crd_reducers[i]->outputs & 1U << outputs)
            out->reducer = crd_reducers[i];
    if (out->reducer == NULL)
        return CRD_FAIL(CRD_ERR_INTERNAL, "outputs of kind %d have no reducer", (int)outputs);
    return out->reducer->size(out, n_top);
}

crd_status crd_reduction_stratify(crd_reduction *r, int64_t n_strata)
{
    if (n_strata < 1 || n_strata > CRD_MAX_STRATA)
        return CRD_FAIL(CRD_ERR_INPUT, "%lld components are not from 1 to %d", (long long)n_strata,
                        CRD_MAX_STRATA);
    r->n_strata = n_strata;
    return r->reducer->size(r, r->extents[CRD_AXIS_DETAIL]);
}

/* Groups of all chains together. */
enum { MOST_BATCHES = 128 };

crd_status crd_reduction_chain(crd_reduction *r, int64_t n_chains, int64_t n_draws)
{
    if (n_chains < 1 || n_chains > CRD_MAX_STRATA || n_draws < 1 || n_draws > CRD_MAX_DRAWS)
        return CRD_FAIL(CRD_ERR_INPUT, "%lld draws of each of %lld chains are none, or too many",
                        (long long)n_draws, (long long)n_chains);
    int64_t n_batches = crd_smaller(crd_larger(MOST_BATCHES / n_chains, 1), n_draws);
    r->n_chain_draws = n_draws;
    r->batch_draws = crd_divide_up(n_draws, n_batches);
    r->n_batches = crd_divide_up(n_draws, r->batch_draws);
    return crd_reduction_stratify(r, n_chains);
}

int64_t crd_reduction_n_groups(const crd_reduction *r)
{
    return r->n_strata * crd_larger(r->n_batches, 1);
}

int64_t crd_reduction_group(const crd_reduction *r, int64_t i)
{
    int64_t stratum = i % r->n_strata;
    return r->n_batches == 0 ? stratum
                             : stratum * r->n_batches +
                                   crd_smaller(i / r->n_strata / r->batch_draws, r->n_batches - 1);
}

double crd_reduction_group_error(const crd_reduction *r, const double *sums, const int64_t *draws)
{
    const int64_t n_each = r->is_paired ? 2 : 1;
    const crd_batches batches = {r->n_strata, r->n_batches, r->batch_draws, n_each};
    return r->n_batches > 0 ? crd_batch_error(sums, draws, &batches)
                            : crd_group_error(sums, draws, r->n_strata, n_each);
}

const char *crd_reduction_name(const crd_reduction *r)
{
    return r->reducer->name;
}

int64_t crd_reduction_n_sums(const crd_reduction *r)
{
    return r->extents[CRD_AXIS_SUM];
}

int64_t crd_reduction_n_maxima(const crd_reduction *r)
{
    return r->extents[CRD_AXIS_MAXIMUM];
}

void crd_reduction_reset(const crd_reduction *r, int64_t *sums, int64_t *maxima)
{
    for (int64_t i = 0; i < crd_reduction_n_sums(r); i++)
        sums[i] = 0;
    for (int64_t i = 0; i < crd_reduction_n_maxima(r); i++)
        maxima[i] = INT64_MIN;
}

void crd_reduction_add(const crd_reduction *r, int64_t *sums, int64_t *maxima, const float *outputs,
                       int64_t step, int64_t first_draw, int64_t n_draws)
{
    for (int64_t d = 0; d < n_draws; d += r->is_paired ? 2 : 1) {
        const float *own = outputs + d * step;
        if (r->is_paired)
            r->reducer->add_pair(r, sums, maxima, own, own + step, (first_draw + d) / 2);
        else
            r->reducer->add(r, sums, maxima, own, first_draw + d);
    }
}

int64_t crd_reduction_n_draws(const crd_reduction *r, const int64_t *sums)
{
    return r->reducer->n_draws(r, sums);
}

const crd_field *crd_reduction_fields(const crd_reduction *r, int *n)
{
    *n = r->reducer->n_fields - (r->n_strata > 1 ? 0 : r->reducer->n_strata_fields);
    return r->reducer->fields;
}

int64_t crd_field_width(const crd_reduction *r, const crd_field *field)
{
    return r->extents[field->axes[0]] * r->extents[field->axes[1]];
}

const char *crd_reduction_axis_name(const crd_reduction *r, crd_field_axis axis)
{
    return r->reducer->axes[axis];
}

int crd_reduction_is_ranked(const crd_reduction *r)
{
    return r->reducer->is_ranked;
}

int crd_reduction_has_coordinates(const crd_reduction *r, crd_field_axis axis)
{
    return axis == CRD_AXIS_DETAIL && r->reducer->coordinate != NULL;
}

double crd_reduction_coordinate(const crd_reduction *r, crd_field_axis axis, int64_t i)
{
    return crd_reduction_has_coordinates(r, axis) ? r->reducer->coordinate(i) : (double)i;
}

const crd_draw_field *crd_reduction_draw_fields(const crd_reduction *r, int *n)
{
    const crd_draw_field *fields = r->reducer->draw_fields;
    for (*n = 0; *n < r->reducer->n_draw_fields && fields[*n].outputs & 1U << r->outputs;)
        ++*n;
    return fields;
}

void crd_reduction_describe_draw(float *values, const crd_reduction *r, int field,
                                 const float *outputs)
{
    r->reducer->describe_draw(values, r, field, outputs);
}

/* Of a quantity: its images, and the sums of it and of its square. */
enum { SCORE_SIZE = 1 + 2 * CRD_EXACT_SIZE };

int64_t crd_reduction_n_scores(const crd_reduction *r)
{
    return r->reducer->figures == NULL ? 0 : r->reducer->n_figures * SCORE_SIZE;
}

void crd_reduction_judge(int64_t *scores, const crd_summary *summary, int64_t image,
                         const crd_truth *truth)
{
    const crd_reducer *reducer = summary->reduction.reducer;
    double quantities[CRD_MAX_FIELDS];
    reducer->judge(quantities, summary, image, truth);
    for (int k = 0; k < reducer->n_figures; k++, scores += SCORE_SIZE) {
        double x = quantities[k];
        if (!isfinite(x))
            continue;
        scores[0]++;
        crd_exact_add(scores + 1, x);
        crd_exact_add(scores + 1 + CRD_EXACT_SIZE, x * x);
    }
}

int crd_reduction_figures(crd_figure out[CRD_MAX_FIELDS], const crd_reduction *r,
                          const int64_t *scores)
{
    for (int k = 0; k < r->reducer->n_figures; k++, scores += SCORE_SIZE) {
        const crd_figure_spec *spec = &r->reducer->figures[k];
        crd_moments m = crd_exact_moments(scores[0], scores + 1, scores + 1 + CRD_EXACT_SIZE);
        double value = m.mean, se = sqrt(m.variance / (double)scores[0]);
        if (spec->is_root) {
            value = sqrt(value);
            se = value > 0 ? se / (2 * value) : 0;
        }
        out[k] = (crd_figure){spec->key, spec->title, spec->units, value, se};
    }
    return r->reducer->n_figures;
}
