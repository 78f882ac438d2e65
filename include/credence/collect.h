/** Which networks of a training are collected, and what they become. Room: bayes.
 *
 * The engine collects between steps, on rank 0, from parameters that are the same on any number of
 * ranks: so the collection does not depend on them.
 */
#ifndef CREDENCE_COLLECT_H
#define CREDENCE_COLLECT_H

#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum crd_collect_kind {
    CRD_COLLECT_NOTHING,
    /** mean, variance and the last deviations: Maddox et al., NeurIPS 2019 */
    CRD_COLLECT_SWAG,
    /** the networks themselves: snapshot ensembles, Huang et al., ICLR 2017; fast geometric
     * ensembles, Garipov et al., NeurIPS 2018 */
    CRD_COLLECT_MEMBERS
} crd_collect_kind;

typedef struct crd_collect_options {
    crd_collect_kind kind;
    int64_t start; /**< epochs before the first interval */
    int64_t every; /**< length of an interval in epochs; 0: `steps` says it */
    int64_t steps; /**< in steps */
    int64_t phase; /**< epochs of an interval before its network is collected; 0: all of it */
    int64_t rank;  /**< SWAG: deviations, 0 or 2 to CRD_MAX_RANK */
} crd_collect_options;

/** 1 if a network is to be collected after so many steps and epochs in all, per_epoch steps each.
 * Collective: no. */
int crd_collect_is_due(const crd_collect_options *options, int64_t step, int64_t per_epoch);
/** Networks that n_epochs collect. */
int64_t crd_collect_count(const crd_collect_options *options, int64_t n_epochs, int64_t per_epoch);
/** Errors: CRD_ERR_USAGE: a number out of range; fewer than two networks, or than deviations. */
crd_status crd_collect_check(const crd_collect_options *options, int64_t n_epochs,
                             int64_t per_epoch);

#ifdef __cplusplus
}
#endif
#endif
