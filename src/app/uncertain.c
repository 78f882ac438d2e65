/* The most uncertain images of many, kept as their rows come, and means over all. */
#include "app/uncertain.h"

#include "base/alloc.h"

crd_status crd_uncertain_init(crd_uncertain *uncertain, const crd_reduction *reduction)
{
    crd_status status = CRD_OK;
    *uncertain = (crd_uncertain){0};
    CRD_TRY(crd_summary_init(&uncertain->rows, reduction, CRD_UNCERTAIN_LISTED));
    CRD_ALLOC(&uncertain->votes, reduction->extents[CRD_AXIS_OUTPUT], "top classes");
cleanup:
    return status;
}

void crd_uncertain_clear(crd_uncertain *uncertain)
{
    crd_summary_clear(&uncertain->rows);
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

/** The class with the most votes below those of a class that was found, the first of equals; -1:
 * none is left. */
static int64_t next_class(const crd_uncertain *u, const crd_uncertain_facts *found)
{
    int64_t best = -1;
    for (int64_t k = 0; k < u->rows.reduction.extents[CRD_AXIS_OUTPUT]; k++) {
        int is_new = 1;
        for (int i = 0; i < found->n_classes; i++)
            is_new &= found->classes[i] != k;
        if (is_new && u->votes[k] > 0 && (best < 0 || u->votes[k] > u->votes[best]))
            best = k;
    }
    return best;
}

/** Sorts the listed rows by insertion: they are few. */
static void sort_rows(crd_uncertain_facts *out, const crd_uncertain *u)
{
    for (int64_t a = 0; a < u->n_listed; a++) {
        int64_t place = out->n_listed++;
        for (; place > 0 && !is_before(u, out->order[place - 1], u->scores[a], u->images[a]);
             place--)
            out->order[place] = out->order[place - 1];
        out->order[place] = a;
    }
}

void crd_uncertain_finish(crd_uncertain_facts *out, const crd_uncertain *u)
{
    double n = (double)u->n_done;
    *out = (crd_uncertain_facts){.n_done = u->n_done};
    sort_rows(out, u);
    if (u->n_done == 0 || !crd_reduction_is_ranked(&u->rows.reduction))
        return;
    out->probability = u->probability / n;
    out->entropy = u->entropy / n;
    out->aleatoric = u->aleatoric / n;
    out->epistemic = u->epistemic / n;
    for (; out->n_classes < CRD_UNCERTAIN_CLASSES; out->n_classes++) {
        int64_t best = next_class(u, out);
        if (best < 0)
            break;
        out->classes[out->n_classes] = best;
        out->counts[out->n_classes] = u->votes[best];
    }
}
