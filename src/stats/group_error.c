/* Standard errors from the scatter of group means (batch means, cluster standard errors). */
#include "stats/group_error.h"

#include <math.h>

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

double crd_error_of_sd(int64_t n)
{
    return 1 / sqrt(2 * (double)(n - 1));
}
