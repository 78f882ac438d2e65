/** The table of reducers. One is a file of this room and a line of reducers.c. */
#ifndef CRD_REDUCE_REDUCER_H
#define CRD_REDUCE_REDUCER_H

#include "credence/predictive.h"

/** Mean over images of a quantity that `judge` gives. */
typedef struct crd_figure_spec {
    const char *key, *title, *units;
    int is_root;  /**< 1: the figure is the root of the mean */
    int is_score; /**< 1: the lower, the better: two methods can be compared by it */
} crd_figure_spec;

struct crd_reducer {
    const char *name;
    int is_ranked;                /**< 1: CRD_AXIS_DETAIL ranks the outputs */
    unsigned outputs;             /**< kinds of outputs that it serves: bits CRD_KIND */
    const char *axes[CRD_N_AXES]; /**< names; NULL: there is none */
    /** The last n_strata_fields of them are there only where draws are in strata. */
    const crd_field *fields;
    int n_fields, n_strata_fields;
    const crd_draw_field *draw_fields;
    int n_draw_fields;
    const crd_figure_spec *figures; /**< NULL: none */
    int n_figures;

    /** Sets the extents of all axes but CRD_AXIS_NONE, from outputs, n_outputs and n_strata. */
    crd_status (*size)(crd_reduction *reduction, int64_t n_top);
    /** Number of element i of CRD_AXIS_DETAIL; NULL: i. */
    double (*coordinate)(int64_t i);
    void (*add)(const crd_reduction *reduction, int64_t *sums, int64_t *maxima,
                const float *outputs, int64_t draw);
    void (*add_pair)(const crd_reduction *reduction, int64_t *sums, int64_t *maxima,
                     const float *first, const float *second, int64_t pair);
    int64_t (*n_draws)(const crd_reduction *reduction, const int64_t *sums);
    /** The row is marked as missing before, and n_draws > 0 is set. */
    void (*finish)(crd_summary *summary, int64_t image, int64_t *sums, int64_t *maxima);
    double (*error)(const crd_summary *summary, int64_t image);
    double (*doubt)(const crd_summary *summary, int64_t image);
    void (*describe_draw)(float *values, const crd_reduction *reduction, int field,
                          const float *outputs);
    /** quantities[n_figures] of an image; NaN: it has none. */
    void (*judge)(double *quantities, const crd_summary *summary, int64_t image,
                  const crd_truth *truth);
};

/** All of them, NULL-terminated. */
extern const crd_reducer *const crd_reducers[];
extern const crd_reducer crd_classification, crd_regression;

/** Groups of draws that are summed apart: strata, of chains their batches, in the order of
 * crd_batches. 1: none. */
int64_t crd_reduction_n_groups(const crd_reduction *reduction);
/** Group of an observation, a draw or pair. */
int64_t crd_reduction_group(const crd_reduction *reduction, int64_t observation);
/** Standard error of the mean over all draws, from those groups: crd_batch_error, or
 * crd_group_error. */
double crd_reduction_group_error(const crd_reduction *reduction, const double *sums,
                                 const int64_t *draws);

/** Fills the pointers of a reducer's rows, a struct with a member at each field's offset. */
void crd_summary_point(void *rows, const crd_summary *summary);

/** Bit of a kind of outputs: CRD_KIND(LOGITS). */
#define CRD_KIND(name) (1U << CRD_OUTPUT_##name)

/** A field: the member of `rows` of the same name; columns that all reducers have. */
#define CRD_FIELD(rows, member, kind, first, second, unit, text)                                   \
    .name = #member, .type = (kind), .axes = {(first), (second)},                                  \
    .offset = offsetof(rows, member), .units = (unit), .long_name = (text)
#define CRD_FIELD_N_DRAWS(rows)                                                                    \
    {                                                                                              \
        CRD_FIELD(rows, n_draws, CRD_INT64, CRD_AXIS_NONE, CRD_AXIS_NONE, "1",                     \
                  "number of draws behind the image's figures")                                    \
    }
#define CRD_FIELD_SKIPPED(rows)                                                                    \
    {                                                                                              \
        CRD_FIELD(rows, skipped, CRD_BOOL8, CRD_AXIS_NONE, CRD_AXIS_NONE, "1",                     \
                  "the image could not be read")                                                   \
    }
#define CRD_FIELD_SUMS(rows)                                                                       \
    {                                                                                              \
        CRD_FIELD(rows, sums, CRD_INT64, CRD_AXIS_SUM, CRD_AXIS_NONE, "1",                         \
                  "sums over the draws, in fixed point")                                           \
    }

#endif
