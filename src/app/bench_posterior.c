/* Opens or makes a posterior, shares it as a prediction does, has batch after batch measured
 * (benchmark.c), and says what the times mean: draws a second, and shares of the cores' peak. */
#include "app/bench_posterior.h"

#include "app/context.h"
#include "app/random_posterior.h"
#include "base/alloc.h"

/** A run. */
typedef struct bench {
    const crd_bench_options *given;
    crd_comm *comm;
    crd_context context;
    crd_sampler_options sampler;
    crd_bench_facts facts;
    crd_benchmark_op *measured; /* [op]; NULL: not asked for */
    crd_bench_op *ops;          /* [op] */
} bench;

/** Rank 0's half of the start. */
static crd_status open_posterior(bench *b)
{
    crd_status status = CRD_OK;
    const crd_bench_options *given = b->given;
    const char *estimator = given->sampler.estimator;
    crd_posterior *made;
    if (given->posterior != NULL)
        return crd_context_open(&b->context, given->posterior, NULL, 0, 0, estimator);
    CRD_TRY(crd_random_posterior(&made, given->arch, given->bayesian, given->n_bayesian,
                                 given->sampler.seed));
    b->context.path = given->arch;
    CRD_TRY(crd_context_take(&b->context, made, estimator));
cleanup:
    return status;
}

static crd_status make_room(bench *b)
{
    crd_status status = CRD_OK;
    CRD_ALLOC(&b->measured, b->facts.network->n_ops, "layers");
    CRD_ALLOC(&b->ops, b->facts.network->n_ops, "layers");
cleanup:
    return status;
}

/** Every rank measures its core's peak, rank 0 its kernels. */
static void find_facts(bench *b)
{
    crd_bench_facts *f = &b->facts;
    *f = (crd_bench_facts){.network = crd_context_model(&b->context)->network,
                           .estimator = b->context.estimator,
                           .precision = b->sampler.precision,
                           .n_ranks = crd_comm_size(b->comm),
                           .peak_flops = crd_peak_flops(b->sampler.precision == CRD_BF16, 0.5)};
    f->macs = crd_network_macs(f->network);
    if (crd_comm_rank(b->comm) != 0)
        return;
    f->n_kernels = crd_kernels_all(f->kernels, CRD_BENCH_MAX_KERNELS);
    for (int i = 0; i < f->n_kernels; i++)
        f->normal_ns[i] = crd_benchmark_normal_ns(f->kernels[i]);
}

/** Floating-point operations of direct convolution, of one draw of the batch. */
static double flops_of(const bench *b, int64_t macs)
{
    return 2 * (double)macs * (double)b->sampler.batch;
}

/** The ops that take time of their own. Returns their number. */
static int64_t judge_ops(bench *b)
{
    const crd_network *network = b->facts.network;
    int64_t n = 0;
    for (int64_t i = 0; i < network->n_ops; i++) {
        const crd_benchmark_op *m = &b->measured[i];
        double flops = flops_of(b, crd_network_op_macs(network, i)) / m->seconds;
        if (m->seconds != 0)
            b->ops[n++] = (crd_bench_op){.name = crd_network_op_name(network, i),
                                         .method = m->method,
                                         .seconds = m->seconds,
                                         .flops = flops,
                                         .peak_share = flops / b->facts.peak_flops};
    }
    return n;
}

static crd_bench_result judge(bench *b, const crd_benchmark *measured)
{
    const crd_bench_facts *f = &b->facts;
    double draws_per_s = f->n_ranks / measured->draw_s;
    double flops = flops_of(b, f->macs) * draws_per_s;
    return (crd_bench_result){.batch = b->sampler.batch,
                              .measured = *measured,
                              .draws_per_s = draws_per_s,
                              .image_draws_per_s = draws_per_s * (double)b->sampler.batch,
                              .passes_per_draw = measured->draw_s / measured->pass_s,
                              .flops = flops,
                              .peak_share = flops / f->peak_flops / f->n_ranks,
                              .ops = b->ops,
                              .n_ops = b->ops != NULL ? judge_ops(b) : 0};
}

static crd_status run_batch(bench *b, int64_t batch, const crd_bench_hooks *hooks)
{
    crd_status status = CRD_OK;
    crd_benchmark measured = {.ops = b->measured};
    b->sampler.batch = batch;
    for (int64_t i = 0; b->measured != NULL && i < b->facts.network->n_ops; i++)
        b->measured[i] = (crd_benchmark_op){0};
    CRD_TRY(crd_benchmark_run(&measured, b->comm, crd_context_model(&b->context), &b->sampler,
                              b->given->n_draws, b->given->n_repeats));
    if (crd_comm_rank(b->comm) == 0) {
        const crd_bench_result result = judge(b, &measured);
        hooks->result(&result, hooks->payload);
    }
cleanup:
    return status;
}

crd_status crd_bench_posterior(crd_comm *comm, const crd_bench_options *options,
                               const crd_bench_hooks *hooks)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(comm) == 0;
    bench b = {.given = options, .comm = comm, .sampler = options->sampler};
    status = is_first ? open_posterior(&b) : CRD_OK;
    CRD_TRY(crd_context_share(&b.context, comm, status, NULL, 0));
    b.sampler.estimator = b.context.estimator;
    find_facts(&b);
    if (options->by_op)
        CRD_TRY(crd_comm_agree(comm, make_room(&b)));
    if (is_first)
        hooks->start(&b.facts, hooks->payload);
    for (int i = 0; i < options->n_batches; i++)
        CRD_TRY(run_batch(&b, (int64_t)options->batches[i], hooks));
cleanup:
    crd_free(b.ops);
    crd_free(b.measured);
    crd_context_close(&b.context);
    return status;
}
