/* A prediction as people read it, and as JSON. Which figures there are is said by the reducer's
 * table of fields. */
#include <stdio.h>
#include <string.h>

#include "base/softmax.h"
#include "base/text.h"
#include "cli/output_rows.h"

const char *crd_output_name(char number[24], const crd_prediction_view *view, int64_t k)
{
    if (view->output_names != NULL)
        return view->output_names[k];
    snprintf(number, 24, "%lld", (long long)k);
    return number;
}

void crd_prediction_view_add(crd_prediction_view *view, const crd_summary *summary)
{
    for (int64_t i = 0; i < summary->n_images; i++) {
        int64_t n = summary->n_draws[i];
        if (summary->skipped[i])
            continue;
        view->least_draws = n < view->least_draws ? n : view->least_draws;
        view->most_draws = n > view->most_draws ? n : view->most_draws;
    }
}

static void print_run(const crd_prediction_view *view, double seconds)
{
    if (strcmp(view->estimator, "mean") == 0)
        printf("deterministic network");
    else if (view->least_draws < view->most_draws)
        printf("%lld to %lld draws", (long long)view->least_draws, (long long)view->most_draws);
    else
        printf("%lld draw%s", (long long)view->most_draws, view->most_draws == 1 ? "" : "s");
    printf(", %d rank%s, %.1f s\n", view->n_ranks, view->n_ranks == 1 ? "" : "s", seconds);
}

static const crd_rows_printer *printer_of(const crd_prediction_view *view)
{
    return crd_reduction_is_ranked(view->reduction) ? &crd_print_classes : &crd_print_fields;
}

void crd_prediction_view_measure(crd_prediction_view *view)
{
    view->folder = crd_text_common_folder(view->image_names, view->n_images);
    view->output_width = printer_of(view)->width(view, NULL);
    view->name_width = 5;
    for (int64_t i = 0; i < view->n_images; i++) {
        int w = crd_text_width(view->image_names[i] + view->folder);
        view->name_width = w > view->name_width ? w : view->name_width;
    }
}

static int is_list(const crd_prediction_view *view)
{
    return view->n_images == 1 || view->list_classes;
}

void crd_prediction_print_head(const crd_prediction_view *view)
{
    if (!is_list(view))
        printer_of(view)->head(view, view->name_width + 2, view->output_width);
}

void crd_prediction_print(const crd_prediction_view *view, const crd_summary *summary,
                          int64_t first_image, double seconds)
{
    int as_list = is_list(view);
    const crd_rows_printer *printer = printer_of(view);
    int width = as_list ? printer->width(view, summary) : view->output_width;
    for (int64_t row = 0; row < summary->n_images; row++) {
        const char *name = view->image_names[first_image + row] + view->folder;
        if (summary->skipped[row]) {
            crd_print_clean(name);
            puts("  skipped: cannot be read");
        } else if (!as_list) {
            crd_print_padded(name, view->name_width + 2);
            printer->table(view, summary, row, view->name_width + 2, width);
        } else {
            crd_print_padded(name, view->n_images == 1 ? width + 5 : 0);
            if (view->n_images == 1)
                print_run(view, seconds);
            else if (view->is_adaptive)
                printf("   %lld draws\n", (long long)summary->n_draws[row]);
            else
                putchar('\n');
            printer->list(view, summary, row, width);
        }
    }
}

void crd_prediction_print_end(const crd_prediction_view *view, double seconds)
{
    if (view->n_images == 1)
        return;
    printf("%lld images, ", (long long)view->n_images);
    print_run(view, seconds);
}

/** The most probable class of a draw. */
static void print_top(const crd_prediction_view *view, const float *probs)
{
    int64_t top = crd_argmax(probs, view->reduction->extents[CRD_AXIS_OUTPUT]);
    char number[24];
    crd_print_clean(crd_output_name(number, view, top));
    printf(" %.2f %%\n", 100 * (double)probs[top]);
}

void crd_draw_print(const crd_prediction_view *view, int64_t image, int64_t draw,
                    const float *outputs, float *room)
{
    int n;
    const crd_draw_field *fields = crd_reduction_draw_fields(view->reduction, &n);
    if (view->n_images > 1) {
        crd_print_clean(view->image_names[image]);
        printf(", ");
    }
    printf("draw %lld:", (long long)draw);
    if (crd_reduction_is_ranked(view->reduction)) {
        putchar(' ');
        crd_reduction_describe_draw(room, view->reduction, n - 1, outputs);
        print_top(view, room);
        return;
    }
    for (int f = 0; f < n; f++) {
        printf("%s %s", f > 0 ? "," : "", fields[f].name);
        crd_reduction_describe_draw(room, view->reduction, f, outputs);
        for (int64_t k = 0; k < view->reduction->extents[CRD_AXIS_OUTPUT]; k++)
            printf(" %.6g", (double)room[k]);
    }
    putchar('\n');
}

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
