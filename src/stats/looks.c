/* When a sampling run looks at its errors, and how wide an interval is that holds at all looks
 * together: the empirical Bernstein bound (Maurer and Pontil 2009), its error shared by the
 * looks. */
#include "credence/looks.h"

#include <math.h>

static int64_t whole_blocks(int64_t n, int64_t block)
{
    return (n + block - 1) / block * block;
}

int64_t crd_looks_next(const crd_looks *looks, int64_t n_draws)
{
    int64_t more = n_draws == 0 ? looks->min_draws : (n_draws + 3) / 4;
    int64_t next = n_draws + whole_blocks(more, looks->block);
    return next < looks->max_draws ? next : looks->max_draws;
}

int64_t crd_looks_count(const crd_looks *looks)
{
    int64_t n = 0, n_draws = 0;
    while (n_draws < looks->max_draws) {
        n_draws = crd_looks_next(looks, n_draws);
        n++;
    }
    return n;
}

double crd_looks_miss(const crd_looks *looks, double confidence)
{
    return (1 - confidence) / (double)crd_looks_count(looks);
}

double crd_half_width(int64_t n, double variance, double miss)
{
    if (n < 2)
        return 1;
    double logarithm = log(4 / miss);
    double width = sqrt(2 * variance * logarithm / (double)n) + 7 * logarithm / 3 / (double)(n - 1);
    return fmin(width, 1);
}
