/* What a posterior's file says beside its numbers: graph, prior and conversion, preprocessing, kind
 * of outputs, classes. Writing and reading of each stand together. Layout: data/FORMATS.md. */
#include "io/posterior_meta.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/names.h"
#include "io/laplace_part.h"

#define OUTPUTS "/outputs"

/* *out = place of the text attribute among names. */
static crd_status read_choice(int *out, crd_h5 *h5, const char *group, const char *key,
                              const char *const *names)
{
    crd_status status = CRD_OK;
    char *found = NULL, place[CRD_H5_PATH_SIZE];
    CRD_TRY(crd_h5_attr_get_text(&found, h5, group, key));
    snprintf(place, sizeof place, "%s: %s: %s", crd_h5_name(h5), group, key);
    CRD_TRY(crd_names_require(out, names, found, place, CRD_ERR_INPUT));
cleanup:
    crd_free(found);
    return status;
}

crd_status crd_posterior_graph_write(crd_h5 *h5, const crd_network *network)
{
    char *graph = NULL;
    crd_status status = crd_network_to_json(&graph, network);
    if (status == CRD_OK)
        status = crd_h5_strings_write(h5, "/graph", (const char *const[]){graph}, 0);
    crd_network_text_free(graph);
    return status;
}

crd_status crd_posterior_graph_read(crd_network **out, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    char **graph = NULL;
    int64_t n = 0;
    CRD_TRY(crd_reader_check(h5, "/graph"));
    CRD_TRY(crd_h5_strings_read(&graph, &n, h5, "/graph"));
    CRD_REQUIRE(n == 1, CRD_ERR_INPUT, "%s: /graph: is not one text", crd_h5_name(h5));
    status = crd_network_from_json(out, graph[0]);
    if (status != CRD_OK) /* what it holds is the file's fault, too little memory is not */
        CRD_TRY(CRD_FAIL(status == CRD_ERR_INTERNAL ? status : CRD_ERR_INPUT, "%s: /graph: %s",
                         crd_h5_name(h5), crd_status_message()));
cleanup:
    crd_h5_strings_free(graph, n);
    return status;
}

/* The numbers of crd_conversion in the file: one table for writing and reading. */
#define N_DOUBLES 8
typedef struct double_place {
    const char *group, *key;
    double *value;
} double_place;

static void place_doubles(double_place out[N_DOUBLES], crd_conversion *conversion)
{
    out[0] = (double_place){"/prior", "prior_mu", &conversion->prior_mu};
    out[1] = (double_place){"/prior", "prior_sigma", &conversion->prior_sigma};
    out[2] = (double_place){"/prior", "prior_pi", &conversion->prior_pi};
    out[3] = (double_place){"/prior", "prior_sigma2", &conversion->prior_sigma2};
    out[4] = (double_place){"/conversion", "posterior_mu_init", &conversion->posterior_mu_init};
    out[5] = (double_place){"/conversion", "posterior_rho_init", &conversion->posterior_rho_init};
    out[6] = (double_place){"/conversion", "moped_delta", &conversion->moped_delta};
    out[7] = (double_place){"/conversion", "sigma_min", &conversion->sigma_min};
}

crd_status crd_posterior_conversion_write(crd_h5 *h5, const crd_conversion *given)
{
    crd_status status = CRD_OK;
    crd_conversion conversion = *given;
    int64_t moped_enable = given->moped_enable, moped_prior = given->moped_prior;
    double_place doubles[N_DOUBLES];
    place_doubles(doubles, &conversion);
    CRD_TRY(crd_h5_group_create(h5, "/prior"));
    CRD_TRY(crd_h5_group_create(h5, "/conversion"));
    CRD_TRY(crd_h5_attr_put_text(h5, "/prior", "prior_kind",
                                 crd_prior_kind_names()[given->prior_kind]));
    CRD_TRY(crd_h5_attr_put_text(h5, "/prior", "prior_scale",
                                 crd_prior_scale_names()[given->prior_scale]));
    CRD_TRY(crd_h5_attr_put_text(h5, "/conversion", "type", conversion.type));
    CRD_TRY(crd_h5_attr_put_text(h5, "/conversion", "initial_values",
                                 crd_initial_kind_names()[given->initial]));
    for (int i = 0; i < N_DOUBLES; i++)
        CRD_TRY(crd_h5_attr_put(h5, doubles[i].group, doubles[i].key, CRD_H5_FLOAT64,
                                doubles[i].value, 1));
    CRD_TRY(crd_h5_attr_put(h5, "/conversion", "moped_enable", CRD_H5_INT64, &moped_enable, 1));
    CRD_TRY(crd_h5_attr_put(h5, "/conversion", "moped_prior", CRD_H5_INT64, &moped_prior, 1));
    CRD_TRY(crd_h5_attr_put(h5, "/conversion", "seed", CRD_H5_UINT64, &conversion.seed, 1));
cleanup:
    return status;
}

crd_status crd_posterior_conversion_read(crd_conversion *conversion, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    char *type = NULL;
    int64_t moped_enable, moped_prior;
    int kind, scale, initial, has_initial;
    double_place doubles[N_DOUBLES];
    place_doubles(doubles, conversion);
    for (int i = 0; i < N_DOUBLES; i++)
        CRD_TRY(crd_h5_attr_get(doubles[i].value, h5, doubles[i].group, doubles[i].key,
                                CRD_H5_FLOAT64, 1));
    CRD_TRY(read_choice(&kind, h5, "/prior", "prior_kind", crd_prior_kind_names()));
    CRD_TRY(read_choice(&scale, h5, "/prior", "prior_scale", crd_prior_scale_names()));
    CRD_TRY(crd_h5_attr_get(&moped_enable, h5, "/conversion", "moped_enable", CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_get(&moped_prior, h5, "/conversion", "moped_prior", CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_get(&conversion->seed, h5, "/conversion", "seed", CRD_H5_UINT64, 1));
    CRD_TRY(crd_h5_attr_get_text(&type, h5, "/conversion", "type"));
    CRD_REQUIRE(strlen(type) < sizeof conversion->type, CRD_ERR_INPUT,
                "%s: /conversion: type '%s' is longer than any estimator's name", crd_h5_name(h5),
                type);
    memcpy(conversion->type, type, strlen(type) + 1);
    conversion->prior_kind = (crd_prior_kind)kind;
    conversion->prior_scale = (crd_prior_scale)scale;
    conversion->moped_enable = moped_enable != 0;
    conversion->moped_prior = moped_prior != 0;
    CRD_TRY(crd_h5_attr_exists(&has_initial, h5, "/conversion", "initial_values"));
    initial = moped_enable != 0 ? CRD_INITIAL_MOPED : CRD_INITIAL_RANDOM; /* of older files */
    if (has_initial)
        CRD_TRY(
            read_choice(&initial, h5, "/conversion", "initial_values", crd_initial_kind_names()));
    conversion->initial = (crd_initial_kind)initial;
cleanup:
    crd_free(type);
    return status;
}

static crd_status write_preprocessing(crd_h5 *h5, const crd_preprocessing *transform)
{
    crd_status status = CRD_OK;
    const char *group = "/preprocessing";
    CRD_TRY(crd_h5_group_create(h5, group));
    CRD_TRY(crd_h5_attr_put(h5, group, "channels", CRD_H5_INT64, &transform->channels, 1));
    CRD_TRY(crd_h5_attr_put(h5, group, "resize", CRD_H5_INT64, &transform->resize, 1));
    CRD_TRY(crd_h5_attr_put(h5, group, "crop", CRD_H5_INT64, &transform->crop, 1));
    if (crd_preprocessing_width(transform) != transform->crop)
        CRD_TRY(crd_h5_attr_put(h5, group, "crop_width", CRD_H5_INT64, &transform->crop_width, 1));
    CRD_TRY(crd_h5_attr_put_text(h5, group, "interpolation",
                                 crd_interpolation_names()[transform->interpolation]));
    CRD_TRY(
        crd_h5_attr_put(h5, group, "mean", CRD_H5_FLOAT32, transform->mean, transform->channels));
    CRD_TRY(crd_h5_attr_put(h5, group, "sd", CRD_H5_FLOAT32, transform->sd, transform->channels));
cleanup:
    return status;
}

static crd_status read_preprocessing(crd_preprocessing *transform, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    const char *group = "/preprocessing";
    int interpolation, is_wide;
    CRD_TRY(crd_h5_attr_get(&transform->channels, h5, group, "channels", CRD_H5_INT64, 1));
    CRD_REQUIRE(transform->channels >= 1 && transform->channels <= CRD_MAX_CHANNELS, CRD_ERR_INPUT,
                "%s: %s: channels is %lld; it must be 1 to %d", crd_h5_name(h5), group,
                (long long)transform->channels, CRD_MAX_CHANNELS);
    CRD_TRY(crd_h5_attr_get(&transform->resize, h5, group, "resize", CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_get(&transform->crop, h5, group, "crop", CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_exists(&is_wide, h5, group, "crop_width"));
    if (is_wide)
        CRD_TRY(crd_h5_attr_get(&transform->crop_width, h5, group, "crop_width", CRD_H5_INT64, 1));
    CRD_TRY(
        crd_h5_attr_get(transform->mean, h5, group, "mean", CRD_H5_FLOAT32, transform->channels));
    CRD_TRY(crd_h5_attr_get(transform->sd, h5, group, "sd", CRD_H5_FLOAT32, transform->channels));
    CRD_TRY(read_choice(&interpolation, h5, group, "interpolation", crd_interpolation_names()));
    transform->interpolation = (crd_interpolation)interpolation;
cleanup:
    return status;
}

/* Only of regression: files without it hold logits. */
static crd_status write_outputs(crd_h5 *h5, crd_output_kind kind)
{
    crd_status status = CRD_OK;
    if (kind == CRD_OUTPUT_LOGITS)
        return CRD_OK;
    CRD_TRY(crd_h5_group_create(h5, OUTPUTS));
    CRD_TRY(crd_h5_attr_put_text(h5, OUTPUTS, "kind", crd_output_kind_names()[kind]));
cleanup:
    return status;
}

static crd_status read_outputs(crd_posterior *posterior, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    int there, kind = CRD_OUTPUT_LOGITS;
    CRD_TRY(crd_h5_exists(&there, h5, OUTPUTS));
    if (there)
        CRD_TRY(read_choice(&kind, h5, OUTPUTS, "kind", crd_output_kind_names()));
    CRD_REQUIRE(kind != CRD_OUTPUT_NORMALS || posterior->n_classes % 2 == 0, CRD_ERR_INPUT,
                "%s: " OUTPUTS ": kind is normals, but the network has %lld outputs, which is odd",
                crd_h5_name(h5), (long long)posterior->n_classes);
    posterior->outputs = (crd_output_kind)kind;
cleanup:
    return status;
}

static crd_status read_classes(crd_posterior *posterior, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    char **classes = NULL;
    int64_t n = 0;
    int there;
    CRD_TRY(crd_h5_exists(&there, h5, "/classes"));
    if (!there)
        return CRD_OK;
    CRD_TRY(crd_reader_check(h5, "/classes"));
    CRD_TRY(crd_h5_strings_read(&classes, &n, h5, "/classes"));
    CRD_REQUIRE(n == posterior->n_classes, CRD_ERR_INPUT,
                "%s: /classes: %lld names, but the network has %lld outputs", crd_h5_name(h5),
                (long long)n, (long long)posterior->n_classes);
    posterior->classes = classes;
    classes = NULL;
cleanup:
    crd_h5_strings_free(classes, n);
    return status;
}

crd_status crd_posterior_meta_write(crd_h5 *h5, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    CRD_TRY(write_preprocessing(h5, &posterior->preprocessing));
    CRD_TRY(write_outputs(h5, posterior->outputs));
    CRD_TRY(crd_laplace_part_write(h5, &posterior->laplace));
    if (posterior->classes != NULL)
        CRD_TRY(crd_h5_strings_write(h5, "/classes", (const char *const *)posterior->classes,
                                     posterior->n_classes));
cleanup:
    return status;
}

crd_status crd_posterior_meta_read(crd_posterior *posterior, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    CRD_TRY(read_preprocessing(&posterior->preprocessing, h5));
    CRD_TRY(read_outputs(posterior, h5));
    CRD_TRY(crd_laplace_part_read(&posterior->laplace, h5));
    CRD_TRY(read_classes(posterior, h5));
cleanup:
    return status;
}
