/* A prediction as JSON. Which figures there are is said by the reducer's table of fields. */
#include "report/output.h"

/** Element `at` of a field as JSON. */
static json_t *field_value(const crd_summary *summary, const crd_field *field, int64_t at)
{
    int n;
    const void *array = summary->columns[field - crd_reduction_fields(&summary->reduction, &n)];
    switch (field->type) {
    case CRD_FLOAT32:
        return crd_json_real((double)((const float *)array)[at]);
    case CRD_FLOAT64:
        return crd_json_real(((const double *)array)[at]);
    case CRD_INT64:
        return json_integer(((const int64_t *)array)[at]);
    case CRD_BOOL8:
        return json_boolean(((const int8_t *)array)[at]);
    }
    return json_null();
}

/** Sets all fields whose first axis is this one: element `at` of it; a list where there is
 * another axis. */
static void set_fields(json_t *object, const crd_summary *summary, crd_field_axis axis, int64_t at)
{
    int n;
    const crd_field *fields = crd_reduction_fields(&summary->reduction, &n);
    for (int f = 0; f < n; f++) {
        int64_t width = summary->reduction.extents[fields[f].axes[1]];
        if (fields[f].axes[0] != axis)
            continue;
        json_t *value = fields[f].axes[1] == CRD_AXIS_NONE ? field_value(summary, &fields[f], at)
                                                           : json_array();
        for (int64_t i = 0; json_is_array(value) && i < width; i++)
            json_array_append_new(value, field_value(summary, &fields[f], at * width + i));
        json_object_set_new(object, fields[f].name, value);
    }
}

/** The most probable classes, or all values, of an image. */
static json_t *outputs_json(const crd_prediction_view *view, const crd_summary *s, int64_t row)
{
    const crd_reduction *r = view->reduction;
    int is_ranked = crd_reduction_is_ranked(r);
    crd_class_rows classes = {0};
    if (is_ranked)
        classes = crd_class_rows_view(s);
    int64_t n = is_ranked ? classes.n_top : r->extents[CRD_AXIS_OUTPUT];
    json_t *list = json_array();
    for (int64_t i = 0; i < n && !s->skipped[row]; i++) {
        int64_t k = is_ranked ? classes.top_class[row * n + i] : i;
        char number[24];
        json_t *output =
            json_pack("{s:I, s:o}", crd_reduction_axis_name(r, CRD_AXIS_OUTPUT), (json_int_t)k,
                      "name", crd_json_text(crd_output_name(number, view, k)));
        set_fields(output, s, CRD_AXIS_OUTPUT, row * r->extents[CRD_AXIS_OUTPUT] + k);
        json_array_append_new(list, output);
    }
    return list;
}

void crd_prediction_append_json(json_t *images, const crd_prediction_view *view,
                                const crd_summary *s, int64_t first_image)
{
    for (int64_t row = 0; row < s->n_images; row++) {
        json_t *image = json_object();
        json_object_set_new(image, "name", crd_json_text(view->image_names[first_image + row]));
        set_fields(image, s, CRD_AXIS_NONE, row);
        json_object_set_new(image, crd_reduction_is_ranked(view->reduction) ? "top" : "values",
                            outputs_json(view, s, row));
        json_array_append_new(images, image);
    }
}

/* Where the time of all ranks went. */
static json_t *cost_json(const crd_predict_report *r, int n_ranks)
{
    double rank_s = r->wall_s * n_ranks;
    return json_pack(
        "{s:o, s:I, s:o, s:o, s:o, s:o, s:I, s:I}", "engine_s", crd_json_real(r->wall_s), "n_units",
        (json_int_t)r->n_units, "draw_share", crd_json_real(r->times.draw_s / rank_s),
        "weighted_share", crd_json_real(r->times.weighted_s / rank_s), "rest_share",
        crd_json_real(r->times.rest_s / rank_s), "comm_share", crd_json_real(r->comm_s / rank_s),
        "comm_calls", (json_int_t)r->comm_calls, "comm_bytes", (json_int_t)r->comm_bytes);
}

crd_status crd_prediction_print_json(const crd_prediction_view *view, json_t *images,
                                     double seconds, const crd_predict_report *report)
{
    const crd_reduction *r = view->reduction;
    json_t *root =
        json_pack("{s:o, s:s, s:s, s:I, s:I, s:f, s:I, s:I, s:i, s:f, s:o}", "posterior",
                  crd_json_text(view->posterior), "estimator", view->estimator, "precision",
                  view->precision, "seed", (json_int_t)view->seed, "n_draws",
                  (json_int_t)view->n_draws, "confidence", view->confidence, "n_images",
                  (json_int_t)view->n_images, crd_reduction_is_ranked(r) ? "n_classes" : "n_values",
                  (json_int_t)r->extents[CRD_AXIS_OUTPUT], "n_ranks", view->n_ranks, "seconds",
                  seconds, "cost", cost_json(report, view->n_ranks));
    if (crd_reduction_has_coordinates(r, CRD_AXIS_DETAIL)) {
        json_t *list = json_array();
        for (int64_t i = 0; i < r->extents[CRD_AXIS_DETAIL]; i++)
            json_array_append_new(list,
                                  crd_json_real(crd_reduction_coordinate(r, CRD_AXIS_DETAIL, i)));
        json_object_set_new(root, crd_reduction_axis_name(r, CRD_AXIS_DETAIL), list);
    }
    json_object_set_new(root, "images", images);
    return crd_json_print(root);
}
