/* Seconds of a draw, and of a deterministic pass, on all ranks at once. Ranks begin a repeat
 * together, and the slowest one ends it; the median over repeats counts, for a single op its best
 * time. */
#include "app/benchmark.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/compare.h"
#include "base/integers.h"

/* One kind of run, drawn or deterministic. */
typedef struct bench {
    crd_comm *comm;
    const crd_network *network;
    crd_sampler_options options;
    int64_t n_draws, n_repeats;
    crd_sampler *sampler;
    float *images, *logits;
    double *seconds; /* [n_repeats] */
} bench;

static crd_status prepare(bench *b, const crd_model *model)
{
    crd_status status = CRD_OK;
    const crd_sampler_options *options = &b->options;
    int64_t floats = options->batch * crd_shape_count(crd_network_input_shape(b->network));
    CRD_ALLOC(&b->images, floats, "images");
    CRD_ALLOC(&b->logits, options->draw_block * options->batch * crd_network_n_outputs(b->network),
              "logits");
    CRD_ALLOC(&b->seconds, b->n_repeats, "times");
    crd_normal_fill(b->images, floats, 0,
                    &(crd_stream){.seed = options->seed, .purpose = CRD_PURPOSE_ACTIVATION});
    CRD_TRY(crd_sampler_create(&b->sampler, model, options));
cleanup:
    return status;
}

static void clear(bench *b)
{
    crd_sampler_destroy(b->sampler);
    crd_free(b->seconds);
    crd_free(b->logits);
    crd_free(b->images);
}

static void keep_best(crd_benchmark_op *ops, const bench *b, int64_t n_draws)
{
    for (int64_t i = 0; ops != NULL && i < b->network->n_ops; i++) {
        double now = crd_sampler_op_seconds(b->sampler, i) / (double)n_draws;
        if (ops[i].seconds == 0 || now < ops[i].seconds)
            ops[i].seconds = now;
    }
}

static crd_status repeat(bench *b, crd_benchmark_op *ops)
{
    for (int64_t d = 0; d < b->n_draws; d += b->options.draw_block) {
        int64_t n = crd_smaller(b->n_draws - d, b->options.draw_block);
        b->images[0] += b->options.mean ? 1.0f : 0.0f; /* or the last call's output would serve */
        crd_status status =
            crd_sampler_run(b->logits, b->sampler, b->images, b->options.batch, 0, d, n);
        if (status != CRD_OK)
            return status;
        keep_best(ops, b, n);
    }
    return CRD_OK;
}

/* Seconds a draw, and of rank 0's processor: all ranks begin a repeat together, and the last one
 * ends it. */
static crd_status measure(double *draw_s, double *cpu_s, bench *b, crd_benchmark *shares)
{
    crd_benchmark_op *ops = shares == NULL ? NULL : shares->ops;
    crd_sampler_times before = {0};
    int64_t n_allocations = 0;
    crd_status status = crd_comm_agree(b->comm, repeat(b, NULL)); /* warms caches */
    for (int64_t r = 0; status == CRD_OK && r < b->n_repeats; r++) {
        if (r == 0) {
            before = crd_sampler_get_times(b->sampler);
            n_allocations = crd_alloc_count();
        }
        double start = crd_clock_now_s(), cpu_start = crd_clock_processor_s();
        crd_status local = repeat(b, ops);
        double cpu = (crd_clock_processor_s() - cpu_start) / (double)b->n_draws;
        *cpu_s = r == 0 || cpu < *cpu_s ? cpu : *cpu_s;
        int64_t spent_ns = (int64_t)(1e9 * (crd_clock_now_s() - start));
        crd_comm_reduce_max(b->comm, &spent_ns, 1);
        b->seconds[r] = 1e-9 * (double)spent_ns;
        status = crd_comm_agree(b->comm, local);
    }
    if (status != CRD_OK)
        return status;
    qsort(b->seconds, (size_t)b->n_repeats, sizeof *b->seconds, crd_compare_double);
    *draw_s = b->seconds[b->n_repeats / 2] / (double)b->n_draws;
    if (shares == NULL)
        return CRD_OK;
    crd_sampler_times after = crd_sampler_get_times(b->sampler);
    double drawn = after.draw_s - before.draw_s, weighted = after.weighted_s - before.weighted_s;
    double all = drawn + weighted + after.rest_s - before.rest_s;
    shares->n_allocations = crd_alloc_count() - n_allocations;
    shares->draw_share = drawn / all;
    shares->weighted_share = weighted / all;
    shares->rest_share = 1 - (drawn + weighted) / all;
    for (int64_t i = 0; ops != NULL && i < b->network->n_ops; i++)
        ops[i].method = crd_sampler_method(b->sampler, i);
    return CRD_OK;
}

crd_status crd_benchmark_run(crd_benchmark *out, crd_comm *comm, const crd_model *model,
                             const crd_sampler_options *options, int64_t n_draws, int64_t n_repeats)
{
    bench drawn = {.comm = comm,
                   .network = model->network,
                   .options = *options,
                   .n_draws = n_draws,
                   .n_repeats = n_repeats};
    bench mean = drawn;
    mean.options.mean = 1;
    mean.options.draw_block = 1;
    mean.n_draws =
        crd_smaller(n_draws, options->draw_block); /* a thousand draws may cost one pass */
    crd_status status = crd_comm_agree(comm, prepare(&drawn, model));
    if (status == CRD_OK)
        status = measure(&out->draw_s, &out->draw_cpu_s, &drawn, out);
    clear(&drawn);
    if (status == CRD_OK)
        status = crd_comm_agree(comm, prepare(&mean, model));
    if (status == CRD_OK)
        status = measure(&out->pass_s, &out->pass_cpu_s, &mean, NULL);
    clear(&mean);
    return status;
}

double crd_benchmark_normal_ns(const crd_kernels *kernels)
{
    enum { N = 2048 };
    float out[N], mu[N] = {0}, sigma[N] = {0};
    crd_stream stream = {.seed = 1, .purpose = CRD_PURPOSE_WEIGHT};
    int64_t n = 0;
    double start = crd_clock_now_s(), seconds;
    do {
        kernels->draw(out, mu, sigma, N, 0, &stream);
        stream.draw++;
        n += N;
        seconds = crd_clock_now_s() - start;
    } while (seconds < 0.1);
    return 1e9 * seconds / (double)n;
}
