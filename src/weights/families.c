/* The registry of posterior families, and what follows from a family's row of the table. */
#include <string.h>

#include "weights/family.h"

const crd_family *const crd_families[] = {&crd_family_normal,    &crd_family_members,
                                          &crd_family_mixture,   &crd_family_swag,
                                          &crd_family_multiswag, NULL};

const crd_family *crd_family_find(const char *name)
{
    for (int i = 0; crd_families[i] != NULL; i++)
        if (strcmp(crd_families[i]->name, name) == 0)
            return crd_families[i];
    return NULL;
}

const char *crd_family_name(const crd_family *family)
{
    return family->name;
}

const char *crd_family_title(const crd_family *family)
{
    return family->title;
}

int crd_family_is_normal(const crd_family *family)
{
    return family == &crd_family_normal;
}

int crd_family_is_random(const crd_family *family)
{
    return family->has_sigma;
}

int crd_family_is_ensemble(const crd_family *family)
{
    return family->is_ensemble;
}

int crd_family_has_deviations(const crd_family *family)
{
    return family->has_deviations;
}

int64_t crd_family_n_networks(const crd_family *family, int64_t n_components)
{
    return family->has_sigma ? 0 : n_components;
}

int64_t crd_family_n_strata(const crd_family *family, int64_t n_components, int mean)
{
    return family->is_stratified && !mean ? n_components : 1;
}

int64_t crd_component_of(int64_t draw, int64_t n_components, int antithetic)
{
    return (antithetic ? draw / 2 : draw) % n_components;
}

crd_model crd_model_component(const crd_model *model, int64_t component)
{
    const crd_params *params = &model->network->params;
    int64_t place = crd_model_place(model, component);
    crd_model one = *model;
    one.bayesian += component * params->n_params;
    one.mu += place;
    one.family = model->family->has_deviations ? &crd_family_swag
                 : model->family->has_sigma    ? &crd_family_normal
                                               : &crd_family_members;
    if (one.deviations != NULL)
        one.deviations = crd_model_deviations(model, component);
    one.n_components = 1;
    one.places = NULL;
    if (one.sigma != NULL)
        one.sigma += place;
    return one;
}
