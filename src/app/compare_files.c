/* Two posteriors on the same images with the same draws: one after the other predicts, scores are
 * kept image by image, and differences are of pairs (stats/image_scores.h, class_scores.h). */
#include "credence/compare_files.h"

#include <math.h>
#include <string.h>

#include "app/context.h"
#include "app/image_row.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "credence/metrics.h"
#include "reduce/reducer.h"
#include "stats/class_scores.h"
#include "stats/quantile.h"

/* Most probabilities of A in half-samples that are kept for the errors of the agreement. */
static const int64_t most_kept = INT64_C(1) << 28;

/** A posterior, and what its networks say. Rank 0 only, but for the context. */
typedef struct side {
    crd_context context;
    crd_reduction reduction;
    crd_image_row row; /* of an image; classes only */
    crd_image_scores scores;
    crd_ece_sums ece;
} side;

/** A run. */
typedef struct run {
    const crd_compare_files_options *given;
    const crd_compare_files_hooks *hooks;
    crd_comm *comm;
    side sides[2];
    int i;           /* the side that predicts */
    int64_t *labels; /* classes only */
    /** Rows of A, n_kept of each image: all draws, and half-samples if they are not too many. */
    float *kept;
    int64_t n_kept;
    /** Of A and B: half-samples of both, where they are paired, else of A, and then of B. */
    crd_image_scores pairs[2];
    int is_paired;
} run;

void crd_compare_files_options_init(crd_compare_files_options *out)
{
    *out = (crd_compare_files_options){.confidence = 0.95};
    crd_predict_options_init(&out->predict);
}

/* The start. */

static crd_status check_classes(const crd_posterior *a, const crd_posterior *b, const char *path)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(a->n_classes == b->n_classes, CRD_ERR_INPUT,
                "%s: has %lld classes, but %lld are compared with", path, (long long)b->n_classes,
                (long long)a->n_classes);
    for (int64_t c = 0; a->classes != NULL && b->classes != NULL && c < a->n_classes; c++)
        CRD_REQUIRE(strcmp(a->classes[c], b->classes[c]) == 0, CRD_ERR_INPUT,
                    "%s: class %lld is '%s', but '%s' in what it is compared with", path,
                    (long long)c, b->classes[c], a->classes[c]);
cleanup:
    return status;
}

static crd_status check_sides(const run *r)
{
    crd_status status = CRD_OK;
    const side *a = &r->sides[0], *b = &r->sides[1];
    const char *path = r->given->posteriors[1];
    CRD_REQUIRE(a->reduction.reducer == b->reduction.reducer, CRD_ERR_INPUT,
                "%s: is of %s, but compared with %s", path, crd_reduction_name(&b->reduction),
                crd_reduction_name(&a->reduction));
    CRD_REQUIRE(a->reduction.extents[CRD_AXIS_OUTPUT] == b->reduction.extents[CRD_AXIS_OUTPUT] ||
                    a->context.outputs == CRD_OUTPUT_LOGITS,
                CRD_ERR_INPUT, "%s: has %lld values, but %lld are compared with", path,
                (long long)b->reduction.extents[CRD_AXIS_OUTPUT],
                (long long)a->reduction.extents[CRD_AXIS_OUTPUT]);
    if (a->context.outputs == CRD_OUTPUT_LOGITS)
        CRD_TRY(check_classes(a->context.posterior, b->context.posterior, path));
cleanup:
    return status;
}

static crd_status open_side(side *s, const crd_compare_files_options *given, const char *path)
{
    crd_status status = CRD_OK;
    crd_context *c = &s->context;
    CRD_TRY(
        crd_context_open(c, path, given->data, given->n_data, 0, given->predict.sampler.estimator));
    CRD_TRY(crd_context_set_draws(c, &given->predict));
    CRD_TRY(crd_predict_reduction(&s->reduction, c->posterior, &given->predict));
    crd_dataset_log_fit(c->images.dataset, &c->posterior->preprocessing);
cleanup:
    return status;
}

/** Room for what is said of the classes of each image. */
static crd_status open_classes(run *r)
{
    crd_status status = CRD_OK;
    const crd_context *c = &r->sides[0].context;
    int64_t n_images = c->n_images, n_classes = c->posterior->n_classes;
    for (int i = 0; i < 2; i++) {
        side *s = &r->sides[i];
        CRD_TRY(crd_image_row_init(&s->row, &s->reduction));
        CRD_TRY(crd_image_scores_init(&s->scores, CRD_N_CLASS_SCORES, n_images, s->row.n_samples));
        CRD_TRY(crd_ece_sums_init(&s->ece, s->row.n_samples));
        CRD_TRY(crd_image_scores_init(&r->pairs[i], CRD_N_PAIR_SCORES, n_images, s->row.n_samples));
    }
    r->is_paired = r->sides[0].reduction.n_strata == r->sides[1].reduction.n_strata &&
                   r->sides[0].context.n_draws == r->sides[1].context.n_draws &&
                   r->sides[0].row.n_samples == r->sides[1].row.n_samples;
    r->n_kept = r->sides[0].row.n_samples;
    if (r->n_kept > most_kept / n_classes / n_images)
        r->n_kept = 1;
    CRD_ALLOC(&r->kept, n_images * r->n_kept * n_classes, "probabilities");
    CRD_ALLOC(&r->labels, n_images, "labels");
    CRD_TRY(crd_dataset_match(r->labels, c->images.dataset,
                              (const char *const *)c->posterior->classes, n_classes));
cleanup:
    return status;
}

static crd_status open_values(run *r)
{
    crd_status status = CRD_OK;
    for (int i = 0; i < 2; i++) {
        side *s = &r->sides[i];
        CRD_TRY(crd_image_scores_init(&s->scores, s->reduction.reducer->n_figures,
                                      s->context.n_images, 0));
        CRD_TRY(crd_dataset_check_targets(s->context.images.dataset,
                                          s->reduction.extents[CRD_AXIS_OUTPUT]));
    }
cleanup:
    return status;
}

static crd_status open_files(run *r)
{
    crd_status status = CRD_OK;
    const crd_compare_files_options *given = r->given;
    CRD_REQUIRE(given->posteriors[0] != NULL && given->posteriors[1] != NULL && given->n_data > 0,
                CRD_ERR_USAGE, "two posteriors and images are needed");
    CRD_REQUIRE(given->confidence > 0 && given->confidence < 1, CRD_ERR_USAGE,
                "confidence %g: must be above 0 and below 1", given->confidence);
    for (int i = 0; i < 2; i++)
        CRD_TRY(open_side(&r->sides[i], given, given->posteriors[i]));
    const crd_context *a = &r->sides[0].context;
    CRD_TRY(check_sides(r));
    CRD_REQUIRE(a->n_images <= CRD_METRICS_MAX_IMAGES, CRD_ERR_USAGE,
                "%lld images; at most %lld can be compared at once", (long long)a->n_images,
                (long long)CRD_METRICS_MAX_IMAGES);
    CRD_TRY(a->outputs == CRD_OUTPUT_LOGITS ? open_classes(r) : open_values(r));
cleanup:
    return status;
}

/* What the networks say. */

static void keep_row(const run *r, int64_t image)
{
    const crd_image_row *row = &r->sides[0].row;
    float *to = r->kept + image * r->n_kept * row->n_classes;
    for (int64_t k = 0; k < r->n_kept * row->n_classes; k++)
        to[k] = (float)row->probs[k];
}

/** Row i of A, in doubles. */
static const double *kept_row(run *r, int64_t image, int64_t i)
{
    crd_image_row *row = &r->sides[0].row; /* free by now */
    const float *from = r->kept + (image * r->n_kept + i) * row->n_classes;
    for (int64_t c = 0; c < row->n_classes; c++)
        row->probs[c] = (double)from[c];
    return row->probs;
}

/** B's rows against those of A. */
static void take_pair(run *r, int64_t image)
{
    const crd_image_row *b = &r->sides[1].row;
    const int64_t n = b->n_classes;
    double scores[CRD_N_PAIR_SCORES];
    r->pairs[0].n_groups = r->n_kept > 1 ? r->sides[0].row.n_groups : 0;
    r->pairs[1].n_groups = r->n_kept > 1 ? b->n_groups : 0;
    for (int64_t i = 0; i < r->n_kept; i++) {
        crd_pair_scores_of(scores, kept_row(r, image, i), b->probs + (r->is_paired ? i * n : 0), n);
        crd_image_scores_put(&r->pairs[0], image, i, scores);
    }
    for (int64_t i = 0; !r->is_paired && r->n_kept > 1 && i < b->n_samples; i++) {
        crd_pair_scores_of(scores, kept_row(r, image, 0), b->probs + i * n, n);
        crd_image_scores_put(&r->pairs[1], image, i, scores);
    }
}

static void take_classes(run *r, const crd_summary *summary, int64_t i, int64_t image)
{
    side *s = &r->sides[r->i];
    const int64_t n = s->row.n_classes;
    double scores[CRD_N_CLASS_SCORES];
    crd_image_row_take(&s->row, summary, i);
    s->scores.n_groups = s->row.n_groups;
    for (int64_t k = 0; k < s->row.n_samples; k++) {
        crd_class_scores_of(scores, s->row.probs + k * n, n, r->labels[image]);
        crd_image_scores_put(&s->scores, image, k, scores);
        crd_ece_sums_add(&s->ece, k, scores);
    }
    if (r->i == 0)
        keep_row(r, image);
    else
        take_pair(r, image);
}

static crd_status take_summary(const crd_summary *summary, int64_t first_image, void *payload)
{
    run *r = payload;
    side *s = &r->sides[r->i];
    double scores[CRD_MAX_FIELDS];
    for (int64_t i = 0; i < summary->n_images; i++) {
        int64_t image = first_image + i;
        if (r->labels != NULL) {
            take_classes(r, summary, i, image);
            continue;
        }
        crd_truth truth = {.targets = crd_dataset_target(s->context.images.dataset, image)};
        s->reduction.reducer->judge(scores, summary, i, &truth);
        crd_image_scores_put(&s->scores, image, 0, scores);
    }
    return CRD_OK;
}

static void show_progress(int64_t n_done, int64_t n_units, void *payload)
{
    run *r = payload;
    if (r->hooks->progress != NULL)
        r->hooks->progress(n_done, n_units, r->hooks->payload);
}

/** Side i, whose files are open on rank 0 if `local` is CRD_OK. Collective: on comm. */
static crd_status predict(run *r, int i, crd_status local)
{
    crd_status status = CRD_OK;
    const crd_compare_files_options *given = r->given;
    crd_context *c = &r->sides[i].context;
    int is_first = crd_comm_rank(r->comm) == 0;
    crd_predict_source source = {.load = crd_images_load, .payload = &c->images, .is_shared = 1};
    crd_predict_sink sink = {.summary = take_summary, .progress = show_progress, .payload = r};
    crd_predict_report report;
    crd_predict_options options = given->predict;
    CRD_TRY(crd_context_share(c, r->comm, local, NULL, &given->predict));
    CRD_TRY(crd_images_share(&c->images, r->comm, given->data, given->n_data, 0));
    source.weights = c->shared;
    options.n_draws = c->n_draws;
    options.sampler.estimator = c->estimator;
    options.outputs = c->outputs;
    options.keep_sums = true;
    options.n_top = 1;
    options.n_images = c->n_images;
    r->i = i;
    if (is_first && r->hooks->begin != NULL)
        r->hooks->begin(i, r->hooks->payload);
    status = crd_predict(&report, r->comm, crd_context_model(c), &options, &source, &sink);
    if (is_first && r->hooks->end != NULL)
        r->hooks->end(r->hooks->payload);
cleanup:
    return status;
}

/* The figures. */

/** Interval, and which is better; `sign` 1: the higher, the better. */
static void decide(crd_compared *f, double confidence, int sign)
{
    const crd_mc_estimate *d = &f->difference;
    double half = crd_normal_quantile((1 + confidence) / 2) *
                  (isnan(d->mcse) ? d->se : hypot(d->se, d->mcse));
    f->low = d->value - half;
    f->high = d->value + half;
    f->better = f->low > 0 ? sign < 0 : f->high < 0 ? sign > 0 : -1;
}

static crd_status judge_classes(crd_comparison *out, run *r)
{
    crd_status status = CRD_OK;
    static const crd_figure_spec specs[] = {
        [CRD_CLASS_CORRECT] = {"accuracy", "accuracy", "%", 0, 0},
        [CRD_CLASS_NLL] = {"nll", "NLL", "nat", 0, 1},
        [CRD_CLASS_BRIER] = {"brier", "Brier score", NULL, 0, 1},
        [CRD_CLASS_CONFIDENCE] = {"ece", "ECE", "%", 0, 1}};
    const side *a = &r->sides[0], *b = &r->sides[1];
    for (int k = 0; k < CRD_N_CLASS_SCORES; k++) {
        crd_compared *f = &out->figures[out->n_figures++];
        *f = (crd_compared){.key = specs[k].key, .title = specs[k].title, .units = specs[k].units};
        if (k == CRD_CLASS_CONFIDENCE) {
            f->of[0] = crd_ece_of(&a->scores, &a->ece);
            f->of[1] = crd_ece_of(&b->scores, &b->ece);
            CRD_TRY(crd_ece_difference(&f->difference, &a->scores, &a->ece, &b->scores, &b->ece,
                                       r->given->predict.sampler.seed));
        } else {
            f->of[0] = crd_image_scores_mean(&a->scores, k, 0);
            f->of[1] = crd_image_scores_mean(&b->scores, k, 0);
            f->difference = crd_image_scores_difference(&a->scores, &b->scores, k, 0);
        }
        decide(f, r->given->confidence, specs[k].is_score ? -1 : 1);
    }
    out->n_classes = a->row.n_classes;
    out->agreement = crd_agreement_of(&r->pairs[0]);
    if (!r->is_paired) {
        const crd_agreement of_b = crd_agreement_of(&r->pairs[1]);
        out->agreement.agreement.mcse = hypot(out->agreement.agreement.mcse, of_b.agreement.mcse);
        out->agreement.total_variation.mcse =
            hypot(out->agreement.total_variation.mcse, of_b.total_variation.mcse);
        out->agreement.kl.mcse = hypot(out->agreement.kl.mcse, of_b.kl.mcse);
    }
cleanup:
    return status;
}

static void judge_values(crd_comparison *out, const run *r)
{
    const crd_reducer *reducer = r->sides[0].reduction.reducer;
    const crd_image_scores *a = &r->sides[0].scores, *b = &r->sides[1].scores;
    for (int k = 0; k < reducer->n_figures; k++) {
        const crd_figure_spec *spec = &reducer->figures[k];
        crd_compared f = {.key = spec->key, .title = spec->title, .units = spec->units};
        if (!spec->is_score)
            continue;
        f.of[0] = crd_image_scores_mean(a, k, spec->is_root);
        f.of[1] = crd_image_scores_mean(b, k, spec->is_root);
        if (isnan(f.of[0].value) || isnan(f.of[1].value)) /* one of them cannot tell */
            continue;
        f.difference = crd_image_scores_difference(a, b, k, spec->is_root);
        decide(&f, r->given->confidence, -1);
        out->figures[out->n_figures++] = f;
    }
}

static crd_status judge(crd_comparison *out, run *r)
{
    if (r->labels != NULL)
        return judge_classes(out, r);
    judge_values(out, r);
    return CRD_OK;
}

static crd_status run_files(crd_comparison *out, run *r)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(r->comm) == 0;
    double start_s = crd_clock_now_s();
    CRD_TRY(predict(r, 0, is_first ? open_files(r) : CRD_OK));
    crd_shared_model_destroy(r->sides[0].context.shared); /* one model at a time */
    r->sides[0].context.shared = NULL;
    CRD_TRY(predict(r, 1, CRD_OK));
    *out = (crd_comparison){.n_images = r->sides[0].context.n_images};
    for (int i = 0; i < 2; i++) {
        out->estimators[i] = r->sides[i].context.estimator;
        out->n_draws[i] = r->sides[i].context.n_draws;
    }
    CRD_TRY(crd_comm_agree(r->comm, is_first ? judge(out, r) : CRD_OK));
    out->seconds = crd_clock_now_s() - start_s;
cleanup:
    return status;
}

crd_status crd_compare_files(crd_comparison *out, crd_comm *comm,
                             const crd_compare_files_options *options,
                             const crd_compare_files_hooks *hooks)
{
    const crd_compare_files_hooks none = {0};
    run r = {.given = options, .comm = comm, .hooks = hooks != NULL ? hooks : &none};
    crd_status status = run_files(out, &r);
    for (int i = 0; i < 2; i++) {
        side *s = &r.sides[i];
        crd_image_row_clear(&s->row);
        crd_image_scores_clear(&s->scores);
        crd_ece_sums_clear(&s->ece);
        crd_image_scores_clear(&r.pairs[i]);
        crd_context_close(&s->context);
    }
    crd_free(r.labels);
    crd_free(r.kept);
    return status;
}
