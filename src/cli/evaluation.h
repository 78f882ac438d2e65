/** What `evaluate` finds, and how it is said. */
#ifndef CRD_CLI_EVALUATION_H
#define CRD_CLI_EVALUATION_H

#include "credence/detection.h"
#include "credence/metrics.h"
#include "credence/predictive.h"

/** Scores of a single image: a high one asks for doubt. */
enum {
    CRD_SCORE_CONFIDENCE, /**< largest probability, negated */
    CRD_SCORE_ENTROPY,
    CRD_SCORE_INFORMATION,
    CRD_N_SCORES
};

/** Every figure with its error over images. */
typedef struct crd_evaluation {
    const char *posterior, *estimator; /**< "mean" for the deterministic network */
    const char *precision;
    int64_t n_images, n_classes, n_draws;
    int64_t n_unknown; /**< images of --ood; 0: none were given */
    int n_ranks;
    uint64_t seed;
    double seconds;
    crd_figure
        figures[CRD_MAX_FIELDS]; /**< of a reducer that judges its rows; the rest is of classes */
    int n_figures;               /**< 0: classes */
    crd_metrics metrics;
    crd_metrics_bin bins[CRD_METRICS_N_BINS];
    crd_estimate entropy, aleatoric, epistemic; /**< means over images, nats */
    crd_estimate avu;
    crd_selection selection;
    crd_detection ood[CRD_N_SCORES];
} crd_evaluation;

/** On stdout, as a table or as one JSON object. */
crd_status crd_evaluation_print(const crd_evaluation *evaluation, int as_json);

#endif
