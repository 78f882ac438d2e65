/* An evaluation from files: predicts labelled images, and those of another kind, keeps what is
 * needed of each image, and has the figures made (credence/metrics.h, detection.h). */
#include "credence/evaluate_files.h"

#include <string.h>

#include "app/context.h"
#include "app/image_row.h"
#include "app/output_claim.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "io/probs_table.h"
#include "stats/class_scores.h"

/** A data set and what the networks say of it. Rank 0 only. */
typedef struct judged {
    crd_image_source *images;
    int64_t *labels;              /* of classes; NULL: not needed */
    int64_t *scores_of_rows;      /* of a reducer that judges its rows; NULL: not needed */
    double *scores[CRD_N_SCORES]; /* [image] */
    double *expected_entropies;
    int8_t *is_right;
    int64_t sums[CRD_METRICS_N_SUMS];
    crd_probs_table reference; /* empty: none */
    crd_image_scores pairs;    /* against it */
    crd_image_row row;         /* of an image */
    const crd_evaluate_files_hooks *hooks;
} judged;

/** A run. */
typedef struct run {
    const crd_evaluate_files_options *given;
    crd_comm *comm;
    crd_context context; /* of the labelled images */
    crd_image_source unknown_images;
    crd_reduction reduction;
    judged known, unknown;
    int64_t n_unknown;     /* equal on all ranks */
    crd_output_lock *lock; /* rank 0; NULL: no output */
} run;

void crd_evaluate_files_options_init(crd_evaluate_files_options *out)
{
    *out = (crd_evaluate_files_options){0};
    crd_predict_options_init(&out->predict);
}

/** Room for what is kept of the open images. */
static crd_status open_data(judged *out, const crd_posterior *posterior, int needs_labels)
{
    crd_status status = CRD_OK;
    int64_t n_images = out->images->n_images;
    crd_dataset_log_fit(out->images->dataset, &posterior->preprocessing);
    CRD_REQUIRE(n_images <= CRD_METRICS_MAX_IMAGES, CRD_ERR_USAGE,
                "%lld images; at most %lld can be evaluated at once", (long long)n_images,
                (long long)CRD_METRICS_MAX_IMAGES);
    for (int k = 0; k < CRD_N_SCORES; k++)
        CRD_ALLOC(&out->scores[k], n_images, "scores");
    CRD_ALLOC(&out->expected_entropies, n_images, "scores");
    CRD_ALLOC(&out->is_right, n_images, "scores");
    if (!needs_labels)
        return CRD_OK;
    if (posterior->outputs != CRD_OUTPUT_LOGITS) {
        crd_reduction r;
        CRD_TRY(crd_reduction_init(&r, posterior->outputs, posterior->n_classes, 1));
        CRD_TRY(crd_dataset_check_targets(out->images->dataset, r.extents[CRD_AXIS_OUTPUT]));
        CRD_ALLOC(&out->scores_of_rows, crd_reduction_n_scores(&r), "scores");
        return CRD_OK;
    }
    CRD_ALLOC(&out->labels, n_images, "labels");
    CRD_TRY(crd_dataset_match(out->labels, out->images->dataset,
                              (const char *const *)posterior->classes, posterior->n_classes));
cleanup:
    return status;
}

static void close_data(judged *data)
{
    crd_free(data->labels);
    for (int k = 0; k < CRD_N_SCORES; k++)
        crd_free(data->scores[k]);
    crd_free(data->expected_entropies);
    crd_free(data->is_right);
    crd_free(data->scores_of_rows);
    crd_probs_table_clear(&data->reference);
    crd_image_scores_clear(&data->pairs);
    crd_image_row_clear(&data->row);
}

/** Probabilities of another method for the same images. */
static crd_status open_reference(judged *out, const char *path, const crd_reduction *reduction)
{
    crd_status status = CRD_OK;
    const crd_probs_table *r = &out->reference;
    const int64_t n_images = out->images->n_images, n_classes = reduction->extents[CRD_AXIS_OUTPUT];
    CRD_TRY(crd_probs_table_read(&out->reference, path));
    CRD_REQUIRE(r->n_images == n_images && r->n_classes == n_classes, CRD_ERR_INPUT,
                "%s: --reference: %lld images of %lld classes, but there are %lld images of %lld "
                "classes here",
                path, (long long)r->n_images, (long long)r->n_classes, (long long)n_images,
                (long long)n_classes);
    CRD_TRY(crd_image_row_init(&out->row, reduction));
    CRD_TRY(crd_image_scores_init(&out->pairs, CRD_N_PAIR_SCORES, n_images, out->row.n_samples));
cleanup:
    return status;
}

static crd_status open_files(run *r)
{
    crd_status status = CRD_OK;
    const crd_evaluate_files_options *given = r->given;
    crd_context *c = &r->context;
    CRD_REQUIRE(given->posterior != NULL && given->n_data > 0, CRD_ERR_USAGE,
                "a posterior and images are needed");
    CRD_REQUIRE(given->output == NULL || given->reference != NULL, CRD_ERR_USAGE,
                "%s: scores of images are written of a comparison with a reference", given->output);
    CRD_TRY(crd_output_claim(
        &r->lock, given->output,
        &(crd_output_inputs){given->posterior, given->data, given->n_data, given->reference}));
    if (given->output != NULL) {
        CRD_TRY(crd_output_check(given->output, &(crd_output_inputs){.other = given->unknown}));
        CRD_TRY(crd_file_check_place(given->output));
    }
    CRD_TRY(crd_context_open(c, given->posterior, given->data, given->n_data, 0,
                             given->predict.sampler.estimator));
    CRD_REQUIRE(given->unknown == NULL || c->outputs == CRD_OUTPUT_LOGITS, CRD_ERR_USAGE,
                "--ood: %s was trained for regression; images of another kind are told by the "
                "probabilities of classes",
                given->posterior);
    CRD_TRY(crd_context_set_draws(c, &given->predict));
    CRD_TRY(crd_predict_reduction(&r->reduction, c->posterior, &given->predict));
    CRD_REQUIRE(given->reference == NULL || c->outputs == CRD_OUTPUT_LOGITS, CRD_ERR_USAGE,
                "--reference: %s was trained for regression; a reference has the probabilities of "
                "classes",
                given->posterior);
    CRD_TRY(open_data(&r->known, c->posterior, 1));
    if (given->reference != NULL)
        CRD_TRY(open_reference(&r->known, given->reference, &r->reduction));
    if (given->unknown == NULL)
        return CRD_OK;
    CRD_TRY(crd_images_open(&r->unknown_images, &given->unknown, 1, 0));
    r->unknown_images.preprocessing = c->posterior->preprocessing;
    r->n_unknown = r->unknown_images.n_images;
    CRD_TRY(open_data(&r->unknown, c->posterior, 0));
cleanup:
    return status;
}

static crd_status take_values(const crd_summary *summary, int64_t first_image, judged *data)
{
    for (int64_t i = 0; i < summary->n_images; i++) {
        crd_truth truth = {.targets = crd_dataset_target(data->images->dataset, first_image + i)};
        crd_reduction_judge(data->scores_of_rows, summary, i, &truth);
    }
    return CRD_OK;
}

static void take_pair(judged *data, const crd_summary *summary, int64_t i, int64_t image)
{
    const int64_t n = data->reference.n_classes;
    double scores[CRD_N_PAIR_SCORES];
    crd_image_row_take(&data->row, summary, i);
    data->pairs.n_groups = data->row.n_groups;
    for (int64_t r = 0; r < data->row.n_samples; r++) {
        crd_pair_scores_of(scores, data->row.probs + r * n, data->reference.probs + image * n, n);
        crd_image_scores_put(&data->pairs, image, r, scores);
    }
}

static crd_status take_summary(const crd_summary *summary, int64_t first_image, void *payload)
{
    judged *data = payload;
    if (data->scores_of_rows != NULL)
        return take_values(summary, first_image, data);
    const crd_class_rows rows = crd_class_rows_view(summary), *s = &rows;
    for (int64_t i = 0; i < s->n_images; i++) {
        const float *probs = s->probs_mean + i * s->n_classes;
        int64_t image = first_image + i, top = s->top_class[i * s->n_top];
        int is_random = s->n_draws[i] > 1; /* else there is nothing to correct */
        data->scores[CRD_SCORE_CONFIDENCE][image] = -(double)probs[top];
        data->scores[CRD_SCORE_ENTROPY][image] =
            is_random ? s->predictive_entropy_debiased[i] : s->predictive_entropy[i];
        data->scores[CRD_SCORE_INFORMATION][image] =
            is_random ? s->mutual_information_debiased[i] : s->mutual_information[i];
        data->expected_entropies[image] = s->expected_entropy[i];
        if (data->labels == NULL)
            continue;
        if (data->reference.probs != NULL)
            take_pair(data, summary, i, image);
        data->is_right[image] = top == data->labels[image];
        crd_metrics_add(data->sums, probs, s->n_classes, data->labels[image]);
    }
    return CRD_OK;
}

static void show_progress(int64_t n_done, int64_t n_units, void *payload)
{
    judged *data = payload;
    if (data->hooks->progress != NULL)
        data->hooks->progress(n_done, n_units, data->hooks->payload);
}

/** Collective: on comm. */
static crd_status predict(run *r, judged *data, int64_t n_images)
{
    const crd_evaluate_files_hooks *hooks = data->hooks;
    int is_first = crd_comm_rank(r->comm) == 0;
    crd_predict_source source = {.load = crd_images_load, .payload = data->images, .is_shared = 1};
    crd_predict_sink sink = {.summary = take_summary, .progress = show_progress, .payload = data};
    crd_predict_report report;
    crd_predict_options options = r->given->predict;
    options.n_draws = r->context.n_draws;
    options.sampler.estimator = r->context.estimator;
    options.outputs = r->context.outputs;
    options.keep_sums = options.outputs != CRD_OUTPUT_LOGITS || r->given->reference != NULL;
    options.n_top = 1;
    options.n_images = n_images;
    if (is_first && hooks->begin != NULL)
        hooks->begin(data == &r->unknown, hooks->payload);
    crd_status status =
        crd_predict(&report, r->comm, crd_context_model(&r->context), &options, &source, &sink);
    if (is_first && hooks->end != NULL)
        hooks->end(hooks->payload);
    return status;
}

static crd_status judge_known(crd_evaluation *out, judged *data, uint64_t seed)
{
    crd_status status = CRD_OK;
    int64_t n = data->images->n_images;
    crd_metrics_finish(&out->metrics, data->sums);
    crd_metrics_bins(out->bins, data->sums);
    out->entropy = crd_estimate_mean(data->scores[CRD_SCORE_ENTROPY], n);
    out->aleatoric = crd_estimate_mean(data->expected_entropies, n);
    out->epistemic = crd_estimate_mean(data->scores[CRD_SCORE_INFORMATION], n);
    CRD_TRY(crd_avu_eval(&out->avu, data->scores[CRD_SCORE_ENTROPY], data->is_right, n, seed));
    CRD_TRY(crd_selection_eval(&out->selection, data->scores[CRD_SCORE_CONFIDENCE], data->is_right,
                               n, seed));
cleanup:
    return status;
}

/** Known images first, unknown ones, which are to be detected, after them. */
static crd_status judge_unknown(crd_evaluation *out, const judged *known, const judged *unknown,
                                uint64_t seed)
{
    crd_status status = CRD_OK;
    int64_t n_known = known->images->n_images, n_unknown = unknown->images->n_images;
    double *scores = NULL;
    int8_t *flags = NULL;
    CRD_ALLOC(&scores, n_known + n_unknown, "scores");
    CRD_ALLOC(&flags, n_known + n_unknown, "scores");
    memset(flags + n_known, 1, (size_t)n_unknown);
    for (int k = 0; k < CRD_N_SCORES; k++) {
        memcpy(scores, known->scores[k], (size_t)n_known * sizeof *scores);
        memcpy(scores + n_known, unknown->scores[k], (size_t)n_unknown * sizeof *scores);
        CRD_TRY(crd_detection_eval(&out->ood[k], scores, flags, n_known + n_unknown, seed));
    }
cleanup:
    crd_free(flags);
    crd_free(scores);
    return status;
}

/** Image by image. */
static crd_status write_scores(run *r)
{
    crd_status status = CRD_OK;
    const judged *d = &r->known;
    const int64_t n = d->images->n_images;
    const crd_evaluate_files_options *given = r->given;
    crd_provenance_store *store = NULL;
    crd_provenance provenance;
    crd_run_inputs inputs;
    double *is_right = NULL, *confidence = NULL;
    CRD_ALLOC(&is_right, n, "scores");
    CRD_ALLOC(&confidence, n, "scores");
    for (int64_t i = 0; i < n; i++) {
        is_right[i] = d->is_right[i];
        confidence[i] = -d->scores[CRD_SCORE_CONFIDENCE][i];
    }
    const double *pairs = d->pairs.values;
    const crd_score_column columns[] = {
        {"correct", "1", "1: the most probable class is the true one", is_right},
        {"confidence", "1", "largest probability", confidence},
        {"predictive_entropy", "nat", "total uncertainty, corrected for the finite number of draws",
         d->scores[CRD_SCORE_ENTROPY]},
        {"expected_entropy", "nat", "aleatoric uncertainty", d->expected_entropies},
        {"mutual_information", "nat",
         "epistemic uncertainty, corrected for the finite number of draws",
         d->scores[CRD_SCORE_INFORMATION]},
        {"agreement", "1", "1: the reference has the same most probable class",
         pairs + CRD_PAIR_AGREEMENT * n},
        {"total_variation", "1", "half the sum of absolute differences from the reference",
         pairs + CRD_PAIR_TOTAL_VARIATION * n},
        {"kl", "nat", "KL divergence of the reference from the prediction",
         pairs + CRD_PAIR_KL * n},
    };
    CRD_TRY(crd_context_inputs(&inputs, &r->context, given->data, given->n_data));
    CRD_TRY(crd_provenance_make(&provenance, &store, &given->record, given->predict.sampler.seed,
                                &inputs));
    CRD_TRY(crd_scores_write(given->output, columns, sizeof columns / sizeof *columns, n,
                             (const char *const *)d->images->names, &provenance));
cleanup:
    crd_provenance_store_destroy(store);
    crd_free(is_right);
    crd_free(confidence);
    return status;
}

static crd_status judge(crd_evaluation *out, run *r)
{
    crd_status status = CRD_OK;
    uint64_t seed = r->given->predict.sampler.seed;
    if (r->known.scores_of_rows != NULL)
        out->n_figures =
            crd_reduction_figures(out->figures, &r->reduction, r->known.scores_of_rows);
    else
        CRD_TRY(judge_known(out, &r->known, seed));
    if (r->given->reference != NULL)
        out->reference = crd_agreement_of(&r->known.pairs);
    if (r->n_unknown > 0)
        CRD_TRY(judge_unknown(out, &r->known, &r->unknown, seed));
    if (r->given->output != NULL)
        CRD_TRY(write_scores(r));
cleanup:
    return status;
}

static crd_status run_files(crd_evaluation *out, run *r)
{
    crd_status status = CRD_OK;
    const crd_evaluate_files_options *given = r->given;
    int is_first = crd_comm_rank(r->comm) == 0;
    double start_s = crd_clock_now_s();
    status = is_first ? open_files(r) : CRD_OK;
    CRD_TRY(crd_context_share(&r->context, r->comm, status, NULL, given->predict.sampler.mean));
    crd_comm_broadcast(r->comm, &r->n_unknown, sizeof r->n_unknown);
    CRD_TRY(crd_images_share(&r->context.images, r->comm, given->data, given->n_data, 0));
    if (r->n_unknown > 0)
        CRD_TRY(crd_images_share(&r->unknown_images, r->comm, &given->unknown, 1, 0));
    CRD_TRY(predict(r, &r->known, r->context.n_images));
    if (r->n_unknown > 0)
        CRD_TRY(predict(r, &r->unknown, r->n_unknown));
    *out = (crd_evaluation){.estimator = r->context.estimator,
                            .n_images = r->context.n_images,
                            .n_classes = is_first ? r->context.posterior->n_classes : 0,
                            .n_draws = r->context.n_draws,
                            .n_unknown = r->n_unknown,
                            .seconds = crd_clock_now_s() - start_s};
    CRD_TRY(crd_comm_agree(r->comm, is_first ? judge(out, r) : CRD_OK));
cleanup:
    return status;
}

crd_status crd_evaluate_files(crd_evaluation *out, crd_comm *comm,
                              const crd_evaluate_files_options *options,
                              const crd_evaluate_files_hooks *hooks)
{
    const crd_evaluate_files_hooks none = {0};
    run r = {.given = options, .comm = comm};
    r.known.images = &r.context.images;
    r.unknown.images = &r.unknown_images;
    r.known.hooks = r.unknown.hooks = hooks != NULL ? hooks : &none;
    crd_status status = run_files(out, &r);
    close_data(&r.unknown);
    close_data(&r.known);
    crd_images_close(&r.unknown_images);
    crd_context_close(&r.context);
    crd_output_lock_release(r.lock);
    return status;
}
