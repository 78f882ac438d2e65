/** How the rows of a reducer are printed: classes have a form of their own, all others are
 * printed by their fields. */
#ifndef CRD_REPORT_OUTPUT_ROWS_H
#define CRD_REPORT_OUTPUT_ROWS_H

#include "report/output.h"

typedef struct crd_rows_printer {
    /** Of the column that names outputs: in a table, or, given its rows, in their lists. */
    int (*width)(const crd_prediction_view *view, const crd_summary *listed);
    void (*head)(const crd_prediction_view *view, int name_width, int width);
    /** The name of the image stands there already. */
    void (*table)(const crd_prediction_view *view, const crd_summary *summary, int64_t row,
                  int name_width, int width);
    void (*list)(const crd_prediction_view *view, const crd_summary *summary, int64_t row,
                 int width);
} crd_rows_printer;

extern const crd_rows_printer crd_print_classes, crd_print_fields;

#endif
