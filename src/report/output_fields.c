/* How predictions of a reducer are shown by its table of fields: those with a title, each with
 * its error. */
#include <stdio.h>
#include <string.h>

#include "report/output_rows.h"

/* Width of a figure with its error. */
enum { COLUMN = 22 };

/** Is it shown, of each output, in a table (no further axis) or in a list (all of them)? */
static int is_shown(const crd_field *field, int in_table)
{
    return field->title != NULL && field->axes[0] == CRD_AXIS_OUTPUT &&
           (!in_table || field->axes[1] == CRD_AXIS_NONE);
}

/** Width of the column of field i of n in a table: the last one needs no blanks. */
static int column_width(const crd_field *fields, int i, int n)
{
    for (int k = i + 1; k < n; k++)
        if (is_shown(&fields[k], 1))
            return COLUMN;
    return 0;
}

static double element(const crd_summary *s, const crd_field *field, int64_t at)
{
    int n;
    const void *column = s->columns[field - crd_reduction_fields(&s->reduction, &n)];
    switch (field->type) {
    case CRD_FLOAT32:
        return (double)((const float *)column)[at];
    case CRD_FLOAT64:
        return ((const double *)column)[at];
    case CRD_INT64:
        return (double)((const int64_t *)column)[at];
    case CRD_BOOL8:
        break;
    }
    return ((const int8_t *)column)[at];
}

static const crd_field *error_of(const crd_summary *s, const crd_field *field)
{
    int n;
    const crd_field *fields = crd_reduction_fields(&s->reduction, &n);
    for (int i = 0; field->error != NULL && i < n; i++)
        if (strcmp(fields[i].name, field->error) == 0)
            return &fields[i];
    return NULL;
}

/** "1.25 ± 0.01"; one network has no error. NaN is what the reducer cannot tell of these
 * outputs. */
static void format(char out[64], const crd_summary *s, const crd_field *field, int64_t row,
                   int64_t at)
{
    const crd_field *error = error_of(s, field);
    double value = element(s, field, at);
    if (value != value)
        snprintf(out, 64, "-");
    else if (error != NULL && s->n_draws[row] > 1)
        snprintf(out, 64, "%.5g ± %.2g", value, element(s, error, at));
    else
        snprintf(out, 64, "%.5g", value);
}

static int width_of(const crd_prediction_view *view, const crd_summary *listed)
{
    int width = 5;
    for (int64_t k = 0; listed == NULL && k < view->reduction->extents[CRD_AXIS_OUTPUT]; k++) {
        char number[24];
        int w = crd_text_width(crd_output_name(number, view, k));
        width = w > width ? w : width;
    }
    return listed != NULL ? COLUMN : width;
}

static void head(const crd_prediction_view *view, int name_width, int width)
{
    int n;
    const crd_field *fields = crd_reduction_fields(view->reduction, &n);
    crd_print_padded("image", name_width);
    if (view->is_adaptive)
        printf("   draws  ");
    if (view->reduction->extents[CRD_AXIS_OUTPUT] > 1)
        crd_print_padded(crd_reduction_axis_name(view->reduction, CRD_AXIS_OUTPUT), width + 2);
    for (int i = 0; i < n; i++)
        if (is_shown(&fields[i], 1))
            crd_print_padded(fields[i].title, column_width(fields, i, n));
    putchar('\n');
}

static void table(const crd_prediction_view *view, const crd_summary *s, int64_t row,
                  int name_width, int width)
{
    int n;
    const crd_field *fields = crd_reduction_fields(&s->reduction, &n);
    int64_t n_values = s->reduction.extents[CRD_AXIS_OUTPUT];
    char number[24], text[64];
    for (int64_t k = 0; k < n_values; k++) {
        if (k > 0)
            crd_print_padded("", name_width);
        if (view->is_adaptive)
            printf("%8lld  ", (long long)s->n_draws[row]);
        if (n_values > 1)
            crd_print_padded(crd_output_name(number, view, k), width + 2);
        for (int i = 0; i < n; i++)
            if (is_shown(&fields[i], 1)) {
                format(text, s, &fields[i], row, row * n_values + k);
                crd_print_padded(text, column_width(fields, i, n));
            }
        putchar('\n');
    }
}

static void print_details(const crd_summary *s, const crd_field *field, int64_t row, int64_t at)
{
    char text[64];
    int64_t n = s->reduction.extents[field->axes[1]];
    for (int64_t i = 0; i < n; i++) {
        double coordinate = crd_reduction_coordinate(&s->reduction, field->axes[1], i);
        int used = printf("    %s %g", field->title, coordinate);
        format(text, s, field, row, at * n + i);
        printf("%*s%s\n", used < COLUMN ? COLUMN - used : 1, "", text);
    }
}

static void list(const crd_prediction_view *view, const crd_summary *s, int64_t row, int width)
{
    int n;
    const crd_field *fields = crd_reduction_fields(&s->reduction, &n);
    int64_t n_values = s->reduction.extents[CRD_AXIS_OUTPUT];
    char number[24], text[64];
    (void)width;
    for (int64_t k = 0; k < n_values; k++) {
        printf("  %s ", crd_reduction_axis_name(&s->reduction, CRD_AXIS_OUTPUT));
        crd_print_clean(crd_output_name(number, view, k));
        putchar('\n');
        for (int i = 0; i < n; i++) {
            if (!is_shown(&fields[i], 0))
                continue;
            if (fields[i].axes[1] != CRD_AXIS_NONE) {
                print_details(s, &fields[i], row, row * n_values + k);
                continue;
            }
            format(text, s, &fields[i], row, row * n_values + k);
            printf("    %-*s%s\n", COLUMN - 4, fields[i].title, text);
        }
    }
}

const crd_rows_printer crd_print_fields = {
    .width = width_of, .head = head, .table = table, .list = list};
