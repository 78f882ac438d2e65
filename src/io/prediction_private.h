/** What prediction_file.c and prediction_checkpoint.c share: a checkpoint of a prediction is a
 * prediction file too. */
#ifndef CRD_IO_PREDICTION_PRIVATE_H
#define CRD_IO_PREDICTION_PRIVATE_H

#include "io/labelled.h"

struct crd_prediction_file {
    crd_writer writer;
    crd_prediction_meta meta; /**< borrowed: for checkpoints */
    crd_axis chain, draw, image;
    crd_axis
        axes[CRD_N_AXES]; /**< the reducer's; those of accumulators have an extent in a part only */
    char *numbers;        /**< texts of the outputs' numbers, where there are no names */
    const char **names;   /**< [outputs] pointing into numbers */
    const char **image_names; /**< [n_images] without the folders that all have in common */
    uint64_t seed;            /**< of the run */
    double *details;          /**< coordinates of CRD_AXIS_DETAIL, or NULL */
    const char *samples;      /**< group of the draws, or NULL */
    float *drawn;             /**< room for a field of a unit's draws; grows */
    int64_t n_drawn;
    uint8_t *written; /**< [n_images] 1: its summary is written */
};

/** Creates the file up to, and without, the end of its metadata. `complete` 0: some images lack
 * draws. */
crd_status crd_prediction_begin(crd_prediction_file **out, const char *path,
                                const crd_prediction_meta *meta, const crd_provenance *provenance,
                                int64_t extra_bytes, int complete);

/** Writes what a part says of the whole, into a group of its own (prediction_part.c). */
crd_status crd_part_add(crd_writer *writer, const crd_prediction_meta *meta);

/** Checks that all fields of a prediction's rows are there, of their types and as many as
 * images; *is_part: crd_part_open checks more. */
crd_status crd_prediction_check(int *is_part, const char *path);

/** 1 if the file says what the images are in truth. */
int crd_prediction_is_observed(const crd_prediction_meta *meta);
/** Chains that single draws are kept by: those of the posterior, draw d being of chain d mod their
 * number, if each has as many draws; else 1. */
int64_t crd_prediction_n_chains(const crd_prediction_meta *meta);
/** Adds the groups of single draws (prediction_draws.c). */
crd_status crd_prediction_add_draws(crd_prediction_file *file);
/** Bytes of one draw of one image there. */
int64_t crd_prediction_draw_bytes(const crd_prediction_meta *meta);

/** Group of a field. */
const char *crd_field_group(const crd_field *field);
/** Path of a field in a file that is read. */
crd_status crd_field_path(char out[CRD_H5_PATH_SIZE], crd_h5 *h5, const crd_field *field);
crd_h5_type crd_field_h5_type(const crd_field *field);
/** Dimensions of a field in the file, images included: 1 to 3. 0: the file has no such field. */
int crd_field_axes(const crd_axis *out[3], const crd_prediction_file *file, const crd_field *field);
/** Place of rows [first, + n) of a field of a summary; returns the number of dimensions, 0:
 * there is no such field. */
int crd_field_place(int64_t start[3], int64_t count[3], const crd_summary *summary,
                    const crd_field *field, int64_t first);
/** Reads rows [first, + summary->n_images) of all fields of the summary. */
crd_status crd_prediction_read_rows(crd_summary *summary, crd_h5 *h5, int64_t first);

#endif
