/* Times passes of one rank: bench_forward ARCH BATCH [ESTIMATOR [BAYESIAN [BLOCK [bf16]]]]. Prints the
 * median and the best milliseconds of a draw, and the processor time (beside other programs it says
 * more), as a share of (multiply-adds of direct convolution) /
 * (measured peak of one core), and for each layer its best time. ESTIMATOR may be "mean"; BAYESIAN
 * is a glob of layers. All passes run on the same images. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "credence/sampler.h"
#include "credence/zoo.h"
#include "kernels/kernels.h"

enum { MIN_RUNS = 5, MAX_RUNS = 200 };
#define MIN_SECONDS 2.0

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Weights of the size that keeps activations from growing or dying; running_var and gamma 1. */
static crd_status make_weights(crd_params *weights, const crd_network *network)
{
    crd_status status = CRD_OK;
    crd_params_init(weights);
    for (int64_t i = 0; i < network->params.n_params; i++)
        CRD_TRY(crd_params_add(NULL, weights, network->params.entries[i].name,
                               &network->params.entries[i].shape));
    CRD_TRY(crd_params_allocate(weights));
    for (int64_t i = 0; i < weights->n_params; i++) {
        const crd_param *param = &weights->entries[i];
        float *values = crd_params_view(weights, i);
        float scale = 1.0f / (float)(param->count / param->shape.dims[0]);
        const crd_stream stream = {.seed = 1, .tensor = (uint32_t)i};
        if (param->shape.n_dims > 1)
            crd_normal_fill(values, param->count, 0, &stream);
        for (int64_t k = 0; k < param->count; k++)
            values[k] = param->shape.n_dims > 1 ? values[k] * scale : 1.0f;
    }
cleanup:
    return status;
}

static double best_of(double *best, double now)
{
    return *best == 0 || now < *best ? (*best = now) : *best;
}

static void print_layers(const crd_network *network, const crd_sampler *sampler, const double *best,
                         int64_t n_images, double peak)
{
    printf("%-28s %-18s %9s %9s %8s\n", "layer", "method", "ms a draw", "GFLOP/s", "of peak");
    for (int64_t i = 0; i < network->n_nodes; i++) {
        const crd_node *node = &network->nodes[i];
        if (best[i] == 0)
            continue;
        double flops = 2.0 * (double)n_images * (double)crd_node_macs(network, i);
        printf("%-28s %-18s %9.3f %9.1f %7.1f%%\n", node->name, crd_sampler_method(sampler, i),
               1e3 * best[i], 1e-9 * flops / best[i], 100 * flops / best[i] / peak);
    }
}

int main(int argc, char **argv)
{
    crd_status status;
    crd_network *network = NULL;
    crd_posterior *posterior = NULL;
    crd_sampler *sampler = NULL;
    crd_params weights = {0};
    float *mu = NULL, *sigma = NULL, *images = NULL, *logits = NULL;
    double *best = NULL, runs[MAX_RUNS], busy[MAX_RUNS], total_s = 0;
    if (argc < 3) {
        fprintf(stderr,
                "use: bench_forward ARCH BATCH [ESTIMATOR|mean [BAYESIAN [BLOCK [bf16]]]]\n");
        return 2;
    }
    int64_t batch = atoll(argv[2]), block = argc > 5 ? atoll(argv[5]) : 4;
    const char *estimator = argc > 3 ? argv[3] : "reparameterization";
    const char *bayesian = argc > 4 ? argv[4] : "*";
    crd_sampler_options options = {.estimator = estimator, .batch = batch, .draw_block = block};
    if (argc > 6 && strcmp(argv[6], "bf16") == 0)
        options.precision = CRD_BF16;
    if (strcmp(estimator, "mean") == 0) {
        options.estimator = "reparameterization";
        options.mean = 1;
        options.draw_block = block = 1;
    }
    crd_conversion conversion = crd_conversion_defaults();
    conversion.moped_enable = 1;
    crd_gemm_init();
    double peak = crd_peak_flops(0.5);
    CRD_TRY(crd_zoo_build(&network, argv[1], 0, 0, 0));
    CRD_TRY(make_weights(&weights, network));
    CRD_TRY(crd_posterior_convert(&posterior, network, &weights, &conversion, &bayesian, 1));
    CRD_ALLOC(&mu, network->params.n_floats, "mu");
    CRD_ALLOC(&sigma, network->params.n_floats, "sigma");
    CRD_TRY(crd_model_fill(mu, sigma, posterior));
    const crd_model model = {
        .network = network, .bayesian = posterior->bayesian, .mu = mu, .sigma = sigma};
    int64_t image_floats = crd_shape_count(crd_network_input_shape(network));
    CRD_ALLOC(&images, batch * image_floats, "images");
    CRD_ALLOC(&logits, batch * block * crd_network_n_outputs(network), "logits");
    CRD_ALLOC(&best, network->n_nodes, "times");
    crd_normal_fill(images, batch * image_floats, 0, &(crd_stream){.seed = 2});
    CRD_TRY(crd_sampler_create(&sampler, &model, &options));
    int n = 0;
    for (; n < MAX_RUNS && (n < MIN_RUNS || total_s < MIN_SECONDS); n++) {
        images[0] += options.mean ? 1.0f : 0.0f; /* or the last call's output would serve */
        double start = crd_clock_now_s();
        clock_t busy_start = clock();
        CRD_TRY(crd_sampler_run(logits, sampler, images, batch, 0, n * block, block));
        double spent = crd_clock_now_s() - start;
        total_s += spent;
        busy[n] = (double)(clock() - busy_start) / CLOCKS_PER_SEC / (double)block;
        runs[n] = spent / (double)block;
        for (int64_t i = 0; i < network->n_nodes; i++)
            best_of(&best[i], crd_sampler_node_seconds(sampler, i) / (double)block);
    }
    print_layers(network, sampler, best, batch, peak);
    qsort(runs, (size_t)n, sizeof runs[0], by_value);
    qsort(busy, (size_t)n, sizeof busy[0], by_value);
    crd_sampler_times t = crd_sampler_get_times(sampler);
    double draws = (double)(n * block);
    double floor_s = 2.0 * (double)batch * (double)crd_network_macs(network) / peak;
    printf("%s, batch %lld, block %lld, %s, %s: peak %.1f GFLOP/s; median %.2f ms a draw, %.1f %% "
           "of peak; best %.2f ms, %.1f %%; median of CPU time %.2f ms, %.1f %%; mean ms: draw "
           "%.2f, weighted %.2f, rest %.2f; "
           "%.0f MB\n",
           argv[1], (long long)batch, (long long)block, estimator, crd_kernels_get()->name,
           1e-9 * peak, 1e3 * runs[n / 2], 100 * floor_s / runs[n / 2], 1e3 * runs[0],
           100 * floor_s / runs[0], 1e3 * busy[n / 2], 100 * floor_s / busy[n / 2],
           1e3 * t.draw_s / draws, 1e3 * t.weighted_s / draws, 1e3 * t.rest_s / draws,
           1e-6 * (double)crd_alloc_bytes());
cleanup:
    if (status != CRD_OK)
        fprintf(stderr, "bench_forward: %s\n", crd_status_message());
    crd_sampler_destroy(sampler);
    crd_free(best);
    crd_free(logits);
    crd_free(images);
    crd_free(sigma);
    crd_free(mu);
    crd_posterior_destroy(posterior);
    crd_params_clear(&weights);
    return (int)status;
}
