/* Figures of a ranking, and their bootstrap: each is a statistic of weighted images in the order of
 * their scores, so one sort serves all resamples. */
#include "credence/detection.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "stats/bootstrap.h"

enum { MAX_FIGURES = 3, N_THRESHOLDS = 21 };

typedef struct item {
    double score;
    int64_t number; /* as it was given */
    int8_t flag;
} item;

/* Figures of items[n], highest score first; item i counts weights[number] times. */
typedef void statistic(double figures[MAX_FIGURES], const item *items, const uint8_t *weights,
                       int64_t n);

static int by_score(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

/* Items of one score: how often those with and without the flag count. */
typedef struct tie {
    double flagged, other;
    int64_t end; /* number of the first item after */
} tie;

static tie take_tie(const item *items, const uint8_t *weights, int64_t first, int64_t n)
{
    tie t = {0, 0, first};
    for (; t.end < n && items[t.end].score == items[first].score; t.end++)
        *(items[t.end].flag ? &t.flagged : &t.other) += weights[items[t.end].number];
    return t;
}

static tie count_all(const item *items, const uint8_t *weights, int64_t n)
{
    tie all = {0, 0, n};
    for (int64_t i = 0; i < n; i++)
        *(items[i].flag ? &all.flagged : &all.other) += weights[items[i].number];
    return all;
}

static void detection(double figures[MAX_FIGURES], const item *items, const uint8_t *weights,
                      int64_t n)
{
    tie all = count_all(items, weights, n), t;
    double flagged = 0, other = 0, area = 0, precision = 0, fpr95 = NAN;
    for (int64_t i = 0; i < n; i = t.end) {
        t = take_tie(items, weights, i, n);
        area += t.other * (flagged + 0.5 * t.flagged);
        flagged += t.flagged;
        other += t.other;
        if (t.flagged > 0)
            precision += t.flagged * flagged / (flagged + other);
        if (isnan(fpr95) && flagged >= 0.95 * all.flagged)
            fpr95 = other / all.other;
    }
    int is_defined = all.flagged > 0 && all.other > 0;
    figures[0] = is_defined ? area / (all.flagged * all.other) : NAN;
    figures[1] = is_defined ? precision / all.flagged : NAN;
    figures[2] = is_defined ? fpr95 : NAN;
}

/* Scores are negated doubts, flagged items right ones. Among equal scores the wrong ones are
 * spread evenly. */
static void selection(double figures[MAX_FIGURES], const item *items, const uint8_t *weights,
                      int64_t n)
{
    tie all = count_all(items, weights, n), t;
    double total = all.flagged + all.other, answered = 0, wrong = 0;
    double sum = 0, first = NAN, risk = NAN, at_80 = NAN, coverage = 0;
    for (int64_t i = 0; i < n; i = t.end) {
        t = take_tie(items, weights, i, n);
        double size = t.flagged + t.other;
        for (double k = 1; k <= size; k++) {
            risk = (wrong + k * t.other / size) / (answered + k);
            sum += risk;
            if (answered + k == 1)
                first = risk;
            if (answered + k == ceil(0.8 * total))
                at_80 = risk;
            if (risk <= 0.05)
                coverage = (answered + k) / total;
        }
        answered += size;
        wrong += t.other;
    }
    figures[0] = total > 1 ? (sum - 0.5 * (first + risk)) / (total - 1) : NAN;
    figures[1] = at_80;
    figures[2] = total > 1 ? coverage : NAN;
}

/* Scores are negated uncertainties: from the most certain on. Flagged items are right ones. */
static void avu(double figures[MAX_FIGURES], const item *items, const uint8_t *weights, int64_t n)
{
    tie all = count_all(items, weights, n), certain = {0};
    double total = all.flagged + all.other, least = -items[0].score, most = -items[n - 1].score;
    double area = 0;
    for (int k = 0; k < N_THRESHOLDS; k++) {
        double threshold = least + (most - least) * k / (N_THRESHOLDS - 1);
        while (certain.end < n &&
               (-items[certain.end].score <= threshold || k == N_THRESHOLDS - 1)) {
            const item *next = &items[certain.end++];
            *(next->flag ? &certain.flagged : &certain.other) += weights[next->number];
        }
        double share = (certain.flagged + all.other - certain.other) / total;
        area += (k == 0 || k == N_THRESHOLDS - 1 ? 0.5 : 1) * share / (N_THRESHOLDS - 1);
    }
    figures[0] = total > 0 ? area : NAN;
}

/* Resamples in which a figure is not defined are left out of its error. */
static void add_errors(crd_estimate *out, int n_figures, double (*resampled)[MAX_FIGURES])
{
    for (int f = 0; f < n_figures; f++) {
        double sum = 0, square = 0, n = 0;
        for (int r = 0; r < CRD_N_RESAMPLES; r++) {
            double difference = resampled[r][f] - out[f].value; /* keeps the square's digits */
            if (isnan(difference))
                continue;
            sum += difference;
            square += difference * difference;
            n++;
        }
        out[f].se = n > 1 ? sqrt(fmax(square - sum * sum / n, 0) / (n - 1)) : NAN;
    }
}

static crd_status evaluate(crd_estimate *out, int n_figures, statistic *figures_of,
                           const double *scores, double sign, const int8_t *flags, int64_t n,
                           uint64_t seed)
{
    crd_status status = CRD_OK;
    item *items = NULL;
    uint8_t *weights = NULL;
    double(*resampled)[MAX_FIGURES] = NULL, figures[MAX_FIGURES] = {NAN, NAN, NAN};
    CRD_ALLOC(&items, n, "ranking");
    CRD_ALLOC(&weights, n, "resampling");
    CRD_ALLOC(&resampled, CRD_N_RESAMPLES, "resampling");
    for (int64_t i = 0; i < n; i++) {
        items[i] = (item){sign * scores[i], i, flags[i]};
        weights[i] = 1;
    }
    if (n > 0) {
        qsort(items, (size_t)n, sizeof *items, by_score);
        figures_of(figures, items, weights, n);
    }
    for (int f = 0; f < n_figures; f++)
        out[f] = (crd_estimate){figures[f], NAN};
    for (int r = 0; r < CRD_N_RESAMPLES && n > 0; r++) {
        crd_bootstrap_weights(weights, n, r, seed);
        figures_of(resampled[r], items, weights, n);
    }
    if (n > 0)
        add_errors(out, n_figures, resampled);
cleanup:
    crd_free(resampled);
    crd_free(weights);
    crd_free(items);
    return status;
}

crd_status crd_detection_eval(crd_detection *out, const double *scores, const int8_t *flags,
                              int64_t n, uint64_t seed)
{
    crd_estimate figures[3];
    crd_status status = evaluate(figures, 3, detection, scores, 1, flags, n, seed);
    if (status == CRD_OK)
        *out = (crd_detection){figures[0], figures[1], figures[2]};
    return status;
}

crd_status crd_selection_eval(crd_selection *out, const double *doubts, const int8_t *is_right,
                              int64_t n, uint64_t seed)
{
    crd_estimate figures[3];
    crd_status status = evaluate(figures, 3, selection, doubts, -1, is_right, n, seed);
    if (status == CRD_OK)
        *out = (crd_selection){figures[0], figures[1], figures[2]};
    return status;
}

crd_status crd_avu_eval(crd_estimate *out, const double *uncertainties, const int8_t *is_right,
                        int64_t n, uint64_t seed)
{
    return evaluate(out, 1, avu, uncertainties, -1, is_right, n, seed);
}

crd_estimate crd_estimate_mean(const double *values, int64_t n)
{
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    for (int64_t i = 0; i < n; i++)
        square += (values[i] - sum / (double)n) * (values[i] - sum / (double)n);
    return (crd_estimate){sum / (double)n,
                          n > 1 ? sqrt(square / (double)(n - 1) / (double)n) : NAN};
}
