/** Predictive distributions: what the outputs of many drawn networks say of an image, with its
 * Monte Carlo error.
 *
 * A reducer makes them: it adds every draw's outputs to integers, and makes columns of figures of
 * these. Integers are added and maximised exactly in any order, over draws, ranks and restarts, so
 * the columns never depend on who computed what. Which reducer serves which outputs:
 *
 *   classification   logits            probabilities, entropies, votes
 *                    src/reduce/classification.c
 *   regression       means, normals    means, deviations, quantiles         src/reduce/regression.c
 *
 * Each of these files describes its integers, and why none of them overflows. All functions:
 * Collective: no. Room: reduce.
 */
#ifndef CREDENCE_PREDICTIVE_H
#define CREDENCE_PREDICTIVE_H

#include <stddef.h>
#include <stdint.h>

#include "credence/outputs.h"
#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most draws of a run: what keeps every sum below 2^63. */
#define CRD_MAX_DRAWS (INT64_C(1) << 26)
/** Most strata of a reduction: an image's sums grow with them. */
#define CRD_MAX_STRATA 256
/** Most columns of a reducer. */
#define CRD_MAX_FIELDS 32

typedef struct crd_reducer crd_reducer;

/** Axes of a field after the images. The first two are the reducer's own; sums and maxima are
 * what all have. */
typedef enum crd_field_axis {
    CRD_AXIS_NONE,
    CRD_AXIS_OUTPUT, /**< what the network says: classes, values */
    CRD_AXIS_DETAIL, /**< of classification the most probable classes, of regression quantiles */
    CRD_AXIS_SUM,
    CRD_AXIS_MAXIMUM,
    CRD_N_AXES
} crd_field_axis;

/** A reducer with its sizes: what follows from a network's outputs and the options, equal on all
 * ranks. */
typedef struct crd_reduction {
    const crd_reducer *reducer;
    crd_output_kind outputs;
    int64_t n_outputs;           /**< floats of a draw's output row */
    int64_t extents[CRD_N_AXES]; /**< of the axes; CRD_AXIS_NONE: 1 */
    int is_paired;               /**< draws 2k and 2k + 1 are an antithetic pair: one observation */
    int64_t n_strata;  /**< components of a mixture, or chains; 1: draws are not in strata */
    int64_t n_batches; /**< of a chain's draws; 0: draws are of no chains */
    int64_t batch_draws, n_chain_draws; /**< of a chain in a batch, in all */
    /** Of a half-width to be too small: crd_stopping_rule_error_probability. */
    double error_probability;
} crd_reduction;

/** n_top: classes in top_class, cut to the number of classes. Single draws, error_probability
 * 0.05. Errors: CRD_ERR_INPUT: outputs of that kind cannot be so many. */
crd_status crd_reduction_init(crd_reduction *out, crd_output_kind outputs, int64_t n_outputs,
                              int64_t n_top);
/** Draws are in strata: draw d (or pair d) is of component d mod n_strata (model.h). Then the
 * components are the independent evidence: standard errors are those of the mean of the components'
 * means (which holds the draws' own noise), and there are columns more for the parts between and
 * within components. 1: as after crd_reduction_init. Errors: CRD_ERR_INPUT: not from 1 to
 * CRD_MAX_STRATA. */
crd_status crd_reduction_stratify(crd_reduction *reduction, int64_t n_strata);
/** Draws are those of chains, draw d the state d div n_chains of chain d mod n_chains: strata,
 * whose draws resemble their neighbours. Then standard errors are crd_batch_error's
 * (src/stats/group_error.h), of as many batches as 128 groups allow; n_draws: of a chain in the
 * posterior, whatever a run takes of them. Errors: as crd_reduction_stratify. */
crd_status crd_reduction_chain(crd_reduction *reduction, int64_t n_chains, int64_t n_draws);
/** "classification", ... Static. */
const char *crd_reduction_name(const crd_reduction *reduction);

/** Accumulator of one image: two flat arrays of int64, to be summed and maximised over ranks. */
int64_t crd_reduction_n_sums(const crd_reduction *reduction);
int64_t crd_reduction_n_maxima(const crd_reduction *reduction);
/** Resets: sums to 0, maxima to "nothing seen" (INT64_MIN). */
void crd_reduction_reset(const crd_reduction *reduction, int64_t *sums, int64_t *maxima);
/** Adds draws first_draw .. + n_draws - 1 of the image: their output rows, finite, lie `step`
 * floats apart. A pair is added as one: then n_draws and first_draw are even. */
void crd_reduction_add(const crd_reduction *reduction, int64_t *sums, int64_t *maxima,
                       const float *outputs, int64_t step, int64_t first_draw, int64_t n_draws);
/** Draws added so far. */
int64_t crd_reduction_n_draws(const crd_reduction *reduction, const int64_t *sums);

/** Element types of fields. */
typedef enum crd_field_type { CRD_FLOAT32, CRD_FLOAT64, CRD_INT64, CRD_BOOL8 } crd_field_type;

/** One line a column: the table that files, JSON and reports are made from. Rows are images. */
typedef struct crd_field {
    const char *name; /**< of the dataset */
    crd_field_type type;
    crd_field_axis axes[2]; /**< of an image's elements; CRD_AXIS_NONE where there is none */
    size_t offset;          /**< of its pointer in the reducer's rows: crd_class_rows, ... */
    const char *units;      /**< "1", "nat"; NULL: that of the targets */
    const char *long_name;  /**< one line */
    const char *title;      /**< in tables for people; NULL: it stands in none */
    const char *error;      /**< the field with its Monte Carlo error, or NULL */
} crd_field;

/** All fields of a reducer, in file order; *n gets their number. Static. */
const crd_field *crd_reduction_fields(const crd_reduction *reduction, int *n);
/** Elements of a field in a row: the product of its axes' extents. */
int64_t crd_field_width(const crd_reduction *reduction, const crd_field *field);
/** Name of an axis for files ("class"), NULL: the reducer has none. Static. */
const char *crd_reduction_axis_name(const crd_reduction *reduction, crd_field_axis axis);
/** 1 if CRD_AXIS_DETAIL ranks the outputs, as the most probable classes do. */
int crd_reduction_is_ranked(const crd_reduction *reduction);
/** The number that element i of an axis stands for (a quantile's probability); i itself where
 * there is no other. */
double crd_reduction_coordinate(const crd_reduction *reduction, crd_field_axis axis, int64_t i);
/** 1 if the axis has coordinates of its own, which are no whole numbers. */
int crd_reduction_has_coordinates(const crd_reduction *reduction, crd_field_axis axis);

/** What is said of a batch of images. Rows that were skipped, or of which no draw is there yet,
 * hold NaN (integers: -1, n_draws: 0). */
typedef struct crd_summary {
    crd_reduction reduction;
    int64_t n_images;
    int keeps_sums;                /**< 1: crd_summary_keep_sums */
    void *columns[CRD_MAX_FIELDS]; /**< [image][axes...] in the order of the field table; owned */
    /* Columns that all reducers have, once more: */
    int64_t *n_draws; /**< draws behind the row */
    int8_t *skipped;  /**< 1: the image could not be read */
    /** The row's accumulator, so that rows of other draws can be added; NULL unless kept. */
    int64_t *sums, *maxima;
} crd_summary;

/** Allocates the columns. Errors: out of memory. Clear it. */
crd_status crd_summary_init(crd_summary *summary, const crd_reduction *reduction, int64_t n_images);
/** Makes room for the accumulators of the rows: crd_summary_finish keeps them from now on. */
crd_status crd_summary_keep_sums(crd_summary *summary);
void crd_summary_clear(crd_summary *summary);

/** Computes row `image` from an accumulator, over whichever draws it has seen. */
void crd_summary_finish(crd_summary *summary, int64_t image, int64_t *sums, int64_t *maxima);
/** Marks row `image` as one of which no draw is there yet. */
void crd_summary_mark_undrawn(crd_summary *summary, int64_t image);
/** Marks row `image` as skipped. */
void crd_summary_mark_skipped(crd_summary *summary, int64_t image);
/** What the stopping rule compares with its limit: classification: the largest standard error of
 * the top classes' probabilities; regression: that of the means, each in units of its
 * predictive deviation. Of strata that are no chains the error about this mixture of components,
 * which more draws can lower, not that of what other components would say. NaN: it is not known
 * yet; 0 of skipped rows. */
double crd_summary_error(const crd_summary *summary, int64_t image);
/** How much doubt there is about row `image`, which has draws: classification: the predictive
 * entropy; regression: the largest predictive deviation of its values. */
double crd_summary_doubt(const crd_summary *summary, int64_t image);
/** Copies a row between summaries of one reduction; the accumulator only where both keep theirs. */
void crd_summary_copy_row(crd_summary *to, int64_t to_row, const crd_summary *from, int64_t row);
/** Elements of a field in a row of this summary; 0: the summary has no such field. */
int64_t crd_summary_width(const crd_summary *summary, const crd_field *field);

/** What is recorded of every single draw, beside its outputs. */
typedef struct crd_draw_field {
    const char *name, *units, *long_name;
    unsigned outputs; /**< kinds of outputs that it is of: bits 1 << crd_output_kind */
} crd_draw_field;
/** Static; *n gets their number. Each is a float an element of CRD_AXIS_OUTPUT. */
const crd_draw_field *crd_reduction_draw_fields(const crd_reduction *reduction, int *n);
/** values[extents[CRD_AXIS_OUTPUT]] of draw field `field`, of one output row. */
void crd_reduction_describe_draw(float *values, const crd_reduction *reduction, int field,
                                 const float *outputs);

/** What an image is in truth. */
typedef struct crd_truth {
    int64_t label;        /**< classification */
    const float *targets; /**< regression: [values] */
} crd_truth;

/** Mean over images of how good their rows are, with its standard error over images, which says
 * nothing of the draws. */
typedef struct crd_figure {
    const char *key, *title; /**< for JSON, and for people; static */
    const char *units;       /**< "%": a share; NULL: that of the targets */
    double value, se;        /**< NaN without images, or where the reducer cannot tell */
} crd_figure;

/** Integers of the figures, which add up in any order. 0: the reducer has no figures. */
int64_t crd_reduction_n_scores(const crd_reduction *reduction);
/** Adds image `image` of a summary that keeps its sums. */
void crd_reduction_judge(int64_t *scores, const crd_summary *summary, int64_t image,
                         const crd_truth *truth);
/** Figures from finished scores; returns their number, at most CRD_MAX_FIELDS. */
int crd_reduction_figures(crd_figure out[CRD_MAX_FIELDS], const crd_reduction *reduction,
                          const int64_t *scores);

/** Rows of classification: pointers into a summary, as long as it lives. Entropies in nats. */
typedef struct crd_class_rows {
    int64_t n_images, n_classes, n_top;
    /* [image][class] */
    float *probs_mean; /**< predictive distribution: mean of the draws' probabilities */
    float *probs_sd;   /**< standard deviation over draws (n - 1); NaN for one draw */
    float *probs_mcse; /**< standard error of probs_mean: sd / sqrt(n_draws); of pairs: sd of the
                                pairs' means / sqrt(pairs); NaN for one observation; of strata and
                                chains as said above */
    float *probs_half_width;      /**< crd_half_width of probs_mean */
    float *probs_min, *probs_max; /**< smallest and largest draw */
    int64_t *votes;               /**< draws in which the class has the largest probability */
    /* [image] */
    double *predictive_entropy; /**< H(mean p), plug-in: biased low by finite n_draws */
    double
        *predictive_entropy_debiased; /**< + sum_c Var(p_c) / (2 n_draws mean p_c): delta method */
    double *predictive_entropy_mcse;
    double *expected_entropy; /**< mean of H(p): the image's own, aleatoric, uncertainty */
    double *expected_entropy_mcse;
    double *mutual_information; /**< difference of the two, plug-in: the model's, epistemic */
    double *mutual_information_debiased; /**< may be slightly negative where the truth is 0 */
    double *mutual_information_mcse;
    int64_t *n_draws;
    int8_t *skipped;
    int64_t *top_class; /**< [image][top]: the most probable classes, ties to the lower class */
    int64_t *sums, *maxima;
    /* Of strata only, else NULL. */
    float *probs_mcse_draws; /**< [image][class] standard error of probs_mean about this mixture:
                                  by the draws alone, as if all were of one posterior */
    /** Parts of mutual_information, plug-in: H(mean p) - mean of H(p of a component), and the mean
     * mutual information within a component; NaN where a component has one observation. */
    double *mutual_information_between, *mutual_information_between_mcse;
    double *mutual_information_within, *mutual_information_within_mcse;
} crd_class_rows;

/** Errors of entropies: the linearised statistic's variance from the scatter of the group means
 * (batch means); NaN below 2 observations. */
crd_class_rows crd_class_rows_view(const crd_summary *summary);

/** Rows that crd_class_half_samples makes of an image. */
int64_t crd_class_n_half_samples(const crd_reduction *reduction);
/** The mean probabilities of an image in half-samples of its draws (src/stats/group_error.h), for
 * the Monte Carlo error of whatever is computed of them: probs[n_half_samples][n_classes], the
 * first of all draws. Returns the number of groups that have draws: components of strata, chains,
 * eighths of a single chain, else up to 32. The summary keeps its sums. */
int64_t crd_class_half_samples(double *probs, const crd_summary *summary, int64_t image);

/** Rows of regression, likewise. All in the unit of the targets; NaN where there is no such
 * figure: errors of one draw, the noise of outputs that do not tell it. */
typedef struct crd_value_rows {
    int64_t n_images, n_values, n_quantiles;
    /* [image][value] */
    double *mean, *mean_mcse;                   /**< of the draws' means, and its standard error */
    double *predictive_sd, *predictive_sd_mcse; /**< of the predictive distribution: both parts */
    double *aleatoric_sd, *aleatoric_sd_mcse;   /**< root of the mean variance: the noise */
    double *epistemic_sd, *epistemic_sd_mcse;   /**< of the draws' means: the posterior's doubt */
    float *draws_min, *draws_max;               /**< smallest and largest mean of any draw */
    /* [image][value][quantile] */
    double *quantiles, *quantiles_mcse; /**< of the predictive distribution, noise included */
    /* [image] */
    int64_t *n_draws;
    int8_t *skipped;
    int64_t *sums, *maxima;
    /* [image][value], of strata only, else NULL. */
    double *mean_mcse_draws; /**< standard error of mean about this mixture: by the draws alone */
    /** Parts of epistemic_sd, whose squares add up to its: between the components' means (what of
     * their scatter the draws' noise does not explain), and within components; NaN where a
     * component has one observation. */
    double *epistemic_sd_between, *epistemic_sd_between_mcse;
    double *epistemic_sd_within, *epistemic_sd_within_mcse;
} crd_value_rows;

/** Errors: deviations by the scatter of the draws' squares; a quantile by that of the draws'
 * shares below it. */
crd_value_rows crd_value_rows_view(const crd_summary *summary);

/** probs[n_classes] = softmax of logits[n_classes], evaluated in double. */
void crd_softmax(float *probs, const float *logits, int64_t n_classes);

#ifdef __cplusplus
}
#endif
#endif
