#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/output.h"

/** Name of a class, or its number written to `number`. */
static const char *class_name(char number[24], const crd_prediction_view *view, int64_t k)
{
    if (view->class_names != NULL)
        return view->class_names[k];
    snprintf(number, 24, "%lld", (long long)k);
    return number;
}

/** Width of a column of class names, at most `at_most`: all classes, or the listed ones of `s`. */
static int class_column(const crd_prediction_view *view, const crd_summary *s, int at_most)
{
    int width = 5;
    int64_t n = s != NULL ? s->n_images * s->n_top : view->n_classes;
    for (int64_t i = 0; i < n && width < at_most; i++) {
        char number[24];
        int64_t k = s != NULL ? s->top_class[i] : i;
        int w = k < 0 ? 0 : crd_text_width(class_name(number, view, k));
        width = w > width ? w : width;
    }
    return width < at_most ? width : at_most;
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

static void print_error(const crd_prediction_view *view, const crd_summary *s, int64_t at)
{
    printf(" ± %.2f", 100 * (double)s->probs_mcse[at]);
    if (view->show_half_widths)
        printf(", within %.2f at %g %%", 100 * (double)s->probs_half_width[at],
               100 * view->confidence);
    printf("   (draws %.1f … %.1f, top-1 in %lld)", 100 * (double)s->probs_min[at],
           100 * (double)s->probs_max[at], (long long)s->votes[at]);
}

static void print_list(const crd_prediction_view *view, const crd_summary *s, int64_t row,
                       int width)
{
    for (int64_t t = 0; t < s->n_top; t++) {
        int64_t k = s->top_class[row * s->n_top + t], at = row * s->n_classes + k;
        char number[24];
        printf("  ");
        crd_print_padded(class_name(number, view, k), width);
        printf(" %6.2f %%", 100 * (double)s->probs_mean[at]);
        if (s->n_draws[row] > 1)
            print_error(view, s, at);
        putchar('\n');
    }
    if (s->n_draws[row] > 1)
        printf("  predictive entropy %.3f ± %.3f nats = aleatoric %.3f ± %.3f + epistemic %.3f ± "
               "%.3f\n",
               crd_printed_nats(s->predictive_entropy_debiased[row], s->n_classes),
               s->predictive_entropy_mcse[row],
               crd_printed_nats(s->expected_entropy[row], s->n_classes),
               s->expected_entropy_mcse[row],
               crd_printed_nats(s->mutual_information_debiased[row], s->n_classes),
               s->mutual_information_mcse[row]);
    else /* one network knows nothing of its own uncertainty */
        printf("  entropy %.3f nats\n", crd_printed_nats(s->predictive_entropy[row], s->n_classes));
}

void crd_prediction_view_measure(crd_prediction_view *view)
{
    view->folder = crd_text_common_folder(view->image_names, view->n_images);
    view->class_width = class_column(view, NULL, 32);
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
    if (is_list(view))
        return;
    crd_print_padded("image", view->name_width + 2);
    crd_print_padded("class", view->class_width + 2);
    if (view->is_adaptive)
        printf("   draws  ");
    puts(view->n_draws > 1 ? "probability, %     top-1  entropy, nats = aleatoric     + epistemic"
                           : "probability, %  entropy, nats");
}

static void print_table_row(const crd_prediction_view *view, const crd_summary *s, int64_t row,
                            int class_width)
{
    int64_t k = s->top_class[row * s->n_top], at = row * s->n_classes + k;
    char number[24];
    crd_print_padded(class_name(number, view, k), class_width + 2);
    if (view->is_adaptive)
        printf("%8lld  ", (long long)s->n_draws[row]);
    printf("%6.2f", 100 * (double)s->probs_mean[at]);
    if (view->n_draws > 1)
        printf(
            " ± %-5.2f  %6.1f %%  %.3f ± %.3f   %.3f ± %.3f   %.3f ± %.3f\n",
            100 * (double)s->probs_mcse[at], 100 * (double)s->votes[at] / (double)s->n_draws[row],
            crd_printed_nats(s->predictive_entropy_debiased[row], s->n_classes),
            s->predictive_entropy_mcse[row],
            crd_printed_nats(s->expected_entropy[row], s->n_classes), s->expected_entropy_mcse[row],
            crd_printed_nats(s->mutual_information_debiased[row], s->n_classes),
            s->mutual_information_mcse[row]);
    else
        printf("          %.3f\n", crd_printed_nats(s->predictive_entropy[row], s->n_classes));
}

void crd_prediction_print(const crd_prediction_view *view, const crd_summary *summary,
                          int64_t first_image, double seconds)
{
    int as_list = is_list(view);
    int class_width = as_list ? class_column(view, summary, 60) : view->class_width;
    for (int64_t row = 0; row < summary->n_images; row++) {
        const char *name = view->image_names[first_image + row] + view->folder;
        if (summary->skipped[row]) {
            crd_print_clean(name);
            puts("  skipped: cannot be read");
        } else if (!as_list) {
            crd_print_padded(name, view->name_width + 2);
            print_table_row(view, summary, row, class_width);
        } else {
            crd_print_padded(name, view->n_images == 1 ? class_width + 5 : 0);
            if (view->n_images == 1)
                print_run(view, seconds);
            else if (view->is_adaptive)
                printf("   %lld draws\n", (long long)summary->n_draws[row]);
            else
                putchar('\n');
            print_list(view, summary, row, class_width);
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

void crd_draw_print(const char *image, int64_t draw, int64_t class_index, const char *name,
                    double probability)
{
    if (image != NULL) {
        crd_print_clean(image);
        printf(", ");
    }
    printf("draw %lld: ", (long long)draw);
    if (name != NULL)
        crd_print_clean(name);
    else
        printf("%lld", (long long)class_index);
    printf(" %.2f %%\n", 100 * probability);
}

/** Element `at` of a field as JSON. */
static json_t *field_value(const crd_summary *summary, const crd_field *field, int64_t at)
{
    const void *array = *(void *const *)((const char *)summary + field->offset);
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

static void set_fields(json_t *object, const crd_summary *summary, crd_field_dim dim, int64_t at)
{
    int n;
    const crd_field *fields = crd_summary_fields(&n);
    for (int f = 0; f < n; f++)
        if (fields[f].dim == dim)
            json_object_set_new(object, fields[f].name, field_value(summary, &fields[f], at));
}

void crd_prediction_append_json(json_t *images, const crd_prediction_view *view,
                                const crd_summary *s, int64_t first_image)
{
    for (int64_t row = 0; row < s->n_images; row++) {
        json_t *image = json_object(), *top = json_array();
        json_object_set_new(image, "name", crd_json_text(view->image_names[first_image + row]));
        set_fields(image, s, CRD_DIM_NONE, row);
        for (int64_t t = 0; t < s->n_top && !s->skipped[row]; t++) {
            int64_t k = s->top_class[row * s->n_top + t];
            char number[24];
            json_t *class = json_pack("{s:I, s:o}", "class", (json_int_t)k, "name",
                                      crd_json_text(class_name(number, view, k)));
            set_fields(class, s, CRD_DIM_CLASS, row * s->n_classes + k);
            json_array_append_new(top, class);
        }
        json_object_set_new(image, "top", top);
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
    return crd_json_print(json_pack(
        "{s:o, s:s, s:s, s:I, s:I, s:f, s:I, s:I, s:i, s:f, s:o, s:o}", "posterior",
        crd_json_text(view->posterior), "estimator", view->estimator, "precision", view->precision,
        "seed", (json_int_t)view->seed, "n_draws", (json_int_t)view->n_draws, "confidence",
        view->confidence, "n_images", (json_int_t)view->n_images, "n_classes",
        (json_int_t)view->n_classes, "n_ranks", view->n_ranks, "seconds", seconds, "cost",
        cost_json(report, view->n_ranks), "images", images));
}
