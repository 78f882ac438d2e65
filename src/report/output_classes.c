/* How predictions of classes are shown: the notebook's list of an image, a table of several. */
#include <stdio.h>

#include "report/output_rows.h"

/** Width of a column of class names, at most `at_most`: all classes, or the listed ones of `s`. */
static int class_column(const crd_prediction_view *view, const crd_class_rows *s, int at_most)
{
    int width = 5;
    int64_t n = s != NULL ? s->n_images * s->n_top : view->reduction->extents[CRD_AXIS_OUTPUT];
    for (int64_t i = 0; i < n && width < at_most; i++) {
        char number[24];
        int64_t k = s != NULL ? s->top_class[i] : i;
        int w = k < 0 ? 0 : crd_text_width(crd_output_name(number, view, k));
        width = w > width ? w : width;
    }
    return width < at_most ? width : at_most;
}

static void print_error(const crd_prediction_view *view, const crd_class_rows *s, int64_t at)
{
    printf(" ± %.2f", 100 * (double)s->probs_mcse[at]);
    if (view->show_half_widths)
        printf(", within %.2f at %g %%", 100 * (double)s->probs_half_width[at],
               100 * view->confidence);
    printf("   (draws %.1f … %.1f, top-1 in %lld)", 100 * (double)s->probs_min[at],
           100 * (double)s->probs_max[at], (long long)s->votes[at]);
}

static void print_list(const crd_prediction_view *view, const crd_class_rows *s, int64_t row,
                       int width)
{
    for (int64_t t = 0; t < s->n_top; t++) {
        int64_t k = s->top_class[row * s->n_top + t], at = row * s->n_classes + k;
        char number[24];
        printf("  ");
        crd_print_padded(crd_output_name(number, view, k), width);
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

static void print_table_head(const crd_prediction_view *view, int name_width, int class_width)
{
    crd_print_padded("image", name_width);
    crd_print_padded("class", class_width + 2);
    if (view->is_adaptive)
        printf("   draws  ");
    puts(view->n_draws > 1 ? "probability, %     top-1  entropy, nats = aleatoric     + epistemic"
                           : "probability, %  entropy, nats");
}

static void print_table_row(const crd_prediction_view *view, const crd_class_rows *s, int64_t row,
                            int class_width)
{
    int64_t k = s->top_class[row * s->n_top], at = row * s->n_classes + k;
    char number[24];
    crd_print_padded(crd_output_name(number, view, k), class_width + 2);
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

static int width_of(const crd_prediction_view *view, const crd_summary *listed)
{
    if (listed == NULL)
        return class_column(view, NULL, 32);
    crd_class_rows rows = crd_class_rows_view(listed);
    return class_column(view, &rows, 60);
}

static void table(const crd_prediction_view *view, const crd_summary *summary, int64_t row,
                  int name_width, int width)
{
    crd_class_rows rows = crd_class_rows_view(summary);
    (void)name_width;
    print_table_row(view, &rows, row, width);
}

static void list(const crd_prediction_view *view, const crd_summary *summary, int64_t row,
                 int width)
{
    crd_class_rows rows = crd_class_rows_view(summary);
    print_list(view, &rows, row, width);
}

const crd_rows_printer crd_print_classes = {
    .width = width_of, .head = print_table_head, .table = table, .list = list};
