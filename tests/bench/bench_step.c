/* Prints milliseconds of processor time of whole training steps of one rank: forward, cross-entropy, backward, KL
 * divergence, Adam. Median and fastest of all but the first. Every weight that is no batch norm's has a posterior.
 * Arguments: architecture, image size, channels, estimator, images of a step, steps. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "credence/train.h"
#include "credence/zoo.h"
#include "kernels/kernels.h"

/* Of this process, so that what else runs on the machine matters less. */
static double cpu_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

typedef struct run {
    int64_t n_pixels;
    double *times_s, last_s; /* [steps] */
} run;

static crd_status load(float *images, int64_t *labels, float *values, int64_t epoch, int64_t first,
                       int64_t n, void *payload)
{
    (void)values;
    (void)epoch;
    const run *r = payload;
    const crd_stream stream = {.seed = 2, .draw = (uint32_t)first};
    crd_normal_fill(images, n * r->n_pixels, 0, &stream);
    for (int64_t i = 0; i < n; i++)
        labels[i] = 0;
    return CRD_OK;
}

static void note_step(int64_t step, int64_t n_steps, double data_term, void *payload)
{
    (void)n_steps;
    (void)data_term;
    run *r = payload;
    double now_s = cpu_now_s();
    r->times_s[step - 1] = now_s - r->last_s;
    r->last_s = now_s;
}

/* Weights with the variance 2 / n_inputs, rho -3, as bayesian-torch begins. */
static void fill(crd_posterior *posterior)
{
    for (int64_t t = 0; t < posterior->network->params.n_params; t++) {
        const crd_param *param = &posterior->network->params.entries[t];
        int is_weight = param->shape.n_dims > 1;
        double variance = is_weight ? 2 : 0;
        for (int d = 1; d < param->shape.n_dims; d++)
            variance /= (double)param->shape.dims[d];
        const crd_stream stream = {
            .seed = 1, .tensor = (uint32_t)t, .purpose = CRD_PURPOSE_INITIAL_MU};
        float *mu = posterior->mu + param->offset, *rho = posterior->rho + param->offset;
        crd_normal_fill(mu, param->count, 0, &stream);
        posterior->bayesian[t] = (uint8_t)is_weight;
        for (int64_t i = 0; i < param->count; i++) {
            mu[i] = is_weight ? (float)(__builtin_sqrt(variance) * (double)mu[i]) : 1;
            rho[i] = is_weight ? -3 : 0;
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static crd_status measure(const char *name, crd_posterior *posterior, const char *estimator,
                          int64_t batch, int64_t n_steps)
{
    crd_status status = CRD_OK;
    crd_comm *comm = NULL;
    crd_train_state state = {0};
    crd_train_report report;
    run r = {.n_pixels = crd_shape_count(crd_network_input_shape(posterior->network))};
    const crd_train_hooks hooks = {.load = load, .progress = note_step, .payload = &r};
    crd_train_options options = {
        .gradient = {.estimator = estimator,
                     .seed = 1,
                     .micro_batch = batch,
                     .batch_norm_train = 1},
        .n_images = batch * n_steps,
        .batch_size = batch,
        .n_draws = 1,
        .n_epochs = 1,
        .kl = CRD_KL_SUM,
        .kl_weight = 1e-6,
        .schedule = {.name = "constant"},
        .local_steps = 1,
    };
    CRD_ALLOC(&r.times_s, n_steps, "times");
    CRD_TRY(crd_loss_find(&options.loss, "cross-entropy"));
    CRD_TRY(crd_optimizer_defaults(&options.optimizer, "adam"));
    CRD_TRY(crd_comm_create_self(&comm));
    CRD_TRY(crd_train_state_init(&state, posterior, 2, 1));
    r.last_s = cpu_now_s();
    CRD_TRY(crd_train(&report, comm, &state, &options, &hooks));
    qsort(r.times_s + 1, (size_t)(n_steps - 1), sizeof *r.times_s, by_value);
    printf("%s %s batch %lld  step %.1f ms  fastest %.1f ms  peak %lld MB\n", name, estimator,
           (long long)batch, 1e3 * r.times_s[n_steps / 2], 1e3 * r.times_s[1],
           (long long)(crd_alloc_peak_bytes() >> 20));
cleanup:
    crd_train_state_clear(&state);
    crd_comm_destroy(comm);
    crd_free(r.times_s);
    return status;
}

int main(int argc, char **argv)
{
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    crd_posterior *posterior = NULL;
    if (argc != 7 || atoi(argv[5]) < 1 || atoi(argv[6]) < 2) {
        fprintf(stderr, "usage: %s ARCH SIZE CHANNELS ESTIMATOR BATCH STEPS\n", argv[0]);
        return CRD_ERR_USAGE;
    }
    CRD_TRY(crd_gemm_init());
    CRD_TRY(crd_zoo_build(&network, argv[1], atoi(argv[3]), atoi(argv[2]), 0));
    CRD_TRY(crd_posterior_create(&posterior, network));
    fill(posterior);
    CRD_TRY(measure(argv[1], posterior, argv[4], atoi(argv[5]), atoi(argv[6])));
cleanup:
    if (status != CRD_OK)
        fprintf(stderr, "%s\n", crd_status_message());
    crd_posterior_destroy(posterior);
    return (int)status;
}
