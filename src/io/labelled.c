/* Arrays with named axes in HDF5, attached as dimension scales, so that xarray, netCDF-4 and ArviZ
 * see coordinates. What the arrays mean, the callers know. */
#include "io/labelled.h"

#include "base/alloc.h"

static crd_status write_values(crd_h5 *h5, const char *path, const double *values, int64_t extent)
{
    crd_shape shape = crd_shape_make(1, extent);
    crd_status status = crd_h5_dataset_create(h5, path, CRD_H5_FLOAT64, &shape);
    if (status == CRD_OK)
        status = crd_h5_write(h5, path, CRD_H5_FLOAT64, values, NULL, NULL);
    return status;
}

static crd_status write_numbers(crd_h5 *h5, const char *path, int64_t extent)
{
    crd_status status = CRD_OK;
    crd_shape shape = crd_shape_make(1, extent);
    int64_t *numbers = NULL;
    CRD_ALLOC(&numbers, extent, "coordinate");
    for (int64_t i = 0; i < extent; i++)
        numbers[i] = i;
    CRD_TRY(crd_h5_dataset_create(h5, path, CRD_H5_INT64, &shape));
    CRD_TRY(crd_h5_write(h5, path, CRD_H5_INT64, numbers, NULL, NULL));
cleanup:
    crd_free(numbers);
    return status;
}

crd_status crd_labelled_group(crd_writer *writer, const char *group, const crd_axis *const *axes,
                              int n_axes)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = writer->h5;
    char path[CRD_H5_PATH_SIZE];
    CRD_TRY(crd_h5_group_create(h5, group));
    CRD_TRY(crd_h5_attr_put_text(h5, group, "created_at", writer->created_at));
    CRD_TRY(crd_h5_attr_put_text(h5, group, "inference_library", "credence"));
    CRD_TRY(crd_h5_attr_put_text(h5, group, "inference_library_version", CRD_VERSION));
    for (int i = 0; i < n_axes; i++) {
        const crd_axis *axis = axes[i];
        CRD_TRY(crd_h5_join(path, group, axis->name));
        if (axis->labels != NULL)
            CRD_TRY(crd_h5_strings_write(h5, path, axis->labels, axis->extent));
        else if (axis->values != NULL)
            CRD_TRY(write_values(h5, path, axis->values, axis->extent));
        else
            CRD_TRY(write_numbers(h5, path, axis->extent));
        CRD_TRY(crd_h5_scale_set(h5, path));
        /* netCDF-4 numbers the scales that it adds to a file, and misreads those without a
         * number. */
        CRD_TRY(crd_h5_attr_put(h5, path, "_Netcdf4Dimid", CRD_H5_INT32, &writer->n_scales, 1));
        writer->n_scales++;
    }
cleanup:
    return status;
}

/* Names the axes of an array. */
static crd_status attach_axes(crd_h5 *h5, const char *group, const char *path,
                              const crd_axis *const *axes, int n_axes)
{
    crd_status status = CRD_OK;
    char scale[CRD_H5_PATH_SIZE];
    for (int i = 0; i < n_axes; i++) {
        CRD_TRY(crd_h5_join(scale, group, axes[i]->name));
        CRD_TRY(crd_h5_scale_attach(h5, path, i, scale));
    }
cleanup:
    return status;
}

static crd_shape shape_of(const crd_axis *const *axes, int n_axes)
{
    crd_shape shape = {.n_dims = n_axes};
    for (int i = 0; i < n_axes; i++)
        shape.dims[i] = axes[i]->extent;
    return shape;
}

crd_status crd_labelled_array(crd_writer *writer, const char *group, const char *name,
                              crd_h5_type type, const crd_axis *const *axes, int n_axes,
                              const char *units, const char *long_name)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = writer->h5;
    crd_shape shape = shape_of(axes, n_axes);
    char path[CRD_H5_PATH_SIZE];
    CRD_TRY(crd_h5_join(path, group, name));
    CRD_TRY(crd_h5_dataset_create(h5, path, type, &shape));
    CRD_TRY(attach_axes(h5, group, path, axes, n_axes));
    if (units != NULL)
        CRD_TRY(crd_h5_attr_put_text(h5, path, "units", units));
    CRD_TRY(crd_h5_attr_put_text(h5, path, "long_name", long_name));
cleanup:
    return status;
}

crd_status crd_labelled_numbers(crd_writer *writer, const char *group, const char *name,
                                const crd_axis *const *axes, int n_axes, const char *long_name)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = writer->h5;
    crd_shape shape = shape_of(axes, n_axes);
    int64_t none = -1;
    char path[CRD_H5_PATH_SIZE];
    CRD_TRY(crd_h5_join(path, group, name));
    CRD_TRY(crd_h5_dataset_create_filled(h5, path, CRD_H5_INT64, &shape, &none));
    CRD_TRY(attach_axes(h5, group, path, axes, n_axes));
    CRD_TRY(crd_h5_attr_put_text(h5, path, "units", "1"));
    CRD_TRY(crd_h5_attr_put_text(h5, path, "long_name", long_name));
cleanup:
    return status;
}

crd_status crd_labelled_texts(crd_writer *writer, const char *group, const char *name,
                              const char *const *texts, const crd_axis *axis, const char *long_name)
{
    crd_status status = CRD_OK;
    char path[CRD_H5_PATH_SIZE];
    CRD_TRY(crd_h5_join(path, group, name));
    CRD_TRY(crd_h5_strings_write(writer->h5, path, texts, axis->extent));
    CRD_TRY(attach_axes(writer->h5, group, path, &axis, 1));
    CRD_TRY(crd_h5_attr_put_text(writer->h5, path, "long_name", long_name));
cleanup:
    return status;
}

crd_status crd_labelled_write(crd_writer *writer, const char *group, const char *name,
                              crd_h5_type type, const void *data, const int64_t *start,
                              const int64_t *count)
{
    char path[CRD_H5_PATH_SIZE];
    crd_status status = crd_h5_join(path, group, name);
    return status != CRD_OK ? status : crd_h5_write(writer->h5, path, type, data, start, count);
}
