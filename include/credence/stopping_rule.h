/** The stopping rule: the numbers of draws at which sampling may stop (looks), and intervals that
 * hold whenever it does.
 *
 * Whoever checks a mean again and again, and stops at a result that pleases, is wrong more often
 * than the usual interval says. So the looks are fixed beforehand, by the options alone; each gets
 * its share of the probability to be wrong; and whatever the reason to stop at one of them, the
 * interval there holds. Room: stats.
 */
#ifndef CREDENCE_STOPPING_RULE_H
#define CREDENCE_STOPPING_RULE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The first look is at min_draws, each next at a quarter more, both rounded up to whole blocks;
 * the last at max_draws. 1 <= min_draws <= max_draws, block >= 1. */
typedef struct crd_stopping_rule {
    int64_t min_draws, max_draws, block;
} crd_stopping_rule;

/** The look after n_draws draws (0: the first); n_draws is a look below max_draws. Collective:
 * no. */
int64_t crd_stopping_rule_next(const crd_stopping_rule *rule, int64_t n_draws);
/** Number of looks. */
int64_t crd_stopping_rule_n_looks(const crd_stopping_rule *rule);
/** Share of one look of the probability 1 - confidence to be wrong at any of them (union bound). */
double crd_stopping_rule_error_probability(const crd_stopping_rule *rule, double confidence);

/** Half-width of an interval about the mean of n independent observations in [0, 1] of this
 * sample variance (n - 1): the true mean lies outside with probability at most
 * p = error_probability, whatever the distribution, for every n. At most 1. Source: Maurer and
 * Pontil, "Empirical Bernstein bounds and sample variance penalization", COLT 2009, theorem 4, for
 * both sides: sqrt(2 V ln(4 / p) / n) + 7 ln(4 / p) / (3 (n - 1)). With
 * crd_stopping_rule_error_probability it is an empirical Bernstein confidence sequence over the
 * looks (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", J. R.
 * Stat. Soc. B 86 (2024) 1, equation (1)); unlike their martingales it needs nothing but sums, so
 * it is the same in every order of the draws and after every resume. */
double crd_half_width(int64_t n, double variance, double error_probability);

#ifdef __cplusplus
}
#endif
#endif
