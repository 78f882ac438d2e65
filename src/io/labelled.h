/** Groups of labelled arrays, as xarray, netCDF-4 and ArviZ want them: every group carries the
 * coordinates of its own axes, and every axis of every array is attached to one. */
#ifndef CRD_IO_LABELLED_H
#define CRD_IO_LABELLED_H

#include "io/writer.h"

/** An axis: a dimension and the coordinate of its name. */
typedef struct crd_axis {
    const char *name;
    int64_t extent;
    const char *const *labels; /**< [extent] */
    const double *values;      /**< [extent], where there are no labels; NULL: the numbers from 0 */
} crd_axis;

/** Creates a group at top level with the coordinates of `axes`. */
crd_status crd_labelled_group(crd_writer *writer, const char *group, const crd_axis *const *axes,
                              int n_axes);

/** Creates an array over `axes`, all of them axes of the group. `units` may be NULL. */
crd_status crd_labelled_array(crd_writer *writer, const char *group, const char *name,
                              crd_h5_type type, const crd_axis *const *axes, int n_axes,
                              const char *units, const char *long_name);

/** Creates an array of numbers of things (int64) over `axes`: -1, for none, until they are
 * written. */
crd_status crd_labelled_numbers(crd_writer *writer, const char *group, const char *name,
                                const crd_axis *const *axes, int n_axes, const char *long_name);

/** Creates an array of texts over one axis of the group, and writes it. */
crd_status crd_labelled_texts(crd_writer *writer, const char *group, const char *name,
                              const char *const *texts, const crd_axis *axis,
                              const char *long_name);

/** Writes a block of an array; NULL, NULL: all of it. */
crd_status crd_labelled_write(crd_writer *writer, const char *group, const char *name,
                              crd_h5_type type, const void *data, const int64_t *start,
                              const int64_t *count);

#endif
