/* A prediction in HDF5. Its datasets follow from the reducer's table of fields; none is named here
 * but coordinates and what is known of the images. Layout: data/FORMATS.md. */
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/text.h"
#include "io/prediction_private.h"

enum { NUMBER_SIZE = 24 };

crd_h5_type crd_field_h5_type(const crd_field *field)
{
    switch (field->type) {
    case CRD_FLOAT32:
        return CRD_H5_FLOAT32;
    case CRD_FLOAT64:
        return CRD_H5_FLOAT64;
    case CRD_INT64:
        return CRD_H5_INT64;
    case CRD_BOOL8:
        break;
    }
    return CRD_H5_BOOL;
}

int crd_field_axes(const crd_axis *out[3], const crd_prediction_file *file, const crd_field *field)
{
    int n = 1;
    out[0] = &file->image;
    for (int i = 0; i < 2; i++) {
        if (field->axes[i] == CRD_AXIS_NONE)
            continue;
        out[n] = &file->axes[field->axes[i]];
        if (out[n++]->extent == 0)
            return 0;
    }
    return n;
}

int crd_field_place(int64_t start[3], int64_t count[3], const crd_summary *summary,
                    const crd_field *field, int64_t first)
{
    int n = 1;
    start[0] = first;
    count[0] = summary->n_images;
    for (int i = 0; i < 2; i++) {
        if (field->axes[i] == CRD_AXIS_NONE)
            continue;
        start[n] = 0;
        count[n++] = summary->reduction.extents[field->axes[i]];
    }
    return crd_summary_width(summary, field) > 0 ? n : 0;
}

/* Classes in order of probability have a group of their own: as a table, a group is the product
 * of its axes. */
const char *crd_field_group(const crd_field *field)
{
    return field->axes[0] == CRD_AXIS_DETAIL ? "/predictive_top" : "/predictive";
}

crd_status crd_field_path(char out[CRD_H5_PATH_SIZE], crd_h5 *h5, const crd_field *field)
{
    crd_status status = CRD_OK;
    int there;
    CRD_TRY(crd_h5_join(out, "/predictive", field->name));
    if (field->axes[0] != CRD_AXIS_DETAIL)
        return CRD_OK;
    CRD_TRY(crd_h5_exists(&there, h5, out)); /* as files had it at first */
    if (!there)
        CRD_TRY(crd_h5_join(out, crd_field_group(field), field->name));
cleanup:
    return status;
}

crd_status crd_prediction_read_rows(crd_summary *summary, crd_h5 *h5, int64_t first)
{
    crd_status status = CRD_OK;
    char path[CRD_H5_PATH_SIZE];
    int n;
    const crd_field *fields = crd_reduction_fields(&summary->reduction, &n);
    for (int i = 0; i < n; i++) {
        int64_t start[3], count[3];
        if (crd_field_place(start, count, summary, &fields[i], first) == 0)
            continue;
        CRD_TRY(crd_field_path(path, h5, &fields[i]));
        CRD_TRY(crd_h5_read(summary->columns[i], h5, path, crd_field_h5_type(&fields[i]), start,
                            count));
    }
cleanup:
    return status;
}

/* Coordinates of the outputs. Readers see one type of them, so numbers become texts. */
static crd_status name_outputs(crd_prediction_file *file, int64_t n)
{
    crd_status status = CRD_OK;
    CRD_ALLOC(&file->names, n, "names of outputs");
    CRD_ALLOC(&file->numbers, n * NUMBER_SIZE, "names of outputs");
    for (int64_t i = 0; i < n; i++) {
        char *text = file->numbers + i * NUMBER_SIZE;
        snprintf(text, NUMBER_SIZE, "%" PRId64, i);
        file->names[i] = text;
    }
    file->axes[CRD_AXIS_OUTPUT].labels = file->names;
cleanup:
    return status;
}

static crd_status set_axes(crd_prediction_file *file, const crd_prediction_meta *meta)
{
    crd_status status = CRD_OK;
    const crd_reduction *r = meta->reduction;
    int64_t n_chains = crd_prediction_n_chains(meta);
    file->chain = (crd_axis){.name = "chain", .extent = n_chains};
    file->draw = (crd_axis){.name = "draw", .extent = meta->n_draws / n_chains};
    CRD_ALLOC(&file->image_names, meta->n_images, "image names");
    size_t folder = crd_text_common_folder(meta->image_names, meta->n_images);
    for (int64_t i = 0; i < meta->n_images; i++)
        file->image_names[i] = meta->image_names[i] + folder;
    file->image =
        (crd_axis){.name = "image", .extent = meta->n_images, .labels = file->image_names};
    for (int a = CRD_AXIS_OUTPUT; a < CRD_N_AXES; a++) {
        int is_there = (a != CRD_AXIS_SUM && a != CRD_AXIS_MAXIMUM) || meta->part != NULL;
        file->axes[a] = (crd_axis){.name = crd_reduction_axis_name(r, (crd_field_axis)a),
                                   .extent = is_there ? r->extents[a] : 0};
    }
    file->axes[CRD_AXIS_OUTPUT].labels = meta->output_names;
    if (meta->output_names == NULL)
        CRD_TRY(name_outputs(file, r->extents[CRD_AXIS_OUTPUT]));
    if (crd_reduction_has_coordinates(r, CRD_AXIS_DETAIL)) {
        CRD_ALLOC(&file->details, r->extents[CRD_AXIS_DETAIL], "coordinate");
        for (int64_t i = 0; i < r->extents[CRD_AXIS_DETAIL]; i++)
            file->details[i] = crd_reduction_coordinate(r, CRD_AXIS_DETAIL, i);
        file->axes[CRD_AXIS_DETAIL].values = file->details;
    }
cleanup:
    return status;
}

static crd_status add_predictive(crd_prediction_file *file)
{
    crd_status status = CRD_OK;
    const crd_axis *axes[CRD_N_AXES] = {&file->image};
    int n, n_axes = 1;
    const crd_field *fields = crd_reduction_fields(file->meta.reduction, &n);
    int is_ranked = crd_reduction_is_ranked(file->meta.reduction);
    for (int a = CRD_AXIS_OUTPUT; a < CRD_N_AXES; a++)
        if (file->axes[a].extent > 0 && !(a == CRD_AXIS_DETAIL && is_ranked))
            axes[n_axes++] = &file->axes[a];
    CRD_TRY(crd_labelled_group(&file->writer, "/predictive", axes, n_axes));
    if (is_ranked) {
        const crd_axis *const ranked[] = {&file->image, &file->axes[CRD_AXIS_DETAIL]};
        CRD_TRY(crd_labelled_group(&file->writer, "/predictive_top", ranked, 2));
    }
    CRD_TRY(crd_h5_attr_put_text(file->writer.h5, "/predictive", "reducer",
                                 crd_reduction_name(file->meta.reduction)));
    CRD_TRY(crd_h5_attr_put(file->writer.h5, "/predictive", "n_draws", CRD_H5_INT64,
                            &file->meta.n_draws, 1));
    for (int i = 0; i < n; i++) {
        const crd_field *field = &fields[i];
        const crd_axis *own[3];
        int n_own = crd_field_axes(own, file, field);
        if (n_own > 0)
            CRD_TRY(crd_labelled_array(&file->writer, crd_field_group(field), field->name,
                                       crd_field_h5_type(field), own, n_own, field->units,
                                       field->long_name));
    }
cleanup:
    return status;
}

/* What the images are in truth. */
static crd_status add_observed(crd_prediction_file *file, const crd_prediction_meta *meta)
{
    crd_status status = CRD_OK;
    static const char group[] = "/observed_data";
    const crd_axis *const axes[] = {&file->image, &file->axes[CRD_AXIS_OUTPUT]};
    if (meta->labels != NULL) {
        CRD_TRY(crd_labelled_group(&file->writer, group, axes, 1));
        CRD_TRY(crd_labelled_array(&file->writer, group, "label", CRD_H5_INT64, axes, 1, "1",
                                   "number of the true class, -1 if unknown"));
        CRD_TRY(crd_labelled_write(&file->writer, group, "label", CRD_H5_INT64, meta->labels, NULL,
                                   NULL));
    } else if (meta->targets != NULL) {
        CRD_TRY(crd_labelled_group(&file->writer, group, axes, 2));
        CRD_TRY(crd_labelled_array(&file->writer, group, "target", CRD_H5_FLOAT32, axes, 2, NULL,
                                   "true value"));
        CRD_TRY(crd_labelled_write(&file->writer, group, "target", CRD_H5_FLOAT32, meta->targets,
                                   NULL, NULL));
    }
cleanup:
    return status;
}

static crd_status add_images(crd_prediction_file *file, const crd_prediction_meta *meta)
{
    crd_status status = CRD_OK;
    const crd_axis *const axes[] = {&file->image};
    const char *constants =
        crd_prediction_is_observed(meta) ? "/constant_data" : "/predictions_constant_data";
    int64_t *numbers = NULL;
    CRD_TRY(add_observed(file, meta));
    CRD_TRY(crd_labelled_group(&file->writer, constants, axes, 1));
    CRD_TRY(crd_labelled_array(&file->writer, constants, "image_number", CRD_H5_INT64, axes, 1, "1",
                               "number of the image in the run"));
    CRD_TRY(crd_labelled_texts(&file->writer, constants, "image_path", meta->image_names,
                               &file->image, "path of the image as it was given"));
    CRD_ALLOC(&numbers, meta->n_images, "image numbers");
    for (int64_t i = 0; i < meta->n_images; i++)
        numbers[i] = i;
    CRD_TRY(crd_labelled_write(&file->writer, constants, "image_number", CRD_H5_INT64, numbers,
                               NULL, NULL));
cleanup:
    crd_free(numbers);
    return status;
}

/* Bytes of all numbers, to refuse at once what the disk cannot hold. */
static crd_status data_bytes(int64_t *out, const crd_prediction_file *file,
                             const crd_prediction_meta *meta)
{
    int n;
    const crd_field *fields = crd_reduction_fields(meta->reduction, &n);
    int64_t row = 0;
    for (int i = 0; i < n; i++) {
        const crd_axis *axes[3];
        if (crd_field_axes(axes, file, &fields[i]) > 0)
            row += crd_field_width(meta->reduction, &fields[i]) *
                   crd_h5_type_size(crd_field_h5_type(&fields[i]));
    }
    if (meta->save_draws) {
        crd_shape drawn = crd_shape_make(2, meta->n_draws, crd_prediction_draw_bytes(meta));
        row += crd_shape_count(&drawn) < 0 ? INT64_MAX / 2 : crd_shape_count(&drawn);
    }
    crd_shape all = crd_shape_make(2, meta->n_images, row);
    *out = crd_shape_count(&all);
    if (*out < 0)
        return CRD_FAIL(CRD_ERR_IO, "%" PRId64 " draws of %" PRId64 " images cannot be stored",
                        meta->n_draws, meta->n_images);
    return CRD_OK;
}

crd_status crd_prediction_begin(crd_prediction_file **out, const char *path,
                                const crd_prediction_meta *meta, const crd_provenance *provenance,
                                int64_t extra_bytes, int complete)
{
    crd_status status = CRD_OK;
    crd_prediction_file *file = NULL;
    int64_t bytes, is_complete = complete;
    *out = NULL;
    CRD_REQUIRE(meta->n_images > 0 && meta->n_draws > 0 &&
                    meta->reduction->extents[CRD_AXIS_OUTPUT] > 0 &&
                    meta->reduction->extents[CRD_AXIS_DETAIL] > 0,
                CRD_ERR_INTERNAL, "%s: a prediction of no images, outputs or draws", path);
    CRD_ALLOC(&file, 1, "prediction file");
    file->meta = *meta;
    file->seed = provenance->seed;
    CRD_ALLOC(&file->written, meta->n_images, "rows written");
    CRD_TRY(set_axes(file, meta));
    CRD_TRY(data_bytes(&bytes, file, meta));
    CRD_TRY(crd_writer_begin(&file->writer, path, CRD_FILE_PREDICTION, bytes + extra_bytes,
                             provenance));
    CRD_TRY(crd_h5_attr_put_text(file->writer.h5, "/", "name", "Credence prediction"));
    CRD_TRY(crd_h5_attr_put(file->writer.h5, "/", "complete", CRD_H5_INT64, &is_complete, 1));
    CRD_TRY(add_predictive(file));
    if (meta->save_draws)
        CRD_TRY(crd_prediction_add_draws(file));
    if (meta->part != NULL)
        CRD_TRY(crd_part_add(&file->writer, meta));
    CRD_TRY(add_images(file, meta));
    *out = file;
    file = NULL;
cleanup:
    crd_prediction_abandon(file);
    return status;
}

crd_status crd_prediction_create(crd_prediction_file **out, const char *path,
                                 const crd_prediction_meta *meta, const crd_provenance *provenance)
{
    crd_status status = crd_prediction_begin(out, path, meta, provenance, 0, 1);
    if (status == CRD_OK)
        status = crd_writer_end_metadata(&(*out)->writer);
    if (status != CRD_OK) {
        crd_prediction_abandon(*out);
        *out = NULL;
    }
    return status;
}

/* Same reducer, same sizes, and accumulators in both or in none. */
static int fits(const crd_prediction_file *file, const crd_summary *summary)
{
    const crd_reduction *a = file->meta.reduction, *b = &summary->reduction;
    int is_equal = a->reducer == b->reducer && (file->meta.part != NULL) == summary->keeps_sums;
    for (int i = 0; i < CRD_N_AXES; i++)
        is_equal &= a->extents[i] == b->extents[i];
    return is_equal;
}

crd_status crd_prediction_write_summary(crd_prediction_file *file, const crd_summary *summary,
                                        int64_t first_image)
{
    crd_status status = CRD_OK;
    int n;
    const crd_field *fields = crd_reduction_fields(&summary->reduction, &n);
    CRD_REQUIRE(fits(file, summary) && first_image >= 0 &&
                    first_image + summary->n_images <= file->image.extent,
                CRD_ERR_INTERNAL, "%s: a summary that does not fit the file",
                crd_h5_name(file->writer.h5));
    for (int i = 0; i < n; i++) {
        int64_t start[3], count[3];
        if (crd_field_place(start, count, summary, &fields[i], first_image) == 0)
            continue;
        CRD_TRY(crd_labelled_write(&file->writer, crd_field_group(&fields[i]), fields[i].name,
                                   crd_field_h5_type(&fields[i]), summary->columns[i], start,
                                   count));
    }
    for (int64_t i = 0; i < summary->n_images; i++)
        file->written[first_image + i] = 1;
cleanup:
    return status;
}

crd_status crd_prediction_finish(crd_prediction_file *file)
{
    crd_status status = CRD_OK;
    for (int64_t i = 0; i < file->image.extent; i++)
        CRD_REQUIRE(file->written[i], CRD_ERR_INTERNAL,
                    "%s: finished before the summary of image %" PRId64,
                    crd_h5_name(file->writer.h5), i);
    CRD_TRY(crd_writer_publish(&file->writer));
cleanup:
    crd_prediction_abandon(file);
    return status;
}

void crd_prediction_abandon(crd_prediction_file *file)
{
    if (file == NULL)
        return;
    crd_writer_abandon(&file->writer);
    crd_free(file->written);
    crd_free(file->drawn);
    crd_free(file->details);
    crd_free(file->names);
    crd_free(file->image_names);
    crd_free(file->numbers);
    crd_free(file);
}
