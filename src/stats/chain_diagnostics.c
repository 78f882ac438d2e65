/* R-hat, effective sample sizes and Monte Carlo errors of chains, as Vehtari et al. (2021) define
 * them; autocorrelations are cut off by Geyer's initial monotone sequence ("Practical Markov chain
 * Monte Carlo", Statistical Science 7, 1992). Lags are computed one by one until there: a chain
 * that mixes needs few. */
#include "credence/chain_diagnostics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/compare.h"
#include "stats/quantile.h"

enum { MIN_DRAWS = 4 };

/* Half a width of one standard deviation of a normal: the probabilities at its ends, as ArviZ
 * writes them. */
static const double one_sd_below = 0.1586553, one_sd_above = 0.8413447;
/* Below it, the range of numbers counts as none. */
static const double resolution = 1e-15;

typedef struct ranked {
    double value;
    int64_t place;
} ranked;

/* Halves of chains, and what is computed of them. */
typedef struct work {
    int64_t n_chains, n_draws; /* of the halves */
    double *split;             /* [n_chains * n_draws] */
    double *sorted;            /* all draws */
    double *values;            /* [n_chains * n_draws] of which a figure is taken */
    double *means;             /* [n_chains] of values */
    double *rho;               /* [n_draws] */
    ranked *ranks;             /* [n_chains * n_draws] */
} work;

static double mean_of(const double *values, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

/* (n - 1). Exactly 0 of equal numbers, whose mean may be rounded. */
static double variance_of(const double *values, int64_t n)
{
    const double mean = mean_of(values, n);
    double squares = 0;
    bool differ = false;
    for (int64_t i = 0; i < n; i++) {
        squares += (values[i] - mean) * (values[i] - mean);
        differ = differ || values[i] != values[0];
    }
    return differ || isnan(squares) ? squares / (double)(n - 1) : 0;
}

/* The half of chain c that half-chain k is: chains' first halves, then their second ones. */
static void split_chains(double *out, const double *draws, int64_t n_chains, int64_t n_draws)
{
    const int64_t half = n_draws / 2;
    for (int64_t k = 0; k < 2 * n_chains; k++)
        memcpy(out + k * half, draws + k % n_chains * n_draws + (k < n_chains ? 0 : n_draws - half),
               (size_t)half * sizeof *out);
}

/* values become normal scores of their ranks (Blom); ties share the mean of theirs. A NaN: all
 * become that. */
static void normal_scores(work *w)
{
    const int64_t n = w->n_chains * w->n_draws;
    bool has_nan = false;
    for (int64_t i = 0; i < n; i++) {
        w->ranks[i] = (ranked){w->values[i], i};
        has_nan = has_nan || isnan(w->values[i]);
    }
    qsort(w->ranks, (size_t)n, sizeof *w->ranks, crd_compare_double);
    for (int64_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && w->ranks[end].value == w->ranks[first].value; end++)
            ;
        const double rank = (double)(first + 1 + end) / 2;
        const double score =
            has_nan ? NAN : crd_normal_quantile((rank - 0.375) / ((double)n + 0.25));
        for (int64_t i = first; i < end; i++)
            w->values[w->ranks[i].place] = score;
    }
}

/* R-hat of values. */
static double rhat_of(work *w)
{
    double within = 0;
    for (int64_t c = 0; c < w->n_chains; c++) {
        w->means[c] = mean_of(w->values + c * w->n_draws, w->n_draws);
        within += variance_of(w->values + c * w->n_draws, w->n_draws) / (double)w->n_chains;
    }
    const double n = (double)w->n_draws, between = n * variance_of(w->means, w->n_chains);
    return sqrt((between / within + n - 1) / n);
}

/* Autocovariance of values at a lag (divided by n_draws), mean over chains. */
static double autocovariance(const work *w, int64_t lag)
{
    double total = 0;
    for (int64_t c = 0; c < w->n_chains; c++) {
        const double *x = w->values + c * w->n_draws;
        double sum = 0;
        for (int64_t i = 0; i + lag < w->n_draws; i++)
            sum += (x[i] - w->means[c]) * (x[i + lag] - w->means[c]);
        total += sum / (double)w->n_draws;
    }
    return total / (double)w->n_chains;
}

/* Sum of rho[-inf .. inf], the autocorrelations that Geyer's sequence keeps: the draws that one
 * independent draw takes. */
static double autocorrelation_time(work *w, double within, double total)
{
    const int64_t n = w->n_draws;
    double *rho = w->rho, even = 1, odd = 1 - (within - autocovariance(w, 1)) / total, sum = 0;
    memset(rho, 0, (size_t)n * sizeof *rho);
    rho[0] = even;
    rho[1] = odd;
    int64_t t = 1;
    for (; t < n - 3 && even + odd > 0; t += 2) { /* sums of pairs are positive */
        even = 1 - (within - autocovariance(w, t + 1)) / total;
        odd = 1 - (within - autocovariance(w, t + 2)) / total;
        if (even + odd >= 0) {
            rho[t + 1] = even;
            rho[t + 2] = odd;
        }
    }
    const int64_t last = t - 2;
    if (even > 0)
        rho[last + 1] = even;
    for (t = 1; t <= last - 2; t += 2) /* and do not increase */
        if (rho[t + 1] + rho[t + 2] > rho[t - 1] + rho[t])
            rho[t + 1] = rho[t + 2] = (rho[t - 1] + rho[t]) / 2;
    for (int64_t i = 0; i <= last; i++)
        sum += rho[i];
    return isnan(rho[1]) ? NAN : -1 + 2 * sum + rho[last + 1];
}

/* Effective sample size of values. */
static double ess_of(work *w)
{
    const int64_t n = w->n_chains * w->n_draws;
    double low = w->values[0], high = w->values[0];
    for (int64_t i = 0; i < n; i++) {
        if (isnan(w->values[i]))
            return NAN;
        low = fmin(low, w->values[i]);
        high = fmax(high, w->values[i]);
    }
    if (high - low < resolution)
        return (double)n;
    for (int64_t c = 0; c < w->n_chains; c++)
        w->means[c] = mean_of(w->values + c * w->n_draws, w->n_draws);
    const double biased = autocovariance(w, 0);
    const double within = biased * (double)w->n_draws / ((double)w->n_draws - 1);
    const double total = biased + variance_of(w->means, w->n_chains);
    const double tau = autocorrelation_time(w, within, total);
    return isnan(tau) ? NAN : (double)n / fmax(tau, 1 / log10((double)n));
}

/* Of which draws are at most the quantile p? */
static double ess_quantile(work *w, int64_t n_sorted, double p)
{
    const double quantile = crd_sorted_quantile(w->sorted, n_sorted, p);
    for (int64_t i = 0; i < w->n_chains * w->n_draws; i++)
        w->values[i] = w->split[i] <= quantile;
    return ess_of(w);
}

static void take_split(work *w)
{
    memcpy(w->values, w->split, (size_t)(w->n_chains * w->n_draws) * sizeof *w->values);
}

/* |x - median of the halves| */
static void take_folded(work *w)
{
    const int64_t n = w->n_chains * w->n_draws; /* even */
    take_split(w);
    qsort(w->values, (size_t)n, sizeof *w->values, crd_compare_double);
    const double median = (w->values[n / 2 - 1] + w->values[n / 2]) / 2;
    for (int64_t i = 0; i < n; i++)
        w->values[i] = fabs(w->split[i] - median);
}

static void work_clear(work *w)
{
    crd_free(w->split);
    crd_free(w->sorted);
    crd_free(w->values);
    crd_free(w->means);
    crd_free(w->rho);
    crd_free(w->ranks);
}

static crd_status work_init(work *w, const double *draws, int64_t n_chains, int64_t n_draws)
{
    crd_status status = CRD_OK;
    const int64_t n = n_chains * n_draws;
    *w = (work){.n_chains = 2 * n_chains, .n_draws = n_draws / 2};
    CRD_ALLOC(&w->split, n, "chains");
    CRD_ALLOC(&w->sorted, n, "chains");
    CRD_ALLOC(&w->values, n, "chains");
    CRD_ALLOC(&w->means, w->n_chains, "chains");
    CRD_ALLOC(&w->rho, n_draws, "chains");
    CRD_ALLOC(&w->ranks, n, "chains");
    split_chains(w->split, draws, n_chains, n_draws);
    memcpy(w->sorted, draws, (size_t)n * sizeof *draws);
    qsort(w->sorted, (size_t)n, sizeof *draws, crd_compare_double);
cleanup:
    if (status != CRD_OK)
        work_clear(w);
    return status;
}

static bool are_valid(const double *draws, int64_t n_chains, int64_t n_draws)
{
    for (int64_t i = 0; i < n_chains * n_draws; i++)
        if (isnan(draws[i]))
            return false;
    return n_draws >= MIN_DRAWS;
}

crd_status crd_chain_diagnose(crd_chain_diagnostics *out, const double *draws, int64_t n_chains,
                              int64_t n_draws)
{
    crd_status status = CRD_OK;
    work w = {0};
    const int64_t n = n_chains * n_draws;
    *out = (crd_chain_diagnostics){
        NAN, NAN, NAN, NAN, {mean_of(draws, n), NAN}, sqrt(variance_of(draws, n))};
    if (!are_valid(draws, n_chains, n_draws))
        return CRD_OK;
    CRD_TRY(work_init(&w, draws, n_chains, n_draws));
    take_split(&w);
    out->ess_mean = ess_of(&w);
    out->mean.se = out->sd / sqrt(out->ess_mean);
    out->ess_tail = fmin(ess_quantile(&w, n, 0.05), ess_quantile(&w, n, 0.95));
    take_split(&w);
    normal_scores(&w);
    out->ess_bulk = ess_of(&w);
    if (n_chains > 1) {
        const double bulk = rhat_of(&w);
        take_folded(&w);
        normal_scores(&w);
        const double tail = rhat_of(&w);
        out->rhat = tail > bulk ? tail : bulk;
    }
cleanup:
    work_clear(&w);
    return status;
}

double crd_chain_mcse(const double *draws, int64_t n_chains, int64_t n_draws)
{
    double values[CRD_CHAIN_MCSE_DRAWS], means[CRD_CHAIN_MCSE_DRAWS], rho[CRD_CHAIN_MCSE_DRAWS];
    work w = {.n_chains = 2 * n_chains,
              .n_draws = n_draws / 2,
              .values = values,
              .means = means,
              .rho = rho};
    if (!are_valid(draws, n_chains, n_draws))
        return NAN;
    split_chains(values, draws, n_chains, n_draws);
    return sqrt(variance_of(draws, n_chains * n_draws) / ess_of(&w));
}

crd_status crd_chain_quantile(crd_estimate *out, const double *draws, int64_t n_chains,
                              int64_t n_draws, double p)
{
    crd_status status = CRD_OK;
    work w = {0};
    const int64_t n = n_chains * n_draws;
    *out = (crd_estimate){NAN, NAN};
    if (!are_valid(draws, n_chains, n_draws))
        return CRD_OK;
    CRD_TRY(work_init(&w, draws, n_chains, n_draws));
    const double ess = ess_quantile(&w, n, p), a = ess * p + 1, b = ess * (1 - p) + 1;
    const double low = crd_beta_quantile(one_sd_below, a, b) * (double)n - 1;
    const double high = crd_beta_quantile(one_sd_above, a, b) * (double)n - 1;
    const int64_t first = (int64_t)floor(fmax(low, 0));
    const int64_t last = (int64_t)ceil(fmin(high, (double)(n - 1)));
    *out =
        (crd_estimate){crd_sorted_quantile(w.sorted, n, p), (w.sorted[last] - w.sorted[first]) / 2};
cleanup:
    work_clear(&w);
    return status;
}
