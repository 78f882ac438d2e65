/* Standard errors from the scatter of group means (batch means, cluster standard errors), and of
 * statistics that are no means from what they are without a group. */
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

double crd_group_jackknife(double value, const double *without, const int64_t *draws,
                           int64_t n_groups)
{
    double n_draws = 0, mean = 0, square = 0;
    int64_t n_filled = 0;
    for (int64_t g = 0; g < n_groups; g++) {
        n_draws += (double)draws[g];
        n_filled += draws[g] > 0;
    }
    if (n_filled < 2)
        return NAN;
    /* The mean of all pseudo-values, h value - (h - 1) without, h = draws / draws of the group. */
    for (int64_t g = 0; g < n_groups; g++)
        if (draws[g] > 0)
            mean += value - (1 - (double)draws[g] / n_draws) * without[g];
    for (int64_t g = 0; g < n_groups; g++) {
        if (draws[g] == 0)
            continue;
        double h = n_draws / (double)draws[g], gap = h * value - (h - 1) * without[g] - mean;
        square += gap * gap / (h - 1);
    }
    return sqrt(square / (double)n_filled);
}
