/* Independent normal weights: w = mu + sigma eps, with eps a function of (seed, draw, tensor,
 * element). Mean field; Blundell et al., "Weight uncertainty in neural networks", ICML 2015. */
#include <math.h>
#include <stddef.h>

#include "kernels/kernels.h"
#include "weights/family.h"

const float *crd_normal_fill_request(float *out, const crd_model *model,
                                     const crd_weights_request *r)
{
    const float *mu = NULL, *sigma;
    if (r->with_mu)
        mu = crd_model_values(model->mu, model, r->component, r->param, r->first);
    sigma = crd_model_values(model->sigma, model, r->component, r->param, r->first);
    if (model->eps != NULL) {
        const float *eps = crd_model_values(model->eps, model, 0, r->param, r->first);
        for (int64_t i = 0; i < r->n; i++)
            out[i] = fmaf(sigma[i], eps[i], mu == NULL ? 0 : mu[i]);
    } else {
        crd_kernels_get()->draw(out, mu, sigma, r->n, r->first, r->stream);
    }
    return out;
}

void crd_mean_map(float *mu, const crd_weights *weights, const crd_affine_map *map)
{
    int64_t first = map->component * weights->n_floats + map->first;
    crd_kernels_get()->param->affine(mu + first, weights->mu + first, map->n, map->gain,
                                     map->shift);
}

void crd_normal_map(float *mu, float *sigma, const crd_weights *weights, const crd_affine_map *map)
{
    int64_t first = map->component * weights->n_floats + map->first;
    crd_mean_map(mu, weights, map);
    if (sigma != NULL && weights->bayesian[map->component * weights->n_params + map->param])
        crd_kernels_get()->param->softplus(sigma + first, weights->rho + first, map->n, map->gain);
}

const crd_family crd_family_normal = {
    .name = "normal",
    .title = "independent normal weights",
    .has_sigma = true,
    .fill = crd_normal_fill_request,
    .map = crd_normal_map,
};
