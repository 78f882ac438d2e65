/* The one way to open a run: rank 0 opens all files, so that what is wrong with them is found
 * before any work is done; then the other ranks get the model, and what they must know. */
#include "app/context.h"

#include "base/names.h"
#include "credence/log.h"

static crd_status find_estimator(const char **out, const char *name, const char *path)
{
    int i = crd_names_find(crd_estimator_names(), name);
    if (i < 0)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: type '%s' is not an estimator of this Credence", path,
                        name);
    *out = crd_estimator_names()[i];
    return CRD_OK;
}

crd_status crd_context_take(crd_context *context, crd_posterior *posterior, const char *estimator)
{
    context->posterior = posterior;
    context->images.preprocessing = posterior->preprocessing;
    context->outputs = posterior->outputs;
    return find_estimator(&context->estimator,
                          estimator != NULL ? estimator : posterior->conversion.type,
                          context->path);
}

crd_status crd_context_open(crd_context *out, const char *posterior, const char *const *inputs,
                            int n_inputs, int skip_bad, const char *estimator)
{
    crd_status status = CRD_OK;
    crd_posterior *read = NULL;
    *out = (crd_context){.path = posterior};
    if (n_inputs > 0)
        CRD_TRY(crd_images_open(&out->images, inputs, n_inputs, skip_bad));
    CRD_TRY(crd_posterior_read(&read, posterior));
    if (read->n_chains == 1 && read->n_components > 1)
        crd_log(CRD_LOG_WARN,
                "%s: all its networks are of one chain: the errors take them as independent, and "
                "are too small",
                posterior);
    out->n_images = out->images.n_images;
    CRD_TRY(crd_context_take(out, read, estimator));
cleanup:
    return status;
}

crd_status crd_context_set_draws(crd_context *context, const crd_predict_options *options)
{
    return crd_posterior_n_draws(&context->n_draws, context->posterior, options->n_draws,
                                 options->sampler.mean);
}

/** What all ranks must know before they can work together. */
typedef struct shared_facts {
    int64_t n_images, n_draws;
    int32_t i_estimator; /* into crd_estimator_names */
    int32_t outputs;     /* crd_output_kind */
} shared_facts;

crd_status crd_context_share(crd_context *context, crd_comm *comm, crd_status local,
                             const float *eps, int mean)
{
    crd_status status = CRD_OK;
    shared_facts facts = {0};
    CRD_TRY(crd_comm_agree(comm, local));
    if (crd_comm_rank(comm) == 0)
        facts = (shared_facts){context->n_images, context->n_draws,
                               crd_names_find(crd_estimator_names(), context->estimator),
                               (int32_t)context->outputs};
    crd_comm_broadcast(comm, &facts, sizeof facts);
    context->n_images = facts.n_images;
    context->n_draws = facts.n_draws;
    context->estimator = crd_estimator_names()[facts.i_estimator];
    context->outputs = (crd_output_kind)facts.outputs;
    CRD_TRY(crd_shared_model_create(&context->shared, comm, context->posterior, eps, mean));
cleanup:
    return status;
}

const crd_model *crd_context_model(const crd_context *context)
{
    return crd_shared_model_view(context->shared);
}

crd_status crd_context_inputs(crd_run_inputs *out, crd_context *context, const char *const *inputs,
                              int n_inputs)
{
    *out =
        (crd_run_inputs){context->path, context->digest, inputs, n_inputs, context->images.dataset};
    return context->digest[0] != '\0' ? CRD_OK : crd_file_digest(context->digest, context->path);
}

void crd_context_close(crd_context *context)
{
    crd_shared_model_destroy(context->shared);
    crd_images_close(&context->images);
    crd_posterior_destroy(context->posterior);
    *context = (crd_context){0};
}
