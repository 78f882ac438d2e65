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

static crd_status adopt(crd_context *context, const crd_posterior *posterior, const char *estimator)
{
    context->posterior = posterior;
    context->images.preprocessing = posterior->preprocessing;
    context->outputs = posterior->outputs;
    return find_estimator(&context->estimator,
                          estimator != NULL ? estimator : posterior->conversion.type,
                          context->path);
}

crd_status crd_context_take(crd_context *context, crd_posterior *posterior, const char *estimator)
{
    context->made = posterior;
    return adopt(context, posterior, estimator);
}

crd_status crd_context_open(crd_context *out, const char *posterior, const char *const *inputs,
                            int n_inputs, int skip_bad, const char *estimator)
{
    crd_status status = CRD_OK;
    *out = (crd_context){.path = posterior};
    if (n_inputs > 0)
        CRD_TRY(crd_images_open(&out->images, inputs, n_inputs, skip_bad));
    CRD_TRY(crd_posterior_open(&out->file, posterior));
    const crd_posterior *view = crd_posterior_file_view(out->file);
    if (view->n_chains == 1 && view->n_components > 1)
        crd_log(CRD_LOG_WARN,
                "%s: all its networks are of one chain: the errors count how they resemble each "
                "other, but not whether the chain has been everywhere",
                posterior);
    out->n_images = out->images.n_images;
    CRD_TRY(adopt(out, view, estimator));
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
                             const float *eps, const crd_predict_options *options)
{
    crd_status status = CRD_OK;
    shared_facts facts = {0};
    crd_numbers_source numbers = {0};
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
    if (context->file != NULL)
        numbers = crd_posterior_file_source(context->file);
    else if (context->made != NULL)
        numbers = crd_posterior_source(context->made);
    const crd_shared_model_options shared = {.source = &numbers,
                                             .eps = eps,
                                             .mean = options->sampler.mean,
                                             .node_bytes = options->weights_bytes,
                                             .draw_block = options->sampler.draw_block,
                                             .antithetic = options->sampler.antithetic};
    CRD_TRY(crd_shared_model_open(&context->shared, comm, context->posterior, &shared));
cleanup:
    return status;
}

const crd_model *crd_context_model(const crd_context *context)
{
    return crd_shared_model_view(context->shared);
}

crd_run_inputs crd_context_inputs(const crd_context *context, const char *const *inputs,
                                  int n_inputs)
{
    return (crd_run_inputs){context->path, crd_posterior_file_digest(context->file), inputs,
                            n_inputs, context->images.dataset};
}

void crd_context_close(crd_context *context)
{
    crd_shared_model_destroy(context->shared);
    crd_images_close(&context->images);
    crd_posterior_destroy(context->made);
    crd_posterior_file_close(context->file);
    *context = (crd_context){0};
}
