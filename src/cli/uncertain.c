/* The most uncertain images of many, kept as their rows come, and means over all. */
#include "cli/uncertain.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

crd_status crd_uncertain_init(crd_uncertain *uncertain, const crd_reduction *reduction)
{
    crd_status status = CRD_OK;
    *uncertain = (crd_uncertain){0};
    CRD_TRY(crd_summary_init(&uncertain->rows, reduction, CRD_UNCERTAIN_LISTED));
    CRD_TRY(crd_summary_init(&uncertain->shown, reduction, 1));
    CRD_ALLOC(&uncertain->votes, reduction->extents[CRD_AXIS_OUTPUT], "top classes");
cleanup:
    return status;
}

void crd_uncertain_clear(crd_uncertain *uncertain)
{
    crd_summary_clear(&uncertain->rows);
    crd_summary_clear(&uncertain->shown);
    crd_free(uncertain->votes);
    *uncertain = (crd_uncertain){0};
}

/* Is place a of the list more uncertain than (score, image)? */
static int is_before(const crd_uncertain *u, int64_t a, double score, int64_t image)
{
    return u->scores[a] != score ? u->scores[a] > score : u->images[a] < image;
}

static void consider(crd_uncertain *u, const crd_summary *s, int64_t row, int64_t image,
                     double score)
{
    int64_t place = u->n_listed;
    if (place == CRD_UNCERTAIN_LISTED) {
        place = 0; /* of the least uncertain one */
        for (int64_t a = 1; a < CRD_UNCERTAIN_LISTED; a++)
            if (!is_before(u, a, u->scores[place], u->images[place]))
                place = a;
        if (is_before(u, place, score, image))
            return;
    } else {
        u->n_listed++;
    }
    u->scores[place] = score;
    u->images[place] = image;
    crd_summary_copy_row(&u->rows, place, s, row);
}

/** Adds a row to the means over classes. */
static void add_classes(crd_uncertain *u, const crd_class_rows *s, int64_t row, double entropy)
{
    int64_t top = s->top_class[row * s->n_top];
    u->votes[top]++;
    u->probability += (double)s->probs_mean[row * s->n_classes + top];
    u->entropy += entropy;
    u->aleatoric += s->expected_entropy[row];
    u->epistemic += s->n_draws[row] > 1 ? s->mutual_information_debiased[row] : 0;
}

void crd_uncertain_add(crd_uncertain *u, const crd_summary *s, int64_t first_image)
{
    for (int64_t row = 0; row < s->n_images; row++) {
        if (s->skipped[row])
            continue;
        double doubt = crd_summary_doubt(s, row);
        consider(u, s, row, first_image + row, doubt);
        u->n_done++;
        if (crd_reduction_is_ranked(&s->reduction)) {
            crd_class_rows rows = crd_class_rows_view(s);
            add_classes(u, &rows, row, doubt);
        }
    }
}

static void print_top_classes(const crd_uncertain *u, const crd_prediction_view *view)
{
    enum { MOST = 5 };
    int64_t shown[MOST], n_shown = 0;
    printf("  most frequent classes:");
    for (; n_shown < MOST; n_shown++) {
        int64_t best = -1;
        for (int64_t k = 0; k < view->reduction->extents[CRD_AXIS_OUTPUT]; k++) {
            int is_new = 1;
            for (int64_t i = 0; i < n_shown; i++)
                is_new &= shown[i] != k;
            if (is_new && u->votes[k] > 0 && (best < 0 || u->votes[k] > u->votes[best]))
                best = k;
        }
        if (best < 0)
            break;
        shown[n_shown] = best;
        char count[32];
        printf("%s ", n_shown > 0 ? ";" : "");
        if (view->output_names != NULL)
            crd_print_clean(view->output_names[best]);
        else
            printf("%lld", (long long)best);
        printf(" in %s", crd_grouped(count, u->votes[best]));
    }
    putchar('\n');
}

void crd_uncertain_print(crd_uncertain *u, const crd_prediction_view *view)
{
    int is_printed[CRD_UNCERTAIN_LISTED] = {0};
    double n = (double)u->n_done;
    int64_t n_classes = view->reduction->extents[CRD_AXIS_OUTPUT];
    char count[32];
    crd_prediction_print_head(view);
    for (int64_t i = 0; i < u->n_listed; i++) {
        int64_t best = -1;
        for (int64_t a = 0; a < u->n_listed; a++)
            if (!is_printed[a] && (best < 0 || is_before(u, a, u->scores[best], u->images[best])))
                best = a;
        is_printed[best] = 1;
        crd_summary_copy_row(&u->shown, 0, &u->rows, best);
        crd_prediction_print(view, &u->shown, u->images[best], 0);
    }
    printf("these %lld of %s images are the most uncertain; --all-images lists all\n",
           (long long)u->n_listed, crd_grouped(count, view->n_images));
    if (u->n_done == 0 || !crd_reduction_is_ranked(view->reduction))
        return;
    printf("  mean over images: probability %.2f %%, entropy %.3f nats", 100 * u->probability / n,
           crd_printed_nats(u->entropy / n, n_classes));
    if (view->n_draws > 1)
        printf(" = aleatoric %.3f + epistemic %.3f", crd_printed_nats(u->aleatoric / n, n_classes),
               crd_printed_nats(u->epistemic / n, n_classes));
    putchar('\n');
    print_top_classes(u, view);
}
