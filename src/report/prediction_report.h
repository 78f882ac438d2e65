/** What `predict` prints, as its rows come: a list or a line for each image, of many the most
 * uncertain ones, or JSON. */
#ifndef CRD_REPORT_PREDICTION_REPORT_H
#define CRD_REPORT_PREDICTION_REPORT_H

#include "app/uncertain.h"
#include "report/output.h"

typedef struct crd_prediction_report {
    crd_prediction_view view;
    json_t *rows;  /**< NULL: text is printed */
    int is_summed; /**< of many images the most uncertain are listed */
    crd_uncertain uncertain;
    int has_head;
    float *drawn; /**< what a draw says of an image: [output] */
} crd_prediction_report;

/** Begins; `view` as it stands before crd_prediction_view_measure. all: each of many images has a
 * line. End it with _clear in any case. */
crd_status crd_prediction_report_begin(crd_prediction_report *out, const crd_prediction_view *view,
                                       int as_json, int all);
/** Images [first_image, + rows->n_images), after so many seconds. */
void crd_prediction_report_rows(crd_prediction_report *report, const crd_summary *rows,
                                int64_t first_image, double seconds);
/** The last lines, or all as JSON. is_paired: draws are pairs. */
crd_status crd_prediction_report_end(crd_prediction_report *report, const crd_predict_report *cost,
                                     double seconds, int is_paired);
void crd_prediction_report_clear(crd_prediction_report *report);

#endif
