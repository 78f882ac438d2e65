#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"

/** Name of a class, or its number written to `number`. */
static const char *class_name(char number[24], const crd_prediction_view *view, int64_t k)
{
    if (view->class_names != NULL)
        return view->class_names[k];
    snprintf(number, 24, "%lld", (long long)k);
    return number;
}

/** Length of the folders that all images have in common: left out of what people read. */
static size_t common_folder(const crd_prediction_view *view)
{
    const char *first = view->image_names[0];
    const char *slash = strrchr(first, '/');
    size_t length = slash != NULL ? (size_t)(slash - first) + 1 : 0;
    for (int64_t i = 1; i < view->summary->n_images; i++) {
        size_t same = 0;
        while (same < length && view->image_names[i][same] == first[same])
            same++;
        while (same > 0 && first[same - 1] != '/')
            same--;
        length = same;
    }
    return length;
}

static void print_entropies(const crd_prediction_view *view, int64_t image)
{
    const crd_summary *s = view->summary;
    if (view->is_mean || isnan(s->mutual_information_mcse[image])) {
        printf("  entropy %.3f nats (one network: nothing to separate)\n",
               s->predictive_entropy[image]);
        return;
    }
    printf("  predictive entropy %.3f ± %.3f nats = aleatoric %.3f ± %.3f + epistemic %.3f ± %.3f\n",
           s->predictive_entropy_debiased[image], s->predictive_entropy_mcse[image],
           s->expected_entropy[image], s->expected_entropy_mcse[image],
           s->mutual_information_debiased[image], s->mutual_information_mcse[image]);
}

static void print_classes(const crd_prediction_view *view, int64_t image, int width)
{
    const crd_summary *s = view->summary;
    for (int64_t t = 0; t < s->n_top; t++) {
        int64_t k = s->top_class[image * s->n_top + t], at = image * s->n_classes + k;
        char number[24];
        printf("  ");
        crd_print_padded(class_name(number, view, k), width - 2);
        printf(" %6.2f %%", 100 * (double)s->probs_mean[at]);
        if (!isnan(s->probs_mcse[at]))
            printf(" ± %.2f   (draws %.1f … %.1f, top-1 in %lld)", 100 * (double)s->probs_mcse[at],
                   100 * (double)s->probs_min[at], 100 * (double)s->probs_max[at],
                   (long long)s->votes[at]);
        putchar('\n');
    }
    print_entropies(view, image);
}

static void print_run(const crd_prediction_view *view)
{
    if (view->is_mean)
        printf("deterministic network");
    else
        printf("%lld draw%s", (long long)view->summary->n_draws,
               view->summary->n_draws == 1 ? "" : "s");
    printf(", %d rank%s, %.1f s\n", view->n_ranks, view->n_ranks == 1 ? "" : "s", view->seconds);
}

/** Width of the widest shown text, at most `most`. */
static int widest_class(const crd_prediction_view *view, int64_t n_top, int most)
{
    const crd_summary *s = view->summary;
    int width = 8;
    for (int64_t i = 0; i < s->n_images; i++)
        for (int64_t t = 0; t < n_top && !s->skipped[i]; t++) {
            char number[24];
            int w = crd_text_width(class_name(number, view, s->top_class[i * s->n_top + t]));
            width = w > width ? w : width;
        }
    return width < most ? width : most;
}

static void print_lists(const crd_prediction_view *view, size_t folder)
{
    const crd_summary *s = view->summary;
    int width = widest_class(view, s->n_top, 60) + 3;
    for (int64_t i = 0; i < s->n_images; i++) {
        const char *name = view->image_names[i] + folder;
        if (s->n_images > 1 || s->skipped[i]) {
            crd_print_clean(name);
            puts(s->skipped[i] ? "   skipped: cannot be read" : "");
        } else {
            crd_print_padded(name, width);
            printf("  ");
            print_run(view);
        }
        if (!s->skipped[i])
            print_classes(view, i, width);
    }
}

static void print_table(const crd_prediction_view *view, size_t folder)
{
    const crd_summary *s = view->summary;
    int name_width = 5, class_width = widest_class(view, 1, 32);
    for (int64_t i = 0; i < s->n_images; i++) {
        int w = crd_text_width(view->image_names[i] + folder);
        name_width = w > name_width ? w : name_width;
    }
    int has_error = !view->is_mean && s->n_draws > 1;
    crd_print_padded("image", name_width + 2);
    crd_print_padded("class", class_width + 2);
    puts(has_error ? "probability, %    top-1    entropy, nats = aleatoric     + epistemic"
                   : "probability, %  entropy, nats");
    for (int64_t i = 0; i < s->n_images; i++) {
        crd_print_padded(view->image_names[i] + folder, name_width + 2);
        if (s->skipped[i]) {
            puts("skipped: cannot be read");
            continue;
        }
        int64_t k = s->top_class[i * s->n_top], at = i * s->n_classes + k;
        char number[24];
        crd_print_padded(class_name(number, view, k), class_width + 2);
        printf("%6.2f", 100 * (double)s->probs_mean[at]);
        if (has_error)
            printf(" ± %-5.2f %8.1f %%    %.3f ± %.3f   %.3f ± %.3f   %.3f ± %.3f\n",
                   100 * (double)s->probs_mcse[at],
                   100 * (double)s->votes[at] / (double)s->n_draws,
                   s->predictive_entropy_debiased[i], s->predictive_entropy_mcse[i],
                   s->expected_entropy[i], s->expected_entropy_mcse[i],
                   s->mutual_information_debiased[i], s->mutual_information_mcse[i]);
        else
            printf("          %.3f\n", s->predictive_entropy[i]);
    }
}

void crd_prediction_print(const crd_prediction_view *view)
{
    size_t folder = common_folder(view);
    int64_t n_images = view->summary->n_images;
    if (n_images == 1 || view->list_classes)
        print_lists(view, folder);
    else
        print_table(view, folder);
    if (n_images > 1) {
        printf("%lld images, ", (long long)n_images);
        print_run(view);
    }
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

static json_t *image_object(const crd_prediction_view *view, int64_t image)
{
    const crd_summary *s = view->summary;
    json_t *object = json_pack("{s:s%}", "name", view->image_names[image],
                               strlen(view->image_names[image]));
    if (object == NULL) /* a name that is no UTF-8 */
        object = json_pack("{s:n}", "name");
    set_fields(object, s, CRD_DIM_NONE, image);
    json_t *top = json_array();
    for (int64_t t = 0; t < s->n_top && !s->skipped[image]; t++) {
        int64_t k = s->top_class[image * s->n_top + t];
        char number[24];
        json_t *row = json_pack("{s:I, s:s}", "class", (json_int_t)k, "name",
                                class_name(number, view, k));
        if (row == NULL)
            row = json_pack("{s:I}", "class", (json_int_t)k);
        set_fields(row, s, CRD_DIM_CLASS, image * s->n_classes + k);
        json_array_append_new(top, row);
    }
    json_object_set_new(object, "top", top);
    return object;
}

crd_status crd_prediction_print_json(const crd_prediction_view *view)
{
    const crd_summary *s = view->summary;
    json_t *images = json_array();
    for (int64_t i = 0; i < s->n_images; i++)
        json_array_append_new(images, image_object(view, i));
    return crd_json_print(json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:f, s:o}", "posterior", view->posterior, "estimator",
        view->estimator, "seed", (json_int_t)view->seed, "n_draws", (json_int_t)s->n_draws,
        "n_images", (json_int_t)s->n_images, "n_classes", (json_int_t)s->n_classes, "n_ranks",
        view->n_ranks, "seconds", view->seconds, "images", images));
}
