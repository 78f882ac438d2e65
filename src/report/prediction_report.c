/* A prediction as it is printed while it runs: by which form its images are shown follows from
 * their number and the options. */
#include "report/prediction_report.h"

#include <stdio.h>

#include "base/alloc.h"

crd_status crd_prediction_report_begin(crd_prediction_report *out, const crd_prediction_view *view,
                                       int as_json, int all)
{
    crd_status status = CRD_OK;
    *out = (crd_prediction_report){.view = *view};
    CRD_ALLOC(&out->drawn, view->reduction->extents[CRD_AXIS_OUTPUT], "a draw");
    crd_prediction_view_measure(&out->view);
    out->is_summed = view->n_images > CRD_UNCERTAIN_FROM && !all;
    if (out->is_summed)
        CRD_TRY(crd_uncertain_init(&out->uncertain, view->reduction));
    if (as_json)
        out->rows = json_array();
cleanup:
    return status;
}

void crd_prediction_report_rows(crd_prediction_report *report, const crd_summary *rows,
                                int64_t first_image, double seconds)
{
    crd_prediction_view_add(&report->view, rows);
    if (report->rows != NULL) {
        crd_prediction_append_json(report->rows, &report->view, rows, first_image);
    } else if (report->is_summed) {
        crd_uncertain_add(&report->uncertain, rows, first_image);
    } else {
        if (!report->has_head)
            crd_prediction_print_head(&report->view);
        report->has_head = 1;
        crd_prediction_print(&report->view, rows, first_image, seconds);
    }
}

static void print_classes(const crd_uncertain_facts *f, const crd_prediction_view *view)
{
    printf("  most frequent classes:");
    for (int i = 0; i < f->n_classes; i++) {
        char count[32], number[24];
        printf("%s ", i > 0 ? ";" : "");
        crd_print_clean(crd_output_name(number, view, f->classes[i]));
        printf(" in %s", crd_grouped(count, f->counts[i]));
    }
    putchar('\n');
}

static crd_status print_uncertain(const crd_uncertain *u, const crd_prediction_view *view)
{
    crd_status status = CRD_OK;
    int64_t n_classes = view->reduction->extents[CRD_AXIS_OUTPUT];
    crd_uncertain_facts f;
    crd_summary row = {0};
    char count[32];
    CRD_TRY(crd_summary_init(&row, view->reduction, 1));
    crd_uncertain_finish(&f, u);
    crd_prediction_print_head(view);
    for (int64_t i = 0; i < f.n_listed; i++) {
        crd_summary_copy_row(&row, 0, &u->rows, f.order[i]);
        crd_prediction_print(view, &row, u->images[f.order[i]], 0);
    }
    printf("these %lld of %s images are the most uncertain; --all-images lists all\n",
           (long long)f.n_listed, crd_grouped(count, view->n_images));
    if (f.n_done > 0 && crd_reduction_is_ranked(view->reduction)) {
        printf("  mean over images: probability %.2f %%, entropy %.3f nats", 100 * f.probability,
               crd_printed_nats(f.entropy, n_classes));
        if (view->n_draws > 1)
            printf(" = aleatoric %.3f + epistemic %.3f", crd_printed_nats(f.aleatoric, n_classes),
                   crd_printed_nats(f.epistemic, n_classes));
        putchar('\n');
        print_classes(&f, view);
    }
cleanup:
    crd_summary_clear(&row);
    return status;
}

crd_status crd_prediction_report_end(crd_prediction_report *report, const crd_predict_report *cost,
                                     double seconds, int is_paired)
{
    crd_status status = CRD_OK;
    const crd_prediction_view *view = &report->view;
    if (report->rows != NULL) {
        json_t *rows = report->rows;
        report->rows = NULL;
        return crd_prediction_print_json(view, rows, seconds, cost);
    }
    if (report->is_summed)
        CRD_TRY(print_uncertain(&report->uncertain, view));
    crd_prediction_print_end(view, seconds);
    if (view->reduction->n_batches > 3)
        return CRD_OK; /* how many of their draws are independent is not known */
    if (view->reduction->n_strata > 1)
        crd_remark_few(view->reduction->n_strata, "chains or components");
    else
        crd_remark_few(view->most_draws / (is_paired ? 2 : 1),
                       is_paired ? "pairs of draws" : "draws");
cleanup:
    return status;
}

void crd_prediction_report_clear(crd_prediction_report *report)
{
    json_decref(report->rows);
    crd_uncertain_clear(&report->uncertain);
    crd_free(report->drawn);
    *report = (crd_prediction_report){0};
}
