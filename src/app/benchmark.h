/** Measures how fast the ranks draw networks and run them. */
#ifndef CRD_APP_BENCHMARK_H
#define CRD_APP_BENCHMARK_H

#include "credence/comm.h"
#include "credence/sampler.h"
#include "kernels/kernels.h"

/** Of an op of the graph, on rank 0. */
typedef struct crd_benchmark_op {
    const char *method; /**< crd_sampler_method. Static */
    double seconds;     /**< best of a draw of the batch; 0: part of another op, or free of draws */
} crd_benchmark_op;

/** What was measured at one batch size. Seconds are of one draw of the batch on every rank at
 * the same time. */
typedef struct crd_benchmark {
    double draw_s; /**< median of the repeats' slowest ranks */
    double pass_s; /**< likewise of the deterministic network, for an image batch not seen before */
    double draw_cpu_s, pass_cpu_s; /**< rank 0's processor time, the repeats' least */
    double draw_share;             /**< of rank 0's time: making weights, signs, noise */
    double weighted_share;         /**< convolutions and linear layers */
    double rest_share;
    int64_t n_allocations; /**< on rank 0 while drawing and running */
    crd_benchmark_op *ops; /**< [n_ops] the caller's; NULL: not asked for */
} crd_benchmark;

/** n_repeats times n_draws draws of options->batch random images, in blocks of
 * options->draw_block, after a warm-up; the images stay the same, so what no draw influences is
 * computed once. Collective: on comm; arguments equal on all ranks. Fills `out` but for `ops`,
 * whose elements it fills. Errors: the sampler's. */
crd_status crd_benchmark_run(crd_benchmark *out, crd_comm *comm, const crd_model *model,
                             const crd_sampler_options *options, int64_t n_draws,
                             int64_t n_repeats);

/** Nanoseconds of a drawn weight, mu + sigma eps, with this table, from numbers in the first
 * cache. */
double crd_benchmark_normal_ns(const crd_kernels *kernels);

#endif
