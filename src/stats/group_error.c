/* Standard errors from the scatter of group means (batch means, cluster standard errors), and of
 * statistics that are no means from what they are without a group. */
#include "stats/group_error.h"

#include <math.h>

#include "credence/chain_diagnostics.h"

/* Of a chain, for an effective sample size. */
enum { LEAST_BATCHES = 4 };

double crd_group_error(const double *sums, const int64_t *draws, int64_t n_groups, int64_t n_each)
{
    double total = 0, square = 0;
    int64_t n_draws = 0, n_filled = 0;
    for (int64_t g = 0; g < n_groups; g++) {
        total += sums[g];
        n_draws += draws[g];
        n_filled += draws[g] > 0;
    }
    if (n_filled < 2)
        return NAN;
    double n = (double)(n_draws / n_each);
    for (int64_t g = 0; g < n_groups; g++) {
        if (draws[g] == 0)
            continue;
        double m = (double)(draws[g] / n_each), gap = sums[g] / m - total / n;
        square += m * gap * gap;
    }
    return sqrt(square / (double)(n_filled - 1) / n) / (double)n_each;
}

static int is_complete(const int64_t *draws, const crd_batches *b, int64_t batch)
{
    int complete = 1;
    for (int64_t c = 0; c < b->n_chains; c++)
        complete &= draws[c * b->n_batches + batch] == b->n_draws * b->n_each;
    return complete;
}

double crd_batch_error(const double *sums, const int64_t *draws, const crd_batches *b)
{
    double means[CRD_CHAIN_MCSE_DRAWS], chain_sums[CRD_CHAIN_MCSE_DRAWS] = {0};
    int64_t chain_draws[CRD_CHAIN_MCSE_DRAWS] = {0}, n_complete = 0, n_all = 0, at = 0;
    for (int64_t k = 0; k < b->n_batches; k++)
        n_complete += is_complete(draws, b, k);
    for (int64_t g = 0; g < b->n_chains * b->n_batches; g++) {
        chain_sums[g / b->n_batches] += sums[g];
        chain_draws[g / b->n_batches] += draws[g];
        n_all += draws[g];
        if (is_complete(draws, b, g % b->n_batches))
            means[at++] = sums[g] / (double)draws[g];
    }
    if (n_complete < LEAST_BATCHES)
        return crd_group_error(chain_sums, chain_draws, b->n_chains, b->n_each);
    double n_counted = (double)(at * b->n_draws * b->n_each);
    return crd_chain_mcse(means, b->n_chains, n_complete) * sqrt(n_counted / (double)n_all);
}

int64_t crd_half_samples(int64_t n_groups)
{
    int64_t n = 1;
    while (n < n_groups)
        n *= 2;
    return 2 * n;
}

/* In place: row r becomes the sum over g of (-1)^popcount(r & g) times row g (Walsh, Hadamard). */
static void transform(double *rows, int64_t n, int64_t width)
{
    for (int64_t half = 1; half < n; half *= 2)
        for (int64_t r = 0; r < n; r++) {
            if (r & half)
                continue;
            double *x = rows + r * width, *y = rows + (r + half) * width;
            for (int64_t c = 0; c < width; c++) {
                double sum = x[c] + y[c];
                y[c] = x[c] - y[c];
                x[c] = sum;
            }
        }
}

void crd_half_sample_gaps(double *rows, int64_t width, int64_t n_groups)
{
    const int64_t n = crd_half_samples(n_groups) / 2;
    for (int64_t i = n_groups * width; i < n * width; i++)
        rows[i] = 0;
    transform(rows, n, width);
    for (int64_t r = n - 1; r >= 0; r--)
        for (int64_t c = 0; c < width; c++) {
            double gap = r == 0 ? 0 : rows[r * width + c] / 2;
            rows[(2 * r + 1) * width + c] = -gap;
            rows[2 * r * width + c] = gap;
        }
}

double crd_half_sample_error(const double *values, int64_t n, int64_t n_filled)
{
    double square = 0;
    if (n_filled < 2)
        return NAN;
    for (int64_t r = 2; r < n; r += 2)
        square += (values[r] - values[r + 1]) * (values[r] - values[r + 1]);
    return sqrt(square / (double)(n / 2) * (double)n_filled / (double)(n_filled - 1));
}

double crd_error_of_sd(int64_t n)
{
    return 1 / sqrt(2 * (double)(n - 1));
}
