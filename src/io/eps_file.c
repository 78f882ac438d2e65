/* Imported normals: eps of every Bayesian parameter from an HDF5 file with bayesian-torch's buffer
 * names. For parity checks only. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "bayes/param_place.h"
#include "credence/files.h"
#include "io/known_datasets.h"

static const char low_rank[] = "/low_rank";

/* Where eps of a Bayesian parameter lies: bayesian-torch's buffer name, eps_kernel for
 * mu_kernel. */
static crd_status eps_path(char out[CRD_H5_PATH_SIZE], const crd_posterior *posterior,
                           int64_t index)
{
    crd_status status = CRD_OK;
    crd_param_place place;
    char group[CRD_H5_PATH_SIZE] = "/eps";
    CRD_TRY(crd_param_place_of(&place, posterior->network, index, "eps_"));
    if (place.module[0] != '\0')
        CRD_TRY(crd_h5_join(group, "/eps", place.module));
    CRD_TRY(crd_h5_join(out, group, place.leaf));
cleanup:
    return status;
}

static crd_status read_one(float *values, crd_h5 *h5, const char *path, const crd_shape *wanted)
{
    crd_status status = CRD_OK;
    crd_h5_type type;
    crd_shape shape;
    char expected[CRD_SHAPE_TEXT_SIZE], found[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_h5_dataset_info(&type, &shape, h5, path));
    CRD_REQUIRE(crd_shape_equal(&shape, wanted), CRD_ERR_INPUT,
                "%s: %s: shape %s, but the graph needs %s", crd_h5_name(h5), path,
                crd_shape_text(found, &shape), crd_shape_text(expected, wanted));
    CRD_REQUIRE(type == CRD_H5_FLOAT32 || type == CRD_H5_FLOAT64, CRD_ERR_INPUT,
                "%s: %s: type %s; it must be float32 or float64", crd_h5_name(h5), path,
                crd_h5_type_name(type));
    CRD_TRY(crd_h5_read(values, h5, path, CRD_H5_FLOAT32, NULL, NULL));
    for (int64_t i = 0; i < crd_shape_count(wanted); i++)
        CRD_REQUIRE(isfinite(values[i]), CRD_ERR_INPUT, "%s: %s: element %lld is not finite",
                    crd_h5_name(h5), path, (long long)i);
cleanup:
    return status;
}

crd_status crd_eps_read(float *eps, const char *path, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = NULL;
    const crd_params *params = &posterior->network->params;
    char dataset[CRD_H5_PATH_SIZE];
    crd_known_datasets known = {0};
    int there;
    memset(eps, 0, (size_t)(params->n_floats + posterior->rank) * sizeof *eps);
    CRD_TRY(crd_h5_open(&h5, path));
    CRD_TRY(crd_h5_exists(&there, h5, "/eps"));
    CRD_REQUIRE(there, CRD_ERR_INPUT, "%s: has no group /eps", path);
    for (int64_t p = 0; p < params->n_params; p++) {
        if (!posterior->bayesian[p])
            continue;
        CRD_TRY(eps_path(dataset, posterior, p));
        CRD_TRY(crd_h5_exists(&there, h5, dataset));
        if (there)
            CRD_TRY(
                read_one(eps + params->entries[p].offset, h5, dataset, &params->entries[p].shape));
        CRD_TRY(crd_known_datasets_add(&known, dataset));
    }
    CRD_TRY(crd_known_datasets_check(&known, h5, "/eps"));
    if (posterior->rank > 0) {
        const crd_shape factors = crd_shape_make(1, posterior->rank);
        CRD_TRY(crd_h5_exists(&there, h5, low_rank));
        CRD_REQUIRE(there, CRD_ERR_INPUT, "%s: has no dataset %s, the normals of the deviations",
                    path, low_rank);
        CRD_TRY(read_one(eps + params->n_floats, h5, low_rank, &factors));
    }
cleanup:
    crd_known_datasets_clear(&known);
    crd_h5_discard(h5);
    return status;
}
