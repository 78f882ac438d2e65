/* Prints nanoseconds of processor time a weight of what a step does once per parameter: medians.
 * Arguments: architecture, image size, channels. All weights have a posterior. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "bayes/gradient_scales.h"
#include "bayes/gradient_sums.h"
#include "credence/zoo.h"
#include "engine/update.h"
#include "kernels/kernels.h"

enum { RUNS = 7 };

typedef struct bench {
    crd_posterior *posterior;
    crd_train_state state;
    crd_train_options options;
    crd_gradient *gradient;
    crd_update *update;
    int64_t *sums;
    float *mu, *sigma;
    float *dmu, *drho;
    double kl;
} bench;

static double cpu_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int64_t n_floats(const bench *b)
{
    return b->posterior->network->params.n_floats;
}

static crd_status set_parameters(bench *b)
{
    return crd_gradient_set_parameters(b->gradient, b->posterior->mu, b->posterior->rho);
}

/* As one unit adds them: mu's gradient, and that of sigma times the slope. */
static crd_status add_sums(bench *b)
{
    crd_status status =
        crd_gradient_sums_add(b->sums, 1, b->mu, NULL, n_floats(b), 0.25, "mu", "all", 0);
    if (status == CRD_OK)
        status = crd_gradient_sums_add(b->sums + n_floats(b), 1, b->mu, b->sigma, n_floats(b), 0.25,
                                       "rho", "all", 0);
    return status;
}

static crd_status update_step(bench *b)
{
    crd_status status = crd_update_step(b->update, b->sums, 1e-3, 1e-6);
    b->state.step++;
    return status;
}

static crd_status kl_value(bench *b)
{
    crd_posterior_kl(&b->kl, NULL, b->posterior);
    return CRD_OK;
}

static crd_status kl_gradient(bench *b)
{
    float *sigma, *slope;
    crd_gradient_scales(&sigma, &slope, b->gradient);
    crd_posterior_kl_gradient(b->dmu, b->drho, b->posterior, sigma, slope, 0, n_floats(b),
                              CRD_KL_SUM, 1);
    return CRD_OK;
}

static crd_status model_fill(bench *b)
{
    return crd_model_fill(b->mu, b->sigma, b->posterior);
}

static const struct part {
    const char *name;
    crd_status (*run)(bench *b);
} parts[] = {
    {"set parameters (sigma, slope)", set_parameters},
    {"add a unit's gradient to the sums", add_sums},
    {"update: sums, KL, Adam, new sigma", update_step},
    {"KL, value", kl_value},
    {"KL, gradient alone", kl_gradient},
    {"sigma for prediction, folded", model_fill},
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static crd_status measure(const struct part *part, bench *b)
{
    crd_status status = part->run(b);
    double times[RUNS];
    for (int i = 0; i < RUNS && status == CRD_OK; i++) {
        double start_s = cpu_now_s();
        status = part->run(b);
        times[i] = cpu_now_s() - start_s;
    }
    if (status == CRD_OK) {
        qsort(times, RUNS, sizeof *times, by_value);
        printf("%-36s %6.2f ns a weight  %7.1f ms\n", part->name,
               1e9 * times[RUNS / 2] / (double)n_floats(b), 1e3 * times[RUNS / 2]);
    }
    return status;
}

static crd_status prepare(bench *b)
{
    crd_status status = CRD_OK;
    const crd_params *params = &b->posterior->network->params;
    const crd_stream stream = {.seed = 1, .purpose = CRD_PURPOSE_INITIAL_MU};
    crd_normal_fill(b->posterior->mu, params->n_floats, 0, &stream);
    for (int64_t i = 0; i < params->n_floats; i++) {
        b->posterior->rho[i] = -3 + b->posterior->mu[i];
        b->posterior->mu[i] = 0.1F * fabsf(b->posterior->mu[i]);
    }
    for (int64_t p = 0; p < params->n_params; p++)
        b->posterior->bayesian[p] = params->entries[p].shape.n_dims > 1;
    b->options = (crd_train_options){
        .gradient = {.estimator = "reparameterization", .micro_batch = 1}, .kl = CRD_KL_SUM};
    CRD_TRY(crd_optimizer_defaults(&b->options.optimizer, "adam"));
    CRD_TRY(crd_train_state_init(&b->state, b->posterior, 2, 1));
    CRD_TRY(crd_gradient_create(&b->gradient, b->posterior->network, b->posterior->bayesian,
                                &b->options.gradient));
    CRD_TRY(crd_update_create(&b->update, &b->state, b->gradient, &b->options));
    CRD_ALLOC(&b->sums, 2 * n_floats(b), "sums");
    CRD_ALLOC(&b->mu, n_floats(b), "mu");
    CRD_ALLOC(&b->sigma, n_floats(b), "sigma");
    CRD_ALLOC(&b->dmu, n_floats(b), "gradient of mu");
    CRD_ALLOC(&b->drho, n_floats(b), "gradient of rho");
cleanup:
    return status;
}

int main(int argc, char **argv)
{
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    bench b = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: %s ARCH SIZE CHANNELS\n", argv[0]);
        return CRD_ERR_USAGE;
    }
    CRD_TRY(crd_zoo_build(&network, argv[1], atoi(argv[3]), atoi(argv[2]), 0));
    CRD_TRY(crd_posterior_create(&b.posterior, network));
    CRD_TRY(prepare(&b));
    printf("%s, %lld weights, kernels %s\n", argv[1], (long long)n_floats(&b),
           crd_kernels_get()->name);
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
        CRD_TRY(measure(&parts[k], &b));
cleanup:
    if (status != CRD_OK)
        fprintf(stderr, "%s\n", crd_status_message());
    crd_free(b.drho);
    crd_free(b.dmu);
    crd_free(b.sigma);
    crd_free(b.mu);
    crd_free(b.sums);
    crd_update_destroy(b.update);
    crd_gradient_destroy(b.gradient);
    crd_train_state_clear(&b.state);
    crd_posterior_destroy(b.posterior);
    return (int)status;
}
