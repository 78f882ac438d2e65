/* A prediction as people read it: its images, one list or one table, and what each draw says. */
#include <stdio.h>
#include <string.h>

#include "base/softmax.h"
#include "base/text.h"
#include "report/output_rows.h"

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
