/* Prints milliseconds of processor time of a forward pass of the sampler and of forward and backward together, one draw
 * of one micro-batch, and the share of matrix products in both: medians. Arguments: architecture,
 * image size, channels, estimator, batch sizes. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "bayes/gradient.h"
#include "credence/zoo.h"
#include "kernels/kernels.h"

/* The linker puts these in place of the products (--wrap), so that they can be timed. */
void __real_crd_gemm(float *c, int64_t ldc, const float *a, int64_t lda, const float *b,
                     int64_t ldb, int64_t m, int64_t n, int64_t k, float beta);
void __wrap_crd_gemm(float *c, int64_t ldc, const float *a, int64_t lda, const float *b,
                     int64_t ldb, int64_t m, int64_t n, int64_t k, float beta);
void __real_crd_gemm_transposed(float *c, int64_t ldc, const float *a, int64_t lda, const float *b,
                                int64_t ldb, int64_t m, int64_t n, int64_t k, float beta,
                                unsigned transposed);
void __wrap_crd_gemm_transposed(float *c, int64_t ldc, const float *a, int64_t lda, const float *b,
                                int64_t ldb, int64_t m, int64_t n, int64_t k, float beta,
                                unsigned transposed);

static double gemm_s;

/* Of this process, so that what else runs on the machine matters less. */
static double cpu_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void __wrap_crd_gemm(float *c, int64_t ldc, const float *a, int64_t lda, const float *b,
                     int64_t ldb, int64_t m, int64_t n, int64_t k, float beta)
{
    double start_s = cpu_now_s();
    __real_crd_gemm(c, ldc, a, lda, b, ldb, m, n, k, beta);
    gemm_s += cpu_now_s() - start_s;
}

void __wrap_crd_gemm_transposed(float *c, int64_t ldc, const float *a, int64_t lda, const float *b,
                                int64_t ldb, int64_t m, int64_t n, int64_t k, float beta,
                                unsigned transposed)
{
    double start_s = cpu_now_s();
    __real_crd_gemm_transposed(c, ldc, a, lda, b, ldb, m, n, k, beta, transposed);
    gemm_s += cpu_now_s() - start_s;
}

typedef struct bench {
    crd_sampler *sampler;
    crd_gradient *gradient;
    const crd_loss *loss;
    float *images, *logits;
    int64_t *labels, *sums;
    int64_t batch;
} bench;

static crd_status run(bench *b, int with_gradient, int64_t draw)
{
    double loss;
    if (!with_gradient)
        return crd_sampler_run(b->logits, b->sampler, b->images, b->batch, 0, draw, 1);
    const crd_gradient_target target = {.sums = b->sums};
    return crd_gradient_add(&loss, NULL, &target, b->gradient, b->loss, b->images, b->labels, NULL,
                            b->batch, 0, draw, 1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median milliseconds, and the share of the products in all runs. */
static crd_status measure(double *ms, double *share, bench *b, int with_gradient)
{
    enum { RUNS = 5 };
    crd_status status = run(b, with_gradient, 0);
    double times[RUNS], sum = 0;
    gemm_s = 0;
    for (int i = 0; i < RUNS && status == CRD_OK; i++) {
        double start_s = cpu_now_s();
        status = run(b, with_gradient, i + 1);
        times[i] = cpu_now_s() - start_s;
        sum += times[i];
    }
    if (status == CRD_OK) {
        qsort(times, RUNS, sizeof *times, by_value);
        *ms = 1e3 * times[RUNS / 2];
        *share = gemm_s / sum;
    }
    return status;
}

/* Weights with the variance 2 / n_inputs, sigma a fifth of that. */
static crd_status fill(crd_posterior *posterior)
{
    for (int64_t t = 0; t < posterior->network->params.n_params; t++) {
        const crd_param *param = &posterior->network->params.entries[t];
        int is_weight = param->shape.n_dims > 1;
        double sd = is_weight ? 1 : 0;
        for (int d = 1; d < param->shape.n_dims; d++)
            sd /= (double)param->shape.dims[d];
        sd = __builtin_sqrt(2 * sd);
        const crd_stream stream = {
            .seed = 1, .tensor = (uint32_t)t, .purpose = CRD_PURPOSE_INITIAL_MU};
        float *mu = posterior->mu + param->offset;
        crd_normal_fill(mu, param->count, 0, &stream);
        posterior->bayesian[t] = (uint8_t)is_weight;
        for (int64_t i = 0; i < param->count; i++) {
            mu[i] = is_weight ? (float)(sd * (double)mu[i]) : 0.5F;
            posterior->rho[param->offset + i] = is_weight ? (float)crd_rho_of_sigma(0.2 * sd) : 0;
        }
    }
    return crd_posterior_check(posterior);
}

static crd_status bench_batch(const crd_posterior *posterior, const char *estimator, int64_t batch)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    int64_t n_floats = network->params.n_floats;
    int64_t n_pixels = crd_shape_count(crd_network_input_shape(network));
    bench b = {.batch = batch};
    float *mu = NULL, *sigma = NULL;
    double forward_ms, forward_share, ms, share;
    CRD_ALLOC(&mu, n_floats, "mu");
    CRD_ALLOC(&sigma, n_floats, "sigma");
    CRD_ALLOC(&b.images, batch * n_pixels, "images");
    CRD_ALLOC(&b.labels, batch, "labels");
    CRD_ALLOC(&b.logits, batch * crd_network_n_outputs(network), "logits");
    CRD_ALLOC(&b.sums, 2 * n_floats, "sums");
    CRD_TRY(crd_model_fill(mu, sigma, posterior));
    const crd_model model = {
        .network = network, .bayesian = posterior->bayesian, .mu = mu, .sigma = sigma};
    const crd_sampler_options forward = {
        .estimator = estimator, .seed = 1, .batch = batch, .draw_block = 1};
    const crd_gradient_options options = {
        .estimator = estimator, .seed = 1, .micro_batch = batch, .batch_norm_train = 1};
    const crd_stream stream = {.seed = 2};
    crd_normal_fill(b.images, batch * n_pixels, 0, &stream);
    CRD_TRY(crd_loss_find(&b.loss, "cross-entropy"));
    CRD_TRY(crd_sampler_create(&b.sampler, &model, &forward));
    CRD_TRY(measure(&forward_ms, &forward_share, &b, 0));
    crd_sampler_destroy(b.sampler);
    b.sampler = NULL;
    CRD_TRY(crd_gradient_create(&b.gradient, network, posterior->bayesian, &options));
    double start_s = cpu_now_s();
    CRD_TRY(crd_gradient_set_parameters(b.gradient, posterior->mu, posterior->rho));
    double set_ms = 1e3 * (cpu_now_s() - start_s);
    CRD_TRY(measure(&ms, &share, &b, 1));
    printf(
        "%-12s %-24s batch %4lld  sampler %8.1f ms (products %2.0f %%)  forward+backward %8.1f ms "
        "(%2.0f %%)  ratio %.2f  parameters %.1f ms  peak %lld MB\n",
        network->arch, estimator, (long long)batch, forward_ms, 100 * forward_share, ms,
        100 * share, ms / forward_ms, set_ms, (long long)(crd_alloc_peak_bytes() >> 20));
cleanup:
    crd_gradient_destroy(b.gradient);
    crd_sampler_destroy(b.sampler);
    crd_free(b.sums);
    crd_free(b.logits);
    crd_free(b.labels);
    crd_free(b.images);
    crd_free(sigma);
    crd_free(mu);
    return status;
}

int main(int argc, char **argv)
{
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    crd_posterior *posterior = NULL;
    if (argc < 6) {
        fprintf(stderr, "usage: %s ARCH SIZE CHANNELS ESTIMATOR BATCH...\n", argv[0]);
        return CRD_ERR_USAGE;
    }
    CRD_TRY(crd_gemm_init());
    CRD_TRY(crd_zoo_build(&network, argv[1], atoi(argv[3]), atoi(argv[2]), 0));
    CRD_TRY(crd_posterior_create(&posterior, network));
    CRD_TRY(fill(posterior));
    for (int i = 5; i < argc; i++)
        CRD_TRY(bench_batch(posterior, argv[4], atoi(argv[i])));
cleanup:
    if (status != CRD_OK)
        fprintf(stderr, "%s\n", crd_status_message());
    crd_posterior_destroy(posterior);
    return (int)status;
}
