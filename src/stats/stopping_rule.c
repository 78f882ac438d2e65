/* When a sampling run looks at its errors, and how wide an interval is that holds at all looks
 * together: the empirical Bernstein bound (Maurer and Pontil 2009), its error shared by the
 * looks. */
#include "credence/stopping_rule.h"

#include <math.h>

static int64_t whole_blocks(int64_t n, int64_t block)
{
    return (n + block - 1) / block * block;
}

int64_t crd_stopping_rule_next(const crd_stopping_rule *rule, int64_t n_draws)
{
    int64_t more = n_draws == 0 ? rule->min_draws : (n_draws + 3) / 4;
    int64_t next = n_draws + whole_blocks(more, rule->block);
    return next < rule->max_draws ? next : rule->max_draws;
}

int64_t crd_stopping_rule_n_looks(const crd_stopping_rule *rule)
{
    int64_t n = 0, n_draws = 0;
    while (n_draws < rule->max_draws) {
        n_draws = crd_stopping_rule_next(rule, n_draws);
        n++;
    }
    return n;
}

double crd_stopping_rule_error_probability(const crd_stopping_rule *rule, double confidence)
{
    return (1 - confidence) / (double)crd_stopping_rule_n_looks(rule);
}

double crd_half_width(int64_t n, double variance, double error_probability)
{
    if (n < 2)
        return 1;
    double logarithm = log(4 / error_probability);
    double width = sqrt(2 * variance * logarithm / (double)n) + 7 * logarithm / 3 / (double)(n - 1);
    return fmin(width, 1);
}
