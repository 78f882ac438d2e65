/* `credence bench`: makes or reads a posterior, has it measured (benchmark.c), and prints draws
 * per second, the share of the cores' peak, and with -v a line for every op. */
#include <stdio.h>

#include "app/benchmark.h"
#include "app/random_posterior.h"
#include "base/alloc.h"
#include "cli/command.h"
#include "cli/output.h"
#include "credence/files.h"
#include "credence/sampler.h"
#include "kernels/kernels.h"

static void show_kernels(json_t *root)
{
    const crd_kernels *tables[8];
    int n = crd_kernels_all(tables, 8);
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        double ns = crd_benchmark_normal_ns(tables[i]);
        int is_used = tables[i] == crd_kernels_get();
        if (root == NULL)
            printf("  %-8s %6.2f ns a drawn weight%s\n", tables[i]->name, ns,
                   is_used ? "   in use" : "");
        json_array_append_new(list, json_pack("{s:s, s:f, s:b}", "name", tables[i]->name,
                                              "ns_per_normal", ns, "in_use", is_used));
    }
    if (root != NULL)
        json_object_set_new(root, "kernels", list);
    else
        json_decref(list);
}

/** What the run is about. */
typedef struct setting {
    const crd_network *network;
    const crd_sampler_options *options;
    int n_ranks;
    double peak; /**< of one core, in the precision */
} setting;

static void show_head(json_t *root, const setting *s)
{
    int64_t macs = crd_network_macs(s->network);
    const char *arch = s->network->arch, *estimator = s->options->estimator;
    const char *precision = crd_precision_names()[s->options->precision];
    if (root != NULL)
        json_object_update_new(root,
                               json_pack("{s:s, s:s, s:s, s:i, s:I, s:f, s:s}", "arch", arch,
                                         "estimator", estimator, "precision", precision, "n_ranks",
                                         s->n_ranks, "macs", (json_int_t)macs, "peak_gflops",
                                         1e-9 * s->peak, "openblas_core", crd_gemm_core()));
    else
        printf(
            "%s, %s, %s, %d rank%s, %.4f GMAC an image; one core: %.1f GFLOP/s %s peak measured; "
            "OpenBLAS %s\n",
            arch, estimator, precision, s->n_ranks, s->n_ranks == 1 ? "" : "s", 1e-9 * (double)macs,
            1e-9 * s->peak, precision, crd_gemm_core());
}

/** Floating-point operations of direct convolution, of one draw of the batch. */
static double flops_of(const setting *s, int64_t macs)
{
    return 2 * (double)macs * (double)s->options->batch;
}

static void print_op(const char *name, const crd_benchmark_op *n, double speed, double peak)
{
    printf("          %-28s %-18s %9.3f", name, n->method, 1e3 * n->seconds);
    if (speed > 0)
        printf(" %9.1f %6.1f %%", 1e-9 * speed, 100 * speed / peak);
    putchar('\n');
}

static void show_ops(json_t *row, const setting *s, const crd_benchmark *m)
{
    json_t *list = row == NULL ? NULL : json_array();
    if (row == NULL)
        printf("          %-28s %-18s %9s %9s %8s\n", "layer", "method", "ms a draw", "GFLOP/s",
               "of peak");
    for (int64_t i = 0; i < s->network->n_ops; i++) {
        const char *name = crd_network_op_name(s->network, i);
        const crd_benchmark_op *n = &m->ops[i];
        double speed = flops_of(s, crd_network_op_macs(s->network, i)) / n->seconds;
        if (n->seconds == 0)
            continue;
        if (row == NULL)
            print_op(name, n, speed, s->peak);
        else
            json_array_append_new(list, json_pack("{s:s, s:s, s:f, s:f}", "layer", name, "method",
                                                  n->method, "seconds", n->seconds, "peak_share",
                                                  speed / s->peak));
    }
    if (row != NULL)
        json_object_set_new(row, "layers", list);
}

static void show(json_t *rows, const setting *s, const crd_benchmark *m)
{
    double draws_per_s = s->n_ranks / m->draw_s, passes = m->draw_s / m->pass_s;
    double images_per_s = draws_per_s * (double)s->options->batch;
    double speed = flops_of(s, crd_network_macs(s->network)) * draws_per_s;
    double share = speed / s->peak / s->n_ranks;
    json_t *row = NULL;
    if (rows == NULL) {
        printf("  %5lld %10.3f %12.3f %8.3f %9.1f %8.1f %%   %5.1f %%  %6.1f %%  %5.1f %%  %8lld\n",
               (long long)s->options->batch, draws_per_s, images_per_s, passes, 1e-9 * speed,
               100 * share, 100 * m->draw_share, 100 * m->weighted_share, 100 * m->rest_share,
               (long long)m->n_allocations);
    } else {
        row = json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "batch",
                        (json_int_t)s->options->batch, "draws_per_s", draws_per_s,
                        "image_draws_per_s", images_per_s, "pass_s", m->pass_s, "passes_per_draw",
                        passes, "gflops", 1e-9 * speed, "peak_share", share, "draw_share",
                        m->draw_share, "weighted_share", m->weighted_share, "rest_share",
                        m->rest_share, "n_allocations", (json_int_t)m->n_allocations);
        json_array_append_new(rows, row);
    }
    if (m->ops != NULL)
        show_ops(row, s, m);
    fflush(stdout);
}

/** Rank 0's posterior, or random weights; every rank makes or reads its own: nothing else is
 * measured here. */
static crd_status load(crd_posterior **out, const crd_options *given)
{
    const crd_option_value *globs = &given->values[CRD_OPT_BAYESIAN];
    if (given->n_arguments > 0)
        return crd_posterior_read(out, given->arguments[0]);
    return crd_random_posterior(
        out, crd_opt_text(given, CRD_OPT_BENCH_ARCH), (const char *const *)globs->texts,
        globs->given ? (int)globs->n_texts : -1, (uint64_t)crd_opt_int(given, CRD_OPT_SEED));
}

/** The blocks of the model. */
typedef struct numbers {
    float *mu, *sigma, *deviations;
} numbers;

static crd_status make_model(crd_model *out, numbers *own, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    int64_t n_floats = posterior->n_components * network->params.n_floats;
    CRD_ALLOC(&own->mu, n_floats, "mu");
    if (crd_family_is_random(posterior->family))
        CRD_ALLOC(&own->sigma, n_floats, "sigma");
    CRD_TRY(crd_model_fill(own->mu, own->sigma, posterior));
    if (posterior->rank > 0) {
        CRD_ALLOC(&own->deviations, posterior->rank * n_floats, "deviations");
        crd_model_fill_deviations(own->deviations, posterior);
    }
    *out = (crd_model){.network = network,
                       .bayesian = posterior->bayesian,
                       .mu = own->mu,
                       .sigma = own->sigma,
                       .deviations = own->deviations,
                       .rank = posterior->rank,
                       .family = posterior->family,
                       .n_components = posterior->n_components};
cleanup:
    return status;
}

static crd_status prepare(crd_posterior **posterior, crd_model *model, numbers *own,
                          const crd_options *given)
{
    crd_status status = CRD_OK;
    CRD_TRY(load(posterior, given));
    CRD_TRY(make_model(model, own, *posterior));
cleanup:
    return status;
}

crd_status crd_cmd_bench(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    const crd_option_value *batches = &given->values[CRD_OPT_BENCH_BATCH];
    int is_first = crd_comm_rank(cli->comm) == 0;
    crd_posterior *posterior = NULL;
    crd_model model = {0};
    crd_benchmark measured = {0};
    numbers own = {NULL, NULL, NULL};
    json_t *root = is_first && crd_opt_flag(given, CRD_OPT_JSON) ? json_object() : NULL,
           *rows = NULL;
    crd_sampler_options options = {.seed = (uint64_t)crd_opt_int(given, CRD_OPT_SEED),
                                   .precision =
                                       (crd_precision)crd_opt_choice(given, CRD_OPT_PRECISION),
                                   .draw_block = crd_opt_int(given, CRD_OPT_DRAW_BLOCK)};
    const char *both = crd_opt_given(given, CRD_OPT_BENCH_ARCH) ? "arch" : "bayesian";
    CRD_REQUIRE(given->n_arguments == 0 || !(crd_opt_given(given, CRD_OPT_BENCH_ARCH) ||
                                             crd_opt_given(given, CRD_OPT_BAYESIAN)),
                CRD_ERR_USAGE, "a posterior file or --%s, not both", both);
    CRD_TRY(crd_comm_agree(cli->comm, prepare(&posterior, &model, &own, given)));
    options.estimator = crd_opt_text(given, CRD_OPT_ESTIMATOR) != NULL
                            ? crd_opt_text(given, CRD_OPT_ESTIMATOR)
                            : posterior->conversion.type;
    if (crd_opt_flag(given, CRD_OPT_VERBOSE))
        CRD_TRY(
            crd_comm_agree(cli->comm, crd_alloc_zeroed((void **)&measured.ops, model.network->n_ops,
                                                       sizeof *measured.ops, "layers")));
    const setting s = {model.network, &options, crd_comm_size(cli->comm),
                       crd_peak_flops(options.precision == CRD_BF16, 0.5)};
    if (is_first) {
        show_head(root, &s);
        show_kernels(root);
    }
    if (root != NULL)
        json_object_set_new(root, "batches", rows = json_array());
    else if (is_first)
        puts("  batch    draws/s  image draws/s   passes   GFLOP/s  of peak   drawing  weighted   "
             "rest   allocations");
    for (int b = 0; b < batches->n_numbers; b++) {
        options.batch = (int64_t)batches->numbers[b];
        for (int64_t i = 0; measured.ops != NULL && i < model.network->n_ops; i++)
            measured.ops[i] = (crd_benchmark_op){0};
        CRD_TRY(crd_benchmark_run(&measured, cli->comm, &model, &options,
                                  crd_opt_int(given, CRD_OPT_BENCH_DRAWS),
                                  crd_opt_int(given, CRD_OPT_REPEATS)));
        if (is_first)
            show(rows, &s, &measured);
    }
    if (root != NULL) {
        status = crd_json_print(root);
        root = NULL;
    }
cleanup:
    json_decref(root);
    crd_free(measured.ops);
    crd_free(own.deviations);
    crd_free(own.sigma);
    crd_free(own.mu);
    crd_posterior_destroy(posterior);
    return status;
}
