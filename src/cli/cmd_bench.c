#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/random_posterior.h"
#include "credence/files.h"
#include "credence/sampler.h"
#include "kernels/kernels.h"

enum { MAX_REPEATS = 1000 };

/** What was measured at one batch size, on one core. */
typedef struct measurement {
    int64_t batch;
    double seconds;    /**< median of a repeat */
    double draw_share; /**< of the time: making weights, signs, noise */
    double weighted_share;
    double rest_share;
    int64_t n_allocations; /**< while drawing and running */
} measurement;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static crd_status measure(measurement *out, const crd_model *model,
                          const crd_sampler_options *options, int64_t n_draws, int64_t n_repeats)
{
    crd_status status = CRD_OK;
    crd_sampler *sampler = NULL;
    float *images = NULL, *logits = NULL;
    double seconds[MAX_REPEATS];
    int64_t batch = options->batch;
    int64_t floats = batch * crd_shape_count(crd_network_input_shape(model->network));
    const crd_stream stream = {.seed = options->seed, .purpose = CRD_PURPOSE_ACTIVATION};
    CRD_ALLOC(&images, floats, "images");
    CRD_ALLOC(&logits, options->draw_block * batch * crd_network_n_outputs(model->network),
              "logits");
    crd_normal_fill(images, floats, 0, &stream);
    CRD_TRY(crd_sampler_create(&sampler, model, options));
    crd_sampler_times before = {0};
    int64_t n_allocations = 0;
    for (int64_t r = -1; r < n_repeats; r++) { /* the first warms caches and is not counted */
        if (r == 0) {
            before = crd_sampler_get_times(sampler);
            n_allocations = crd_alloc_count();
        }
        double start = crd_clock_now_s();
        for (int64_t d = 0; d < n_draws; d += options->draw_block) {
            int64_t n = n_draws - d < options->draw_block ? n_draws - d : options->draw_block;
            CRD_TRY(crd_sampler_run(logits, sampler, images, batch, 0, d, n));
        }
        if (r >= 0)
            seconds[r] = crd_clock_now_s() - start;
    }
    n_allocations = crd_alloc_count() - n_allocations;
    crd_sampler_times after = crd_sampler_get_times(sampler);
    double draw_s = after.draw_s - before.draw_s, weighted_s = after.weighted_s - before.weighted_s;
    double all_s = draw_s + weighted_s + after.rest_s - before.rest_s;
    qsort(seconds, (size_t)n_repeats, sizeof *seconds, by_value);
    *out = (measurement){.batch = batch,
                         .seconds = seconds[n_repeats / 2],
                         .draw_share = draw_s / all_s,
                         .weighted_share = weighted_s / all_s,
                         .rest_share = 1 - (draw_s + weighted_s) / all_s,
                         .n_allocations = n_allocations};
cleanup:
    crd_sampler_destroy(sampler);
    crd_free(logits);
    crd_free(images);
    return status;
}

/** Nanoseconds of a normal with this table, from numbers that stay in the first cache. */
static double measure_normal_ns(const crd_kernels *kernels)
{
    enum { N = 4096 };
    float out[N];
    crd_stream stream = {.seed = 1, .purpose = CRD_PURPOSE_WEIGHT};
    int64_t n = 0;
    double start = crd_clock_now_s(), seconds;
    do {
        kernels->normal_fill(out, N, 0, &stream);
        stream.draw++;
        n += N;
        seconds = crd_clock_now_s() - start;
    } while (seconds < 0.1);
    return 1e9 * seconds / (double)n;
}

static void show_kernels(json_t *root)
{
    const crd_kernels *tables[8];
    int n = crd_kernels_all(tables, 8);
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        double ns = measure_normal_ns(tables[i]);
        int is_used = tables[i] == crd_kernels_get();
        if (root == NULL)
            printf("  %-8s %6.2f ns a normal%s\n", tables[i]->name, ns, is_used ? "   in use" : "");
        json_array_append_new(list, json_pack("{s:s, s:f, s:b}", "name", tables[i]->name,
                                              "ns_per_normal", ns, "in_use", is_used));
    }
    if (root != NULL)
        json_object_set_new(root, "kernels", list);
    else
        json_decref(list);
}

static void show(json_t *rows, const measurement *m, int64_t n_draws, int64_t macs, double peak)
{
    double draws_per_s = (double)n_draws / m->seconds;
    double flops = 2 * (double)macs * (double)(n_draws * m->batch) / m->seconds;
    if (rows != NULL)
        json_array_append_new(
            rows, json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "batch",
                            (json_int_t)m->batch, "draws_per_s", draws_per_s, "image_draws_per_s",
                            draws_per_s * (double)m->batch, "gflops", 1e-9 * flops, "peak_share",
                            flops / peak, "draw_share", m->draw_share, "weighted_share",
                            m->weighted_share, "rest_share", m->rest_share, "n_allocations",
                            (json_int_t)m->n_allocations));
    else
        printf("  %5lld %10.3f %12.3f %9.1f %8.1f %%   %5.1f %%  %6.1f %%  %5.1f %%  %8lld\n",
               (long long)m->batch, draws_per_s, draws_per_s * (double)m->batch, 1e-9 * flops,
               100 * flops / peak, 100 * m->draw_share, 100 * m->weighted_share,
               100 * m->rest_share, (long long)m->n_allocations);
}

crd_status crd_cmd_bench(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    const crd_option_value *values = given->values, *batches = &values[CRD_OPT_BENCH_BATCH];
    const char *type = values[CRD_OPT_TYPE].text;
    crd_posterior *posterior = NULL;
    float *mu = NULL, *sigma = NULL;
    json_t *root = values[CRD_OPT_JSON].integer ? json_object() : NULL, *rows = NULL;
    crd_sampler_options options = {.seed = (uint64_t)values[CRD_OPT_SEED].integer,
                                   .draw_block = values[CRD_OPT_DRAW_BLOCK].integer};
    CRD_REQUIRE(given->n_arguments == 0 || !values[CRD_OPT_BENCH_ARCH].given, CRD_ERR_USAGE,
                "a posterior file or --arch, not both");
    if (given->n_arguments > 0)
        CRD_TRY(crd_posterior_read(&posterior, given->arguments[0]));
    else
        CRD_TRY(crd_random_posterior(&posterior, values[CRD_OPT_BENCH_ARCH].text, options.seed));
    options.estimator = type != NULL ? type : posterior->conversion.type;
    const crd_network *network = posterior->network;
    CRD_ALLOC(&mu, network->params.n_floats, "mu");
    CRD_ALLOC(&sigma, network->params.n_floats, "sigma");
    CRD_TRY(crd_model_fill(mu, sigma, posterior));
    crd_model model = {
        .network = network, .bayesian = posterior->bayesian, .mu = mu, .sigma = sigma};
    double peak = crd_peak_flops(0.5);
    int64_t macs = crd_network_macs(network), n_draws = values[CRD_OPT_BENCH_DRAWS].integer;
    if (root == NULL) {
        printf(
            "%s, %s, %.4f GMAC an image; one core: %.1f GFLOP/s fp32 peak measured; OpenBLAS %s\n",
            network->arch, options.estimator, 1e-9 * (double)macs, 1e-9 * peak, crd_gemm_core());
    } else {
        json_object_update_new(
            root, json_pack("{s:s, s:s, s:I, s:f, s:s, s:I}", "arch", network->arch, "estimator",
                            options.estimator, "macs", (json_int_t)macs, "peak_gflops", 1e-9 * peak,
                            "openblas_core", crd_gemm_core(), "n_draws", (json_int_t)n_draws));
    }
    show_kernels(root);
    if (root == NULL)
        puts("  batch    draws/s  image draws/s   GFLOP/s  of peak   drawing  weighted   rest   "
             "allocations");
    else
        json_object_set_new(root, "batches", rows = json_array());
    for (int b = 0; b < batches->n_numbers; b++) {
        measurement m;
        options.batch = (int64_t)batches->numbers[b];
        CRD_TRY(measure(&m, &model, &options, n_draws, values[CRD_OPT_REPEATS].integer));
        show(rows, &m, n_draws, macs, peak);
        fflush(stdout);
    }
    if (root != NULL) {
        status = crd_json_print(root);
        root = NULL;
    }
cleanup:
    json_decref(root);
    crd_free(sigma);
    crd_free(mu);
    crd_posterior_destroy(posterior);
    return status;
}
