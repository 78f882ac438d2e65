/* SWAG: normal weights whose covariance is a diagonal and low rank, each with half of the weight.
 * A draw is mean + sqrt(variance / 2) eps + sum over k of d_k z_k / sqrt(2 (K - 1)), eps a normal
 * for every element, z one for every deviation d_k, which all parameters of a draw share. Maddox
 * et al., "A simple baseline for Bayesian uncertainty in deep learning", NeurIPS 2019, eq. 1.
 * Several of them in equal shares are MultiSWAG: Wilson and Izmailov, NeurIPS 2020. The deviations
 * of a model are divided already (bayes/model.c). How the moments come about: bayes/collection.c.
 */
#include <math.h>
#include <stddef.h>

#include "kernels/kernels.h"
#include "weights/family.h"

/* The normals of a draw's deviations: a stream of their own, that of no tensor. */
static void fill_factors(float *out, int64_t rank, const crd_stream *of_weight)
{
    crd_stream stream = *of_weight;
    stream.tensor = 0;
    stream.purpose = CRD_PURPOSE_LOW_RANK;
    crd_kernels_get()->normal_fill(out, rank, 0, &stream);
}

static const float *fill(float *out, const crd_model *model, const crd_weights_request *r)
{
    const crd_params *params = &model->network->params;
    float room[CRD_MAX_RANK];
    const float *factors = room;
    if (r->with_mu && !model->bayesian[r->component * params->n_params + r->param])
        return crd_model_values(model->mu, model, r->component, r->param, r->first);
    crd_normal_fill_request(out, model, r);
    if (model->rank == 0)
        return out;
    if (model->eps != NULL)
        factors = model->eps + params->n_floats;
    else
        fill_factors(room, model->rank, r->stream);
    const float *rows =
        crd_model_deviations(model, r->component) + params->entries[r->param].offset + r->first;
    crd_kernels_get()->elementwise->add_rows(out, out, factors, rows, model->rank, params->n_floats,
                                             r->n);
    return out;
}

static void map_moments(float *mu, float *sigma, const crd_weights *weights,
                        const crd_affine_map *map)
{
    int64_t first = map->component * weights->n_floats + map->first;
    crd_mean_map(mu, weights, map);
    for (int64_t i = first; sigma != NULL && i < first + map->n; i++)
        sigma[i] = (float)(map->gain * sqrt((double)weights->variance[i] / 2));
}

const crd_family crd_family_swag = {
    .name = "swag",
    .title = "SWAG posterior",
    .has_sigma = true,
    .has_deviations = true,
    .draws_all = true,
    .fill = fill,
    .map = map_moments,
};

const crd_family crd_family_multiswag = {
    .name = "multiswag",
    .title = "SWAG posteriors",
    .has_sigma = true,
    .has_deviations = true,
    .draws_all = true,
    .is_stratified = true,
    .is_ensemble = true,
    .fill = fill,
    .map = map_moments,
};
