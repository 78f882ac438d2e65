/* Several normal posteriors of one architecture in equal shares: draw d is of component d mod
 * their number, so that the shares hold in every stretch of draws. A component may be without
 * Bayesian parameters; what a component has fixed is served as it is. Multi-SWAG's and deep
 * ensembles' idea: Wilson and Izmailov, "Bayesian deep learning and a probabilistic perspective of
 * generalization", NeurIPS 2020. */
#include "weights/family.h"

static const float *fill(float *out, const crd_model *model, const crd_weights_request *r)
{
    if (r->with_mu && !model->bayesian[r->component * model->network->params.n_params + r->param])
        return crd_model_values(model->mu, model, r->component, r->param, r->first);
    return crd_normal_fill_request(out, model, r);
}

const crd_family crd_family_mixture = {
    .name = "mixture",
    .title = "posteriors with independent normal weights",
    .has_sigma = true,
    .is_stratified = true,
    .is_ensemble = true,
    .fill = fill,
    .map = crd_normal_map,
};
