/** Layout of an accumulator, shared by the adding and the finishing half. */
#ifndef CRD_STATS_ACCUMULATOR_H
#define CRD_STATS_ACCUMULATOR_H

#include "credence/predictive.h"

/** Fixed point: bits behind the point. */
enum { CRD_PROB_BITS = 36, CRD_ENTROPY_BITS = 32 };

/** The parts of `sums` and `maxima`; C classes. Pointers into the caller's arrays. */
typedef struct crd_accumulator_view {
    int64_t *group_probs;     /**< [CRD_N_GROUPS][C] sum of q over the group's draws */
    int64_t *squares_low;     /**< [C] sum of the low 36 bits of q^2 */
    int64_t *squares_high;    /**< [C] sum of q^2 >> 36 */
    int64_t *gaps_low;        /**< [C] of squared differences within pairs, likewise */
    int64_t *gaps_high;       /**< [C] */
    int64_t *votes;           /**< [C] */
    int64_t *group_entropies; /**< [CRD_N_GROUPS] */
    int64_t *group_draws;     /**< [CRD_N_GROUPS] draws added */
    int64_t *max;             /**< [C] largest q */
    int64_t *max_negative;    /**< [C] largest -q */
} crd_accumulator_view;

static inline crd_accumulator_view crd_accumulator_view_of(int64_t *sums, int64_t *maxima,
                                                           int64_t n_classes)
{
    int64_t *squares = sums + CRD_N_GROUPS * n_classes;
    return (crd_accumulator_view){
        .group_probs = sums,
        .squares_low = squares,
        .squares_high = squares + n_classes,
        .gaps_low = squares + 2 * n_classes,
        .gaps_high = squares + 3 * n_classes,
        .votes = squares + 4 * n_classes,
        .group_entropies = squares + 5 * n_classes,
        .group_draws = squares + 5 * n_classes + CRD_N_GROUPS,
        .max = maxima,
        .max_negative = maxima + n_classes,
    };
}

#endif
