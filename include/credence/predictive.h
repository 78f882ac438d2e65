/** Predictive distributions: order-free accumulation over draws, and what is said of them with its error.
 *
 * A draw of an image gives probabilities p_c (softmax of its logits, in double), their entropy H and a vote.
 * These are accumulated as integers, so that sums over draws, ranks and restarts are exact in any order:
 *
 *   q = round(p * 2^36)   sums of up to 2^26 draws fit int64
 *   q^2, exactly          low 36 bits and the rest apart, each sum fits int64; so variances are exact
 *   round(H * 2^32)       H < 32: sums of up to 2^26 draws fit int64
 *   votes, draws          counts
 *
 * Draw d belongs to group d % CRD_N_GROUPS; q, H and draws are summed by group, and the scatter between the groups
 * gives the Monte Carlo errors of what is no mean (entropy of the mean, mutual information).
 *
 * Antithetic draws 2k and 2k + 1 are a pair: not independent of each other, so only the pair's mean counts as one
 * observation. A pair belongs to group k % CRD_N_GROUPS, and (q_2k - q_2k+1)^2 is summed too, as q^2 is:
 * with it the variance of pair means is exact, sum (a + b)^2 = 2 sum a^2 + 2 sum b^2 - sum (a - b)^2. Room: stats.
 */
#ifndef CREDENCE_PREDICTIVE_H
#define CREDENCE_PREDICTIVE_H

#include <stddef.h>
#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most draws of a run: what keeps every sum below 2^63. */
#define CRD_MAX_DRAWS (INT64_C(1) << 26)
/** Groups of draws. */
#define CRD_N_GROUPS 32

/** Accumulator of one image: two flat arrays of int64, to be summed and maximised over ranks. */
int64_t crd_accumulator_n_sums(int64_t n_classes);
int64_t crd_accumulator_n_maxima(int64_t n_classes);
/** Resets: sums to 0, maxima to "nothing seen". */
void crd_accumulator_reset(int64_t *sums, int64_t *maxima, int64_t n_classes);
/** Adds draw `draw` with its logits[n_classes]. Logits must be finite. Equal logits: the vote goes to the
 * lowest class. */
void crd_accumulator_add(int64_t *sums, int64_t *maxima, const float *logits, int64_t n_classes,
                         int64_t draw);
/** Adds the antithetic draws 2 pair and 2 pair + 1. An accumulator takes pairs or single draws, not both. */
void crd_accumulator_add_pair(int64_t *sums, int64_t *maxima, const float *first,
                              const float *second, int64_t n_classes, int64_t pair);

/** Draws added so far. */
int64_t crd_accumulator_n_draws(const int64_t *sums, int64_t n_classes);

/** probs[n_classes] = softmax of logits[n_classes], evaluated in double. */
void crd_softmax(float *probs, const float *logits, int64_t n_classes);

/** What is said of a batch of images. Rows that were skipped, or of which no draw is there yet, hold NaN (votes and
 * top classes: -1, n_draws: 0). */
typedef struct crd_summary {
    int64_t n_images, n_classes, n_top;
    int64_t n_sums, n_maxima; /**< of an image; 0 unless crd_summary_keep_sums */
    int is_paired;            /**< the draws are antithetic pairs */
    double miss; /**< probability that probs_half_width may be too small: crd_looks_miss */
    /* [image][class] */
    float *probs_mean; /**< predictive distribution: mean of the draws' probabilities */
    float *probs_sd;   /**< standard deviation over draws (n - 1); NaN for one draw */
    float *probs_mcse; /**< standard error of probs_mean: sd / sqrt(n_draws); of pairs: sd of the
                                pairs' means / sqrt(pairs); NaN for one observation */
    float *probs_half_width;      /**< crd_half_width of probs_mean */
    float *probs_min, *probs_max; /**< smallest and largest draw */
    int64_t *votes;               /**< draws in which the class has the largest probability */
    /* [image], nats */
    double *predictive_entropy; /**< H(mean p), plug-in: biased low by finite n_draws */
    double
        *predictive_entropy_debiased; /**< + sum_c Var(p_c) / (2 n_draws mean p_c): delta method */
    double *predictive_entropy_mcse;
    double *expected_entropy; /**< mean of H(p): the image's own, aleatoric, uncertainty */
    double *expected_entropy_mcse;
    double *mutual_information; /**< difference of the two, plug-in: the model's, epistemic */
    double *mutual_information_debiased; /**< may be slightly negative where the truth is 0 */
    double *mutual_information_mcse;
    int64_t *n_draws; /**< draws behind the row */
    int8_t *skipped;  /**< 1: the image could not be read */
    int64_t *sums,
        *maxima; /**< [image][..] the row's accumulator, so that rows of other draws can be added */
    /* [image][top]: the n_top most probable classes, ties to the lower class */
    int64_t *top_class;
} crd_summary;

/** Allocates a summary; n_top is cut to n_classes; single draws, miss 0.05. Clear it. */
crd_status crd_summary_init(crd_summary *summary, int64_t n_images, int64_t n_classes,
                            int64_t n_top);
/** Makes room for the accumulators of the rows: crd_summary_finish keeps them from now on. */
crd_status crd_summary_keep_sums(crd_summary *summary);
void crd_summary_clear(crd_summary *summary);

/** Computes row `image` from an accumulator, over whichever draws it has seen.
 * Errors of entropies: the linearised statistic's variance from the scatter of the group means
 * (batch means); NaN below 2 observations. */
void crd_summary_finish(crd_summary *summary, int64_t image, int64_t *sums, int64_t *maxima);
/** 1 if every top class of row `image` has a probs_mcse below `mcse`. */
int crd_summary_is_precise(const crd_summary *summary, int64_t image, double mcse);
/** Marks row `image` as one of which no draw is there yet. */
void crd_summary_miss(crd_summary *summary, int64_t image);
/** Marks row `image` as skipped. */
void crd_summary_skip(crd_summary *summary, int64_t image);

/** Element types of summary fields. */
typedef enum crd_field_type { CRD_FLOAT32, CRD_FLOAT64, CRD_INT64, CRD_BOOL8 } crd_field_type;
/** Second dimension of a field: rows are images. */
typedef enum crd_field_dim {
    CRD_DIM_NONE,
    CRD_DIM_CLASS,
    CRD_DIM_TOP,
    CRD_DIM_SUM,
    CRD_DIM_MAXIMUM
} crd_field_dim;

/** One line a field: the table that files, JSON and reports are made from. */
typedef struct crd_field {
    const char *name; /**< of the member and of the dataset */
    crd_field_type type;
    crd_field_dim dim;
    size_t offset;         /**< of the pointer in crd_summary */
    const char *units;     /**< "1" or "nat" */
    const char *long_name; /**< one line */
} crd_field;

/** All fields, in file order; *n gets their number. Static. */
const crd_field *crd_summary_fields(int *n);
/** Extent of a field's second dimension; 1 where there is none; 0 where the summary has no such field. */
int64_t crd_summary_columns(const crd_summary *summary, const crd_field *field);

#ifdef __cplusplus
}
#endif
#endif
