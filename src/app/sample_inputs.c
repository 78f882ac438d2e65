/* What a run of chains reads, opened on rank 0 and shared: posterior, starts, images. It writes
 * nothing. */
#include "app/sample_inputs.h"

#include <string.h>

#include "base/alloc.h"
#include "credence/train.h"

enum { BATCH = 128 }; /* of gradients of batches */

/** What all ranks must know before they can work together. */
typedef struct shared_facts {
    int64_t n_images, n_blocks;
    double likelihood_scale;
} shared_facts;

crd_status crd_sample_inputs_begin(crd_sample_inputs *out, const crd_sample_files_options *given)
{
    crd_status status = CRD_OK;
    crd_sample_options *o = &out->options;
    *o = given->sample;
    CRD_TRY(crd_loss_find(&o->loss, given->loss));
    CRD_REQUIRE(strcmp(given->loss, "mse-distill") != 0, CRD_ERR_USAGE,
                "loss: mse-distill is not the likelihood of data");
    CRD_REQUIRE(given->noise_sd > 0, CRD_ERR_USAGE, "noise: %g is not a positive number",
                given->noise_sd);
    CRD_TRY(crd_chain_check(&o->chain));
    if (o->batch_size < 0)
        o->batch_size = crd_chain_needs_all(&o->chain) ? 0 : BATCH;
cleanup:
    return status;
}

/** The posterior, and where the chains begin. */
static crd_status read_posteriors(crd_sample_inputs *in, const crd_sample_files_options *given)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_posterior_read(&in->posterior, given->posterior));
    CRD_TRY(crd_posterior_check_normal(in->posterior, given->posterior, "sample"));
    CRD_REQUIRE(!crd_network_is_stochastic(in->posterior->network), CRD_ERR_INPUT,
                "%s: has dropout in prediction, which has no density to sample from",
                given->posterior);
    if (given->start == NULL)
        return CRD_OK;
    CRD_TRY(crd_posterior_read(&in->start_posterior, given->start));
    const crd_component_source a = {in->posterior, given->posterior, ""},
                               b = {in->start_posterior, given->start, ""};
    CRD_TRY(crd_posterior_check_network(&a, &b));
cleanup:
    return status;
}

crd_status crd_sample_inputs_open(crd_sample_inputs *in, const crd_sample_files_options *given)
{
    crd_status status = CRD_OK;
    crd_sample_options *o = &in->options;
    crd_validation none = {0};
    int64_t n_values = 0;
    CRD_TRY(read_posteriors(in, given));
    crd_train_files_options_init(&in->data_options);
    in->data_options.data = given->data;
    in->data_options.n_data = given->n_data;
    in->data_options.train.gradient.seed = o->chain.seed;
    CRD_TRY(
        crd_train_data_open(&in->data, &none, &in->data_options, &in->posterior->preprocessing));
    in->posterior->outputs = crd_loss_outputs(o->loss);
    CRD_TRY(crd_train_data_match(&in->data, &none, given->loss, in->posterior));
    if (crd_loss_target(o->loss) == CRD_TARGET_VALUES)
        CRD_TRY(crd_loss_n_values(&n_values, o->loss, in->posterior->n_classes));
    o->n_images = in->data.images.n_images;
    o->likelihood_scale = crd_sample_scale(o->loss, n_values, given->noise_sd);
cleanup:
    return status;
}

crd_status crd_sample_inputs_share(crd_sample_inputs *in, crd_comm *comm,
                                   const crd_sample_files_options *given)
{
    crd_status status = CRD_OK;
    crd_train_state carrier = {0}; /* of the posterior */
    crd_posterior *shared = NULL;
    int is_first = crd_comm_rank(comm) == 0;
    shared_facts facts = {.n_images = in->options.n_images,
                          .n_blocks =
                              in->start_posterior != NULL ? in->start_posterior->n_components : 1,
                          .likelihood_scale = in->options.likelihood_scale};
    crd_comm_broadcast(comm, &facts, sizeof facts);
    in->options.n_images = facts.n_images;
    in->options.likelihood_scale = facts.likelihood_scale;
    CRD_TRY(crd_comm_agree(comm, is_first ? crd_train_state_init(&carrier, in->posterior, 0, 1)
                                          : CRD_OK));
    status = crd_train_state_share(&carrier, &shared, comm);
    if (!is_first)
        in->posterior = shared;
    CRD_TRY(status);
    int64_t n = facts.n_blocks * in->posterior->network->params.n_floats;
    CRD_TRY(crd_comm_agree(comm, crd_alloc_zeroed((void **)&in->start_values, n,
                                                  sizeof *in->start_values, "starts of chains")));
    if (is_first)
        memcpy(in->start_values,
               in->start_posterior != NULL ? in->start_posterior->mu : in->posterior->mu,
               (size_t)n * sizeof *in->start_values);
    crd_comm_broadcast(comm, in->start_values, n * (int64_t)sizeof *in->start_values);
    in->start = (crd_sample_start){in->start_values, facts.n_blocks, given->start == NULL};
cleanup:
    crd_train_state_clear(&carrier);
    return status;
}

crd_status crd_sample_inputs_load(crd_sample_inputs *in, float *images, int64_t *labels,
                                  float *values, int64_t first, int64_t n)
{
    return crd_train_data_load(&in->data, images, labels, values, 0, first, n);
}

void crd_sample_inputs_close(crd_sample_inputs *in)
{
    crd_train_data_close(&in->data);
    crd_free(in->start_values);
    crd_posterior_destroy(in->start_posterior);
    crd_posterior_destroy(in->posterior);
}
