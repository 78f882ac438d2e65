/* 10^9 normals against the standard normal distribution: moments, tails, 1000 equiprobable bins,
 * and independence of neighbours, draws, tensors and images.
 *
 * Usage: test_normal_statistics [COUNT]. Without COUNT: 10^9, or 10^8 where only the reference runs.
 * Every figure is printed as a z value; one beyond 5 (p < 6e-7) fails. The seed is fixed, so the
 * outcome is too. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kernels/kernels.h"

#define Z_LIMIT 5.0
#define CHUNK 65536 /* elements of one stream */
#define TENSORS 16
#define BINS 1000

/* Sorting into bins: a fine grid over the normals says in which bin its cell begins. */
#define GRID_START (-7.0f)
#define GRID_PER_UNIT 1024
#define GRID_CELLS (14 * GRID_PER_UNIT)

enum { LAG_1, LAG_16, LAG_64, NEXT_DRAW, NEXT_TENSOR, NEXT_IMAGE, N_PAIRS };
static const char *const pair_names[N_PAIRS] = {
    "neighbours",      "Box-Muller partners", "blocks",
    "draws d and d+1", "tensors t and t+1",   "images i and i+1"};
static const int lags[] = {1, 16, 64};
static const double tail_starts[] = {3, 4, 5, 6};
#define N_TAILS 4

typedef struct tally {
    int64_t n;
    double power_sum[5];                    /* of x^0 to x^4 */
    int64_t below[N_TAILS], above[N_TAILS]; /* x < -start, x > start */
    int64_t bins[BINS];
    struct {
        double product, square_product; /* sums of x y and (x^2 - 1)(y^2 - 1) */
        int64_t n;
    } pairs[N_PAIRS];
} tally;

static float edges[BINS + 1]; /* bin b is [edges[b], edges[b + 1]) */
static int grid[GRID_CELLS];

static double upper_tail(double x)
{
    return 0.5 * erfc(x / sqrt(2.0));
}

static void make_bins(void)
{
    edges[0] = -INFINITY;
    edges[BINS] = INFINITY;
    for (int bin = 1; bin < BINS; bin++) {
        double low = -7.0, high = 7.0;
        for (int step = 0; step < 80; step++) {
            double middle = 0.5 * (low + high);
            if (1.0 - upper_tail(middle) < (double)bin / BINS)
                low = middle;
            else
                high = middle;
        }
        edges[bin] = (float)high;
    }
    for (int cell = 0, bin = 0; cell < GRID_CELLS; cell++) {
        while (edges[bin + 1] <= GRID_START + (float)cell / GRID_PER_UNIT)
            bin++;
        grid[cell] = bin;
    }
}

static void count_values(tally *t, const float *x)
{
    double sum[4] = {0};
    for (int i = 0; i < CHUNK; i++) {
        double v = (double)x[i], vv = v * v;
        sum[0] += v;
        sum[1] += vv;
        sum[2] += vv * v;
        sum[3] += vv * vv;
        int bin = grid[(int)((x[i] - GRID_START) * GRID_PER_UNIT)];
        while (x[i] >= edges[bin + 1])
            bin++;
        t->bins[bin]++;
        if (vv > tail_starts[0] * tail_starts[0]) {
            for (int tail = 0; tail < N_TAILS; tail++) {
                t->below[tail] += v < -tail_starts[tail];
                t->above[tail] += v > tail_starts[tail];
            }
        }
    }
    for (int power = 1; power <= 4; power++)
        t->power_sum[power] += sum[power - 1];
    t->n += CHUNK;
}

static void count_pairs(tally *t, int pair, const float *x, const float *y, int n)
{
    double product = 0.0, square_product = 0.0;
    for (int i = 0; i < n; i++) {
        double a = (double)x[i], b = (double)y[i];
        product += a * b;
        square_product += (a * a - 1.0) * (b * b - 1.0);
    }
    t->pairs[pair].product += product;
    t->pairs[pair].square_product += square_product;
    t->pairs[pair].n += n;
}

static void collect(tally *t, int64_t count)
{
    static float x[CHUNK], y[CHUNK];
    for (int64_t chunk = 0; t->n < count; chunk++) {
        crd_stream stream = {.seed = 20240229,
                             .draw = (uint32_t)(chunk / TENSORS),
                             .tensor = (uint32_t)(chunk % TENSORS),
                             .purpose = CRD_PURPOSE_WEIGHT};
        crd_normal_fill(x, CHUNK, 0, &stream);
        count_values(t, x);
        for (int pair = LAG_1; pair <= LAG_64; pair++)
            count_pairs(t, pair, x, x + lags[pair], CHUNK - lags[pair]);
        for (int pair = NEXT_DRAW; pair <= NEXT_IMAGE; pair++) {
            crd_stream next = stream;
            next.draw += pair == NEXT_DRAW;
            next.tensor += pair == NEXT_TENSOR;
            next.image += pair == NEXT_IMAGE;
            crd_normal_fill(y, CHUNK, 0, &next);
            count_pairs(t, pair, x, y, CHUNK);
        }
    }
}

static int n_failed;

static void judge(const char *what, double value, double z)
{
    int failed = !(fabs(z) <= Z_LIMIT);
    n_failed += failed;
    printf("%-44s %16.9g   z = %6.2f%s\n", what, value, z, failed ? "   FAILED" : "");
}

/* P(X <= k) of a Poisson variable, for small means. */
static double poisson_up_to(int64_t k, double mean)
{
    double term = exp(-mean), sum = 0.0;
    for (int64_t i = 0; i <= k; i++) {
        sum += term;
        term *= mean / (double)(i + 1);
    }
    return sum;
}

/* z of a count. Rare events are far from normal: their exact probability is turned into a z. */
static double count_z(int64_t count, double mean)
{
    if (mean > 500.0)
        return ((double)count - mean) / sqrt(mean);
    double at_least = count == 0 ? 1.0 : 1.0 - poisson_up_to(count - 1, mean);
    double at_most = poisson_up_to(count, mean);
    double p = fmin(at_least, at_most), low = 0.0, high = 40.0;
    if (p >= 0.5)
        return 0.0;
    for (int step = 0; step < 80; step++) {
        double middle = 0.5 * (low + high);
        if (upper_tail(middle) > p)
            low = middle;
        else
            high = middle;
    }
    return at_least < at_most ? low : -low;
}

static void judge_all(const tally *t)
{
    static const char *const moment_names[] = {"", "mean", "variance", "skewness", "kurtosis"};
    static const double moments[] = {1, 0, 1, 0, 3}, variances[] = {0, 1, 2, 15, 96};
    double n = (double)t->n;
    for (int power = 1; power <= 4; power++) {
        double moment = t->power_sum[power] / n;
        judge(moment_names[power], moment, (moment - moments[power]) / sqrt(variances[power] / n));
    }
    for (int tail = 0; tail < N_TAILS; tail++) {
        char what[64];
        double mean = n * upper_tail(tail_starts[tail]);
        snprintf(what, sizeof what, "below -%g sigma, expected %.1f", tail_starts[tail], mean);
        judge(what, (double)t->below[tail], count_z(t->below[tail], mean));
        snprintf(what, sizeof what, "above +%g sigma, expected %.1f", tail_starts[tail], mean);
        judge(what, (double)t->above[tail], count_z(t->above[tail], mean));
    }
    /* Edges are rounded to float, so each bin has its own probability. */
    double chi2 = 0.0, df = BINS - 1;
    for (int bin = 0; bin < BINS; bin++) {
        double expected = n * (upper_tail((double)edges[bin]) - upper_tail((double)edges[bin + 1]));
        chi2 += ((double)t->bins[bin] - expected) * ((double)t->bins[bin] - expected) / expected;
    }
    /* Wilson and Hilferty: the cube root of chi-square / df is nearly normal. */
    double shrink = 2.0 / (9.0 * df);
    judge("chi-square of 1000 equiprobable bins, 999 df", chi2,
          (cbrt(chi2 / df) - (1.0 - shrink)) / sqrt(shrink));
    for (int pair = 0; pair < N_PAIRS; pair++) {
        char what[64];
        double pairs = (double)t->pairs[pair].n;
        double product = t->pairs[pair].product / pairs;
        double square_product = t->pairs[pair].square_product / pairs / 2.0;
        snprintf(what, sizeof what, "correlation: %s", pair_names[pair]);
        judge(what, product, product * sqrt(pairs));
        snprintf(what, sizeof what, "  of squares");
        judge(what, square_product, square_product * sqrt(pairs));
    }
}

int main(int argc, char **argv)
{
    static tally t;
    const char *table = crd_kernels_get()->name;
    double count = argc > 1 ? strtod(argv[1], NULL) : strcmp(table, "ref") == 0 ? 1e8 : 1e9;
    if (!(count >= 1e6 && count <= 1e12)) {
        fprintf(stderr, "COUNT: '%s' is not a number from 1e6 to 1e12\n", argv[1]);
        return 2;
    }
    double start = crd_clock_now_s();
    make_bins();
    collect(&t, (int64_t)count);
    printf("%" PRId64 " normals by %s, and as many for each of 3 partners\n", t.n, table);
    judge_all(&t);
    printf("%d beyond %g sigma; %.1f s\n", n_failed, Z_LIMIT, crd_clock_now_s() - start);
    return n_failed == 0 ? 0 : 1;
}
