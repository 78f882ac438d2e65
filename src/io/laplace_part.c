/* The group /laplace of a posterior: attributes only, since the numbers are an ordinary normal
 * posterior's. Layout: data/FORMATS.md. */
#include "io/laplace_part.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/names.h"

static const char group[] = "/laplace";

enum { N_NUMBERS = 4 };

/* One table for writing and reading. */
typedef struct number_place {
    const char *key;
    double *value;
} number_place;

static void place_numbers(number_place out[N_NUMBERS], crd_laplace *laplace)
{
    out[0] = (number_place){"prior_precision", &laplace->prior_precision};
    out[1] = (number_place){"log_likelihood", &laplace->log_likelihood};
    out[2] = (number_place){"log_marginal_likelihood", &laplace->log_marginal_likelihood};
    out[3] = (number_place){"n_effective", &laplace->n_effective};
}

crd_status crd_laplace_part_write(crd_h5 *h5, const crd_laplace *given)
{
    crd_status status = CRD_OK;
    crd_laplace laplace = *given;
    number_place numbers[N_NUMBERS];
    int64_t is_optimized = given->is_optimized;
    if (given->n_images == 0)
        return CRD_OK;
    place_numbers(numbers, &laplace);
    CRD_TRY(crd_h5_group_create(h5, group));
    CRD_TRY(crd_h5_attr_put_text(h5, group, "hessian", crd_hessian_names()[given->hessian]));
    CRD_TRY(crd_h5_attr_put(h5, group, "n_images", CRD_H5_INT64, &given->n_images, 1));
    CRD_TRY(crd_h5_attr_put(h5, group, "is_optimized", CRD_H5_INT64, &is_optimized, 1));
    for (int i = 0; i < N_NUMBERS; i++)
        CRD_TRY(crd_h5_attr_put(h5, group, numbers[i].key, CRD_H5_FLOAT64, numbers[i].value, 1));
cleanup:
    return status;
}

static crd_status read_group(crd_laplace *out, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    char *hessian = NULL, place[CRD_H5_PATH_SIZE];
    number_place numbers[N_NUMBERS];
    int64_t is_optimized;
    int i_hessian;
    place_numbers(numbers, out);
    CRD_TRY(crd_h5_attr_get_text(&hessian, h5, group, "hessian"));
    snprintf(place, sizeof place, "%s: %s: hessian", crd_h5_name(h5), group);
    CRD_TRY(crd_names_require(&i_hessian, crd_hessian_names(), hessian, place, CRD_ERR_INPUT));
    CRD_TRY(crd_h5_attr_get(&out->n_images, h5, group, "n_images", CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_get(&is_optimized, h5, group, "is_optimized", CRD_H5_INT64, 1));
    for (int i = 0; i < N_NUMBERS; i++) {
        CRD_TRY(crd_h5_attr_get(numbers[i].value, h5, group, numbers[i].key, CRD_H5_FLOAT64, 1));
        CRD_REQUIRE(isfinite(*numbers[i].value), CRD_ERR_INPUT,
                    "%s: %s: %s is %g; needed is a number", crd_h5_name(h5), group, numbers[i].key,
                    *numbers[i].value);
    }
    CRD_REQUIRE(out->n_images > 0 && out->prior_precision > 0, CRD_ERR_INPUT,
                "%s: %s: n_images is %lld, prior_precision %g; both must be positive",
                crd_h5_name(h5), group, (long long)out->n_images, out->prior_precision);
    out->hessian = (crd_hessian)i_hessian;
    out->is_optimized = is_optimized != 0;
cleanup:
    crd_free(hessian);
    return status;
}

crd_status crd_laplace_part_read(crd_laplace *out, crd_h5 *h5)
{
    int there;
    *out = (crd_laplace){0};
    crd_status status = crd_h5_exists(&there, h5, group);
    return status == CRD_OK && there ? read_group(out, h5) : status;
}
