/* `credence evaluate`: predicts labelled images, and those of --ood, keeps what is needed of each
 * image, and has the figures made (credence/metrics.h, ranking.h) and printed (evaluation.c). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/evaluation.h"
#include "cli/images.h"
#include "cli/output.h"
#include "credence/files.h"
#include "credence/log.h"
#include "credence/predict.h"

/** A data set and what the networks say of it. Rank 0 only. */
typedef struct judged {
    crd_image_source images;
    int64_t *labels;              /* of classes; NULL: not needed */
    int64_t *scores_of_rows;      /* of a reducer that judges its rows; NULL: not needed */
    double *scores[CRD_N_SCORES]; /* [image] */
    double *expected_entropies;
    int8_t *is_right;
    int64_t sums[CRD_METRICS_N_SUMS];
    const char *units; /* of which data, for the progress */
    crd_progress progress;
} judged;

/** What all ranks must know before they can work together. */
typedef struct shared_facts {
    int64_t n_known, n_unknown;
    char estimator[32];
    int32_t outputs; /* crd_output_kind */
} shared_facts;

/** Rank 0's files. */
typedef struct inputs {
    crd_posterior *posterior;
    crd_reduction reduction;
    judged known, unknown;
} inputs;

static crd_status open_data(judged *out, const crd_posterior *posterior,
                            const char *const *specifications, int n, int needs_labels)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_images_open(&out->images, specifications, n, 0));
    crd_images_prepare(&out->images, &posterior->preprocessing);
    int64_t n_images = out->images.n_images;
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
        CRD_TRY(crd_dataset_check_targets(out->images.dataset, r.extents[CRD_AXIS_OUTPUT]));
        CRD_ALLOC(&out->scores_of_rows, crd_reduction_n_scores(&r), "scores");
        return CRD_OK;
    }
    CRD_ALLOC(&out->labels, n_images, "labels");
    CRD_TRY(crd_dataset_match(out->labels, out->images.dataset,
                              (const char *const *)posterior->classes, posterior->n_classes));
cleanup:
    return status;
}

static void close_data(judged *data)
{
    crd_progress_end(&data->progress);
    crd_images_close(&data->images);
    crd_free(data->labels);
    for (int k = 0; k < CRD_N_SCORES; k++)
        crd_free(data->scores[k]);
    crd_free(data->expected_entropies);
    crd_free(data->is_right);
    crd_free(data->scores_of_rows);
}

static crd_status open_files(inputs *in, shared_facts *facts, const crd_options *given)
{
    crd_status status = CRD_OK;
    const char *ood = given->values[CRD_OPT_OOD].text,
               *type = given->values[CRD_OPT_ESTIMATOR].text;
    CRD_TRY(crd_posterior_read(&in->posterior, given->arguments[0]));
    CRD_REQUIRE(ood == NULL || in->posterior->outputs == CRD_OUTPUT_LOGITS, CRD_ERR_USAGE,
                "--ood: %s was trained for regression; images of another kind are told by the "
                "probabilities of classes",
                given->arguments[0]);
    CRD_TRY(
        crd_reduction_init(&in->reduction, in->posterior->outputs, in->posterior->n_classes, 1));
    CRD_TRY(open_data(&in->known, in->posterior, given->arguments + 1, given->n_arguments - 1, 1));
    if (ood != NULL)
        CRD_TRY(open_data(&in->unknown, in->posterior, &ood, 1, 0));
    facts->n_known = in->known.images.n_images;
    facts->n_unknown = in->unknown.images.n_images;
    facts->outputs = (int32_t)in->posterior->outputs;
    snprintf(facts->estimator, sizeof facts->estimator, "%s",
             type != NULL ? type : in->posterior->conversion.type);
cleanup:
    return status;
}

static crd_status take_values(const crd_summary *summary, int64_t first_image, judged *data)
{
    for (int64_t i = 0; i < summary->n_images; i++) {
        crd_truth truth = {.targets = crd_dataset_target(data->images.dataset, first_image + i)};
        crd_reduction_judge(data->scores_of_rows, summary, i, &truth);
    }
    return CRD_OK;
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
        data->is_right[image] = top == data->labels[image];
        crd_metrics_add(data->sums, probs, s->n_classes, data->labels[image]);
    }
    return CRD_OK;
}

static void show_progress(int64_t n_done, int64_t n_units, void *payload)
{
    judged *data = payload;
    crd_progress_update(&data->progress, n_done < n_units ? n_done : n_units, n_units);
}

/** Collective: on comm. */
static crd_status predict(judged *data, crd_comm *comm, const crd_shared_model *shared,
                          crd_predict_options options, int64_t n_images, int is_quiet)
{
    crd_predict_source source = {.load = crd_images_load, .payload = &data->images, .is_shared = 1};
    crd_predict_sink sink = {.summary = take_summary, .progress = show_progress, .payload = data};
    crd_predict_report report;
    options.n_images = n_images;
    data->progress = crd_progress_start(data->units, !is_quiet);
    crd_status status =
        crd_predict(&report, comm, crd_shared_model_view(shared), &options, &source, &sink);
    crd_progress_end(&data->progress);
    return status;
}

/** Mean over images and its standard error. */
static crd_estimate mean_of(const double *values, int64_t n)
{
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    for (int64_t i = 0; i < n; i++)
        square += (values[i] - sum / (double)n) * (values[i] - sum / (double)n);
    return (crd_estimate){sum / (double)n,
                          n > 1 ? sqrt(square / (double)(n - 1) / (double)n) : NAN};
}

static crd_status judge_known(crd_evaluation *out, judged *data)
{
    crd_status status = CRD_OK;
    int64_t n = data->images.n_images;
    crd_metrics_finish(&out->metrics, data->sums);
    crd_metrics_bins(out->bins, data->sums);
    out->entropy = mean_of(data->scores[CRD_SCORE_ENTROPY], n);
    out->aleatoric = mean_of(data->expected_entropies, n);
    out->epistemic = mean_of(data->scores[CRD_SCORE_INFORMATION], n);
    CRD_TRY(crd_avu_eval(&out->avu, data->scores[CRD_SCORE_ENTROPY], data->is_right, n, out->seed));
    CRD_TRY(crd_selection_eval(&out->selection, data->scores[CRD_SCORE_CONFIDENCE], data->is_right,
                               n, out->seed));
cleanup:
    return status;
}

/** Known images first, unknown ones, which are to be detected, behind them. */
static crd_status judge_unknown(crd_evaluation *out, const judged *known, const judged *unknown)
{
    crd_status status = CRD_OK;
    int64_t n_known = known->images.n_images, n_unknown = unknown->images.n_images;
    double *scores = NULL;
    int8_t *flags = NULL;
    CRD_ALLOC(&scores, n_known + n_unknown, "scores");
    CRD_ALLOC(&flags, n_known + n_unknown, "scores");
    memset(flags + n_known, 1, (size_t)n_unknown);
    for (int k = 0; k < CRD_N_SCORES; k++) {
        memcpy(scores, known->scores[k], (size_t)n_known * sizeof *scores);
        memcpy(scores + n_known, unknown->scores[k], (size_t)n_unknown * sizeof *scores);
        CRD_TRY(crd_detection_eval(&out->ood[k], scores, flags, n_known + n_unknown, out->seed));
    }
cleanup:
    crd_free(flags);
    crd_free(scores);
    return status;
}

static crd_status judge(crd_evaluation *out, inputs *in, int as_json)
{
    crd_status status = CRD_OK;
    out->n_images = in->known.images.n_images;
    if (in->known.scores_of_rows != NULL)
        out->n_figures =
            crd_reduction_figures(out->figures, &in->reduction, in->known.scores_of_rows);
    else
        CRD_TRY(judge_known(out, &in->known));
    if (out->n_unknown > 0)
        CRD_TRY(judge_unknown(out, &in->known, &in->unknown));
    CRD_TRY(crd_evaluation_print(out, as_json));
cleanup:
    return status;
}

crd_status crd_cmd_evaluate(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_option_value *values = cli->options->values;
    int is_first = crd_comm_rank(cli->comm) == 0,
        is_mean = values[CRD_OPT_DETERMINISTIC].integer != 0;
    int is_quiet = values[CRD_OPT_QUIET].integer != 0;
    double start_s = crd_clock_now_s();
    inputs in = {.known.units = "units of the images",
                 .unknown.units = "units of the --ood images"};
    shared_facts facts = {0};
    crd_shared_model *shared = NULL;
    CRD_TRY(crd_comm_agree(cli->comm, is_first ? open_files(&in, &facts, cli->options) : CRD_OK));
    crd_comm_broadcast(cli->comm, &facts, sizeof facts);
    CRD_TRY(crd_images_share(&in.known.images, cli->comm, cli->options->arguments + 1,
                             cli->options->n_arguments - 1, 0));
    if (facts.n_unknown > 0)
        CRD_TRY(crd_images_share(&in.unknown.images, cli->comm,
                                 (const char *const *)&values[CRD_OPT_OOD].text, 1, 0));
    crd_predict_options options = {
        .sampler = {.estimator = facts.estimator,
                    .precision = (crd_precision)values[CRD_OPT_PRECISION].integer,
                    .mean = is_mean,
                    .seed = (uint64_t)values[CRD_OPT_SEED].integer,
                    .batch = values[CRD_OPT_BATCH].integer,
                    .draw_block = values[CRD_OPT_DRAW_BLOCK].integer},
        .outputs = (crd_output_kind)facts.outputs,
        .keep_sums = facts.outputs != CRD_OUTPUT_LOGITS,
        .n_draws = is_mean ? 1 : values[CRD_OPT_DRAWS].integer,
        .n_top = 1};
    CRD_TRY(crd_shared_model_create(&shared, cli->comm, in.posterior, NULL, is_mean));
    CRD_TRY(predict(&in.known, cli->comm, shared, options, facts.n_known, is_quiet));
    if (facts.n_unknown > 0 && is_first)
        crd_log(CRD_LOG_INFO, "%s is done; now --ood %s", cli->options->arguments[1],
                values[CRD_OPT_OOD].text);
    if (facts.n_unknown > 0)
        CRD_TRY(predict(&in.unknown, cli->comm, shared, options, facts.n_unknown, is_quiet));
    crd_evaluation evaluation = {.posterior = cli->options->arguments[0],
                                 .estimator = is_mean ? "mean" : facts.estimator,
                                 .precision = values[CRD_OPT_PRECISION].text,
                                 .n_classes = is_first ? in.posterior->n_classes : 0,
                                 .n_draws = options.n_draws,
                                 .n_unknown = facts.n_unknown,
                                 .n_ranks = crd_comm_size(cli->comm),
                                 .seed = options.sampler.seed,
                                 .seconds = crd_clock_now_s() - start_s};
    CRD_TRY(crd_comm_agree(
        cli->comm, is_first ? judge(&evaluation, &in, values[CRD_OPT_JSON].integer != 0) : CRD_OK));
cleanup:
    crd_shared_model_destroy(shared);
    close_data(&in.unknown);
    close_data(&in.known);
    crd_posterior_destroy(in.posterior);
    return status;
}
