#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/text.h"
#include "io/prediction_private.h"

enum { CLASS_NUMBER_SIZE = 24 };

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

const crd_axis *crd_field_axis(const crd_prediction_file *file, const crd_field *field)
{
    switch (field->dim) {
    case CRD_DIM_NONE:
        break;
    case CRD_DIM_CLASS:
        return &file->class_axis;
    case CRD_DIM_TOP:
        return &file->top;
    case CRD_DIM_SUM:
        return &file->sum;
    case CRD_DIM_MAXIMUM:
        return &file->maximum;
    }
    return NULL;
}

int64_t crd_field_columns(const crd_prediction_file *file, const crd_field *field)
{
    const crd_axis *axis = crd_field_axis(file, field);
    return axis == NULL ? 1 : axis->extent;
}

/* Classes in order of probability have a group of their own: as a table, a group is the product of its axes. */
const char *crd_field_group(const crd_field *field)
{
    return field->dim == CRD_DIM_TOP ? "/predictive_top" : "/predictive";
}

crd_status crd_field_path(char out[CRD_H5_PATH_SIZE], crd_h5 *h5, const crd_field *field)
{
    crd_status status = CRD_OK;
    int there;
    CRD_TRY(crd_h5_join(out, "/predictive", field->name));
    if (field->dim != CRD_DIM_TOP)
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
    const crd_field *fields = crd_summary_fields(&n);
    for (int i = 0; i < n; i++) {
        void *rows = *(void **)(void *)((char *)summary + fields[i].offset);
        int64_t start[2] = {first, 0};
        int64_t count[2] = {summary->n_images, crd_summary_columns(summary, &fields[i])};
        if (count[1] == 0)
            continue;
        CRD_TRY(crd_field_path(path, h5, &fields[i]));
        CRD_TRY(crd_h5_read(rows, h5, path, crd_field_h5_type(&fields[i]), start, count));
    }
cleanup:
    return status;
}

/* The axes of the file. Readers see one type of class coordinate, so numbers become texts. */
static crd_status set_axes(crd_prediction_file *file, const crd_prediction_meta *meta)
{
    crd_status status = CRD_OK;
    file->chain = (crd_axis){.name = "chain", .extent = 1};
    file->draw = (crd_axis){.name = "draw", .extent = meta->n_draws};
    CRD_ALLOC(&file->image_names, meta->n_images, "image names");
    size_t folder = crd_text_common_folder(meta->image_names, meta->n_images);
    for (int64_t i = 0; i < meta->n_images; i++)
        file->image_names[i] = meta->image_names[i] + folder;
    file->image = (crd_axis){"image", meta->n_images, file->image_names};
    file->class_axis = (crd_axis){"class", meta->n_classes, meta->class_names};
    file->top = (crd_axis){.name = "top", .extent = meta->n_top};
    if (file->top.extent > meta->n_classes) /* as crd_summary_init cuts it */
        file->top.extent = meta->n_classes;
    if (meta->part != NULL) {
        file->sum = (crd_axis){.name = "sum", .extent = crd_accumulator_n_sums(meta->n_classes)};
        file->maximum =
            (crd_axis){.name = "maximum", .extent = crd_accumulator_n_maxima(meta->n_classes)};
    }
    if (meta->class_names == NULL) {
        CRD_ALLOC(&file->classes, meta->n_classes, "class names");
        CRD_ALLOC(&file->numbers, meta->n_classes * CLASS_NUMBER_SIZE, "class names");
        for (int64_t i = 0; i < meta->n_classes; i++) {
            char *text = file->numbers + i * CLASS_NUMBER_SIZE;
            snprintf(text, CLASS_NUMBER_SIZE, "%" PRId64, i);
            file->classes[i] = text;
        }
        file->class_axis.labels = file->classes;
    }
cleanup:
    return status;
}

static crd_status add_predictive(crd_prediction_file *file)
{
    crd_status status = CRD_OK;
    const crd_axis *const axes[] = {&file->image, &file->class_axis, &file->sum, &file->maximum};
    const crd_axis *const top_axes[] = {&file->image, &file->top};
    int n;
    const crd_field *fields = crd_summary_fields(&n);
    CRD_TRY(
        crd_labelled_group(&file->writer, "/predictive", axes, file->meta.part != NULL ? 4 : 2));
    CRD_TRY(crd_labelled_group(&file->writer, "/predictive_top", top_axes, 2));
    CRD_TRY(crd_h5_attr_put(file->writer.h5, "/predictive", "n_draws", CRD_H5_INT64,
                            &file->draw.extent, 1));
    for (int i = 0; i < n; i++) {
        const crd_field *field = &fields[i];
        const crd_axis *const own[] = {&file->image, crd_field_axis(file, field)};
        if (crd_field_columns(file, field) == 0)
            continue;
        CRD_TRY(crd_labelled_array(
            &file->writer, crd_field_group(field), field->name, crd_field_h5_type(field), own,
            field->dim == CRD_DIM_NONE ? 1 : 2, field->units, field->long_name));
    }
cleanup:
    return status;
}

static crd_status add_images(crd_prediction_file *file, const crd_prediction_meta *meta)
{
    crd_status status = CRD_OK;
    const crd_axis *const axes[] = {&file->image};
    const char *constants = meta->labels != NULL ? "/constant_data" : "/predictions_constant_data";
    int64_t *numbers = NULL;
    if (meta->labels != NULL) {
        CRD_TRY(crd_labelled_group(&file->writer, "/observed_data", axes, 1));
        CRD_TRY(crd_labelled_array(&file->writer, "/observed_data", "label", CRD_H5_INT64, axes, 1,
                                   "1", "number of the true class, -1 if unknown"));
        CRD_TRY(crd_labelled_write(&file->writer, "/observed_data", "label", CRD_H5_INT64,
                                   meta->labels, NULL, NULL));
    }
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
    const crd_field *fields = crd_summary_fields(&n);
    int64_t row = 0;
    for (int i = 0; i < n; i++)
        row +=
            crd_field_columns(file, &fields[i]) * crd_h5_type_size(crd_field_h5_type(&fields[i]));
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
    CRD_REQUIRE(meta->n_images > 0 && meta->n_classes > 0 && meta->n_draws > 0 && meta->n_top > 0,
                CRD_ERR_INTERNAL, "%s: a prediction of no images, classes or draws", path);
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
        CRD_TRY(crd_part_add(&file->writer, meta->part));
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

crd_status crd_prediction_write_summary(crd_prediction_file *file, const crd_summary *summary,
                                        int64_t first_image)
{
    crd_status status = CRD_OK;
    int n;
    const crd_field *fields = crd_summary_fields(&n);
    CRD_REQUIRE(summary->n_classes == file->class_axis.extent &&
                    summary->n_top == file->top.extent && summary->n_sums == file->sum.extent &&
                    first_image >= 0 && first_image + summary->n_images <= file->image.extent,
                CRD_ERR_INTERNAL, "%s: a summary that does not fit the file",
                crd_h5_name(file->writer.h5));
    for (int i = 0; i < n; i++) {
        const void *rows = *(void *const *)((const char *)summary + fields[i].offset);
        int64_t start[2] = {first_image, 0};
        int64_t count[2] = {summary->n_images, crd_field_columns(file, &fields[i])};
        if (count[1] == 0)
            continue;
        CRD_TRY(crd_labelled_write(&file->writer, crd_field_group(&fields[i]), fields[i].name,
                                   crd_field_h5_type(&fields[i]), rows, start, count));
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
    crd_free(file->classes);
    crd_free(file->image_names);
    crd_free(file->numbers);
    crd_free(file);
}
