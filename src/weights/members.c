/* A finite set of deterministic networks: draw d is member d mod their number, exactly. Deep
 * ensembles (Lakshminarayanan et al., NeurIPS 2017). Nothing is drawn and nothing is copied. */
#include "weights/family.h"

static const float *fill(float *out, const crd_model *model, const crd_weights_request *r)
{
    (void)out;
    return crd_model_values(model->mu, model, r->component, r->param, r->first);
}

static void map_mean(float *mu, float *sigma, const crd_weights *weights, const crd_affine_map *map)
{
    (void)sigma;
    crd_mean_map(mu, weights, map);
}

const crd_family crd_family_members = {
    .name = "members",
    .title = "deterministic networks",
    .is_ensemble = true,
    .fill = fill,
    .map = map_mean,
};
