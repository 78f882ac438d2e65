/** Networks of one training, collected on the way: their moments (SWAG), or they themselves
 * (snapshots, members of an ensemble). For engine, io and app. */
#ifndef CRD_BAYES_COLLECTION_H
#define CRD_BAYES_COLLECTION_H

#include "credence/collect.h"
#include "credence/posterior.h"

typedef struct crd_collection {
    crd_collect_kind kind;
    int64_t n_floats, rank; /**< of SWAG: deviations kept */
    int64_t n;              /**< networks collected */
    /** SWAG: [n_floats] mean, and sum of squared differences from it. */
    double *mean, *squares;
    /** [capacity][n_floats] SWAG: the difference of network i from the mean of the first i + 1 in
     * row i mod rank; members: network i in row i. */
    float *rows;
    int64_t *steps; /**< [capacity] members: after which each was collected; of SWAG NULL */
    int64_t capacity;
} crd_collection;

/** An empty one. Errors: CRD_ERR_USAGE: rank is neither 0 nor 2 to CRD_MAX_RANK. */
crd_status crd_collection_create(crd_collection **out, const crd_collect_options *options,
                                 int64_t n_floats);
void crd_collection_destroy(crd_collection *collection);
/** Makes room for n rows in all: members. */
crd_status crd_collection_reserve(crd_collection *collection, int64_t n);
/** Rows that hold something. */
int64_t crd_collection_n_rows(const crd_collection *collection);

/** Adds the network values[n_floats] of step `step`. The moments are means in double, so that
 * their error is far below a float's. Errors: out of memory: nothing was added. */
crd_status crd_collection_add(crd_collection *collection, const float *values, int64_t step);

/** The posterior: graph, classes, preprocessing and outputs are those of `like`; `file` and
 * `digest`, which name where the training began, become the members' origins. Errors: out of
 * memory. */
crd_status crd_collection_make_posterior(crd_posterior **out, const crd_collection *collection,
                                         const crd_posterior *like, const char *file,
                                         const char *digest);

#endif
