/* Every agreement between the ranks is made to fail, on every rank in turn: all come back with the same words, nobody waits for ever, and the
 * next run on the same ranks is right. */
#include <stdlib.h>
#include <string.h>

#include "credence/mpi.h"
#include "credence/predict.h"
#include "credence/train.h"
#include "mpi_test.h"
#include "reduce/predict_state.h"
#include "small_net.h"

enum { IMAGES = 9, FLOATS = 3 * SMALL_NET_SIDE * SMALL_NET_SIDE, MOST_STEPS = 500 };

static crd_status load(float *tensors, int8_t *skipped, int64_t first, int64_t n, void *payload)
{
    (void)payload;
    memset(skipped, 0, (size_t)n);
    for (int64_t i = 0; i < n * FLOATS; i++)
        tensors[i] = (float)((first * FLOATS + i) % 13) / 13;
    return CRD_OK;
}

static crd_status load_labelled(float *images, int64_t *labels, float *values, int64_t epoch,
                                int64_t first, int64_t n, void *payload)
{
    int8_t skipped[IMAGES];
    (void)epoch;
    (void)values;
    for (int64_t i = 0; i < n; i++)
        labels[i] = (first + i) % SMALL_NET_CLASSES;
    return load(images, skipped, first, n, payload);
}

static void keep(const crd_predict_state *state, void *payload)
{
    (void)state;
    (void)payload;
}

static void keep_training(const crd_train_state *state, void *payload)
{
    (void)state;
    (void)payload;
}

static crd_status take_draws(const float *logits, int64_t first_draw, int64_t n_draws,
                             int64_t first_image, int64_t n_images, void *payload)
{
    (void)logits, (void)first_draw, (void)n_draws, (void)first_image, (void)n_images, (void)payload;
    return CRD_OK;
}

/* A run from the first word between the ranks to the last, with windows, rounds, draws and checkpoints. */
static crd_status predict(crd_comm *comm, crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    crd_shared_model *shared = NULL;
    crd_predict_options options = {
        .sampler = {.estimator = "reparameterization", .batch = 4, .draw_block = 2},
        .n_draws = 6,
        .n_top = 3,
        .n_images = IMAGES,
        .want_draws = 1,
        .buffer_bytes = 200000,
        .checkpoint_s = 1e-9,
    };
    crd_predict_source source = {.load = load};
    crd_predict_sink sink = {.draws = take_draws, .checkpoint = keep};
    crd_predict_report report;
    CRD_TRY(crd_shared_model_create(&shared, comm, posterior, NULL, 0));
    CRD_TRY(crd_predict(&report, comm, crd_shared_model_view(shared), &options, &source, &sink));
cleanup:
    crd_shared_model_destroy(shared);
    return status;
}

static crd_status train(crd_comm *comm, crd_posterior *unused)
{
    crd_status status = CRD_OK;
    crd_posterior *own = NULL, *shared = NULL;
    crd_train_state state = {0};
    crd_train_options options = {
        .gradient = {.estimator = "reparameterization", .micro_batch = 2},
        .n_images = IMAGES,
        .batch_size = 6,
        .n_draws = 1,
        .n_epochs = 2,
        .kl_weight = 0.1,
        .local_steps = 1,
        .checkpoint_s = 1e-9,
        .schedule = {.name = "constant"},
    };
    crd_train_hooks hooks = {.load = load_labelled, .checkpoint = keep_training};
    crd_train_report report;
    (void)unused;
    CRD_TRY(crd_optimizer_defaults(&options.optimizer, "adam"));
    CRD_TRY(crd_loss_find(&options.loss, "cross-entropy"));
    if (crd_comm_rank(comm) == 0) {
        own = small_net_posterior(comm);
        status = crd_train_state_init(&state, own, 2, options.n_epochs);
    }
    CRD_TRY(crd_train_state_share(&state, &shared, comm));
    CRD_TRY(crd_train(&report, comm, &state, &options, &hooks));
cleanup:
    crd_train_state_clear(&state);
    crd_posterior_destroy(shared);
    crd_posterior_destroy(own);
    return status;
}

/* Steps 1, 2, ... of `rank` fail until there is no such step. Returns how many there are. */
static int fail_every_step(crd_comm *world, int rank,
                           crd_status (*work)(crd_comm *comm, crd_posterior *posterior),
                           crd_posterior *posterior)
{
    char fault[32], words[64];
    for (int step = 1; step < MOST_STEPS; step++) {
        crd_comm *comm;
        snprintf(fault, sizeof fault, "%d:%d", rank, step);
        snprintf(words, sizeof words, "fault at step %d of rank %d, as asked for", step, rank);
        setenv("CREDENCE_FAULT", fault, 1);
        crd_status status = crd_comm_create_mpi(&comm, MPI_COMM_WORLD);
        if (status == CRD_OK) {
            status = work(comm, posterior);
            crd_comm_destroy(comm);
        }
        unsetenv("CREDENCE_FAULT");
        if (status == CRD_OK)
            return step - 1;
        CHECK(world, status == CRD_ERR_INTERNAL);
        CHECK(world, strstr(crd_status_message(), words) != NULL);
    }
    crd_status_set(CRD_ERR_INTERNAL, "rank %d still fails after %d steps", rank, MOST_STEPS);
    CHECK(world, 0);
    return 0;
}

int main(void)
{
    crd_comm *world;
    if (crd_comm_create_world(&world) != CRD_OK)
        return 1;
    crd_posterior *posterior = crd_comm_rank(world) == 0 ? small_net_posterior(world) : NULL;
    for (int rank = 0; rank < crd_comm_size(world); rank++) {
        int n_predict = fail_every_step(world, rank, predict, posterior);
        int n_train = fail_every_step(world, rank, train, posterior);
        CHECK(world, n_predict > 20 && n_train > 20);
        if (crd_comm_rank(world) == rank)
            printf("rank %d: %d steps of predict, %d of train\n", rank, n_predict, n_train);
    }
    crd_posterior_destroy(posterior);
    crd_comm_destroy(world);
    return 0;
}
