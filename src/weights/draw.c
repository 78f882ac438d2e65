/* A drawn network as a whole: what a sampler makes of it layer by layer (bayes/estimator.c), by the
 * same addresses. */
#include <string.h>

#include "weights/family.h"

void crd_model_draw(float *values, const crd_model *model, uint64_t seed, int64_t draw)
{
    const crd_params *params = &model->network->params;
    int64_t component = crd_component_of(draw, model->n_components, 0);
    for (int64_t p = 0; p < params->n_params; p++) {
        const crd_stream stream = {.seed = seed,
                                   .draw = (uint32_t)draw,
                                   .tensor = (uint32_t)p,
                                   .purpose = CRD_PURPOSE_WEIGHT};
        const crd_weights_request all = {.param = p,
                                         .n = params->entries[p].count,
                                         .component = component,
                                         .stream = &stream,
                                         .with_mu = 1};
        float *to = values + params->entries[p].offset;
        int is_drawn = model->sigma != NULL && model->bayesian[component * params->n_params + p];
        const float *drawn = is_drawn ? model->family->fill(to, model, &all)
                                      : crd_model_values(model->mu, model, component, p, 0);
        if (drawn != to)
            memcpy(to, drawn, (size_t)all.n * sizeof *to);
    }
}
