/** How fast the ranks draw networks of a posterior and run them, against the cores' peak: for
 * `bench`. */
#ifndef CRD_APP_BENCH_POSTERIOR_H
#define CRD_APP_BENCH_POSTERIOR_H

#include <stdbool.h>

#include "app/benchmark.h"

/** What is measured. All borrowed. Equal on all ranks. */
typedef struct crd_bench_options {
    const char *posterior; /**< its file; NULL: random weights (crd_random_posterior) */
    const char *arch;      /**< of random weights */
    const char *const *bayesian;
    int n_bayesian;
    crd_sampler_options sampler; /**< estimator NULL: the posterior's; batch: see batches */
    const double *batches;       /**< [n_batches] images at a time, whole numbers */
    int n_batches;
    int64_t n_draws, n_repeats; /**< crd_benchmark_run */
    bool by_op;
} crd_bench_options;

#define CRD_BENCH_MAX_KERNELS 8

/** What is known before the measurement. */
typedef struct crd_bench_facts {
    const crd_network *network;
    const char *estimator;
    crd_precision precision;
    int n_ranks;
    int64_t macs;      /**< of an image */
    double peak_flops; /**< of one core, in the precision, measured */
    const crd_kernels *kernels[CRD_BENCH_MAX_KERNELS];
    double normal_ns[CRD_BENCH_MAX_KERNELS]; /**< of a drawn weight, by each */
    int n_kernels;
} crd_bench_facts;

/** An op that takes time of its own. */
typedef struct crd_bench_op {
    const char *name, *method;
    double seconds;    /**< of a draw of the batch */
    double flops;      /**< a second; 0: it has no products */
    double peak_share; /**< of one core's */
} crd_bench_op;

/** What all ranks do at a batch size. */
typedef struct crd_bench_result {
    int64_t batch;
    crd_benchmark measured;
    double draws_per_s, image_draws_per_s;
    double passes_per_draw; /**< deterministic passes that take as long as a draw */
    double flops;           /**< a second, as of direct convolution */
    double peak_share;      /**< of all cores' */
    crd_bench_op *ops;      /**< [n_ops]; none unless by_op */
    int64_t n_ops;
} crd_bench_result;

/** Called on rank 0. */
typedef struct crd_bench_hooks {
    void (*start)(const crd_bench_facts *facts, void *payload);
    void (*result)(const crd_bench_result *result, void *payload);
    void *payload;
} crd_bench_hooks;

/** Collective: on comm; all ranks return the same status. Errors: of crd_posterior_read,
 * crd_random_posterior and the sampler. */
crd_status crd_bench_posterior(crd_comm *comm, const crd_bench_options *options,
                               const crd_bench_hooks *hooks);

#endif
