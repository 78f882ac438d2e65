/* `credence predict`: opens posterior, images, output and checkpoint on rank 0, hands them to
 * crd_predict as source and sink, and prints what comes out. The engine knows no files, and this
 * file no arithmetic. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/names.h"
#include "base/text.h"
#include "cli/checkpointer.h"
#include "cli/command.h"
#include "cli/images.h"
#include "cli/output.h"
#include "cli/provenance.h"
#include "cli/signals.h"
#include "cli/uncertain.h"
#include "credence/log.h"
#include "credence/predict.h"
#include "credence/watchdog.h"

/** What rank 0 holds besides the others. Elsewhere all of it stays empty. */
typedef struct prediction {
    const crd_cli *cli;
    double start_s;
    crd_posterior *posterior;
    crd_image_source images;
    float *eps;
    crd_reduction reduction;
    int64_t *labels;
    float *targets; /* [image][value], or NULL */
    float *drawn;   /* what a draw says of an image: [output] */
    crd_provenance_store store;
    crd_provenance provenance;
    crd_prediction_file *file;
    crd_checkpointer checkpointer; /* open if there is a file */
    int64_t all_draws;             /* of all parts */
    crd_part_facts part;           /* with --part, and the key that its parts share */
    char part_key[CRD_RUN_KEY_SIZE];
    int64_t n_skipped;
    crd_prediction_view view;
    json_t *rows; /* NULL: text is printed */
    crd_uncertain uncertain;
    int has_head;
    int is_summed; /* of many images the most uncertain are listed */
    crd_progress progress;
    crd_predict_report report;
} prediction;

/** What all ranks must know before they can work together. */
typedef struct shared_facts {
    int64_t n_images;
    int64_t n_draws;     /* of the whole study */
    int32_t i_estimator; /* into crd_estimator_names */
    int32_t outputs;     /* crd_output_kind */
} shared_facts;

static const crd_option_value *value_of(const prediction *p, crd_option_id id)
{
    return &p->cli->options->values[id];
}

static crd_status find_estimator(int32_t *index, const char *name, const char *path)
{
    *index = crd_names_find(crd_estimator_names(), name);
    if (*index >= 0)
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_INPUT, "%s: type '%s' is not an estimator of this Credence", path,
                    name);
}

static crd_status take_summary(const crd_summary *summary, int64_t first_image, void *payload)
{
    prediction *p = payload;
    crd_progress_end(&p->progress);
    p->n_skipped += crd_images_warn(&p->images, summary->skipped, first_image, summary->n_images);
    crd_prediction_view_add(&p->view, summary);
    if (p->rows != NULL)
        crd_prediction_append_json(p->rows, &p->view, summary, first_image);
    else if (p->is_summed)
        crd_uncertain_add(&p->uncertain, summary, first_image);
    else {
        if (!p->has_head)
            crd_prediction_print_head(&p->view);
        p->has_head = 1;
        crd_prediction_print(&p->view, summary, first_image, crd_clock_now_s() - p->start_s);
    }
    return p->file == NULL ? CRD_OK : crd_prediction_write_summary(p->file, summary, first_image);
}

static crd_status describe_part(prediction *p, const crd_predict_options *options)
{
    p->part = (crd_part_facts){.first_draw = options->first_draw,
                               .end_draw = options->n_draws,
                               .all_draws = p->all_draws,
                               .is_paired = options->sampler.antithetic,
                               .confidence = options->confidence,
                               .fingerprint = p->part_key};
    crd_status status = crd_run_key_make(p->part_key, p->cli, p->images.dataset);
    crd_run_key_remove(p->part_key, CRD_OPT_PART);
    return status;
}

/** What the images are in truth, as far as the data say it in the posterior's terms. */
static crd_status find_truth(prediction *p, crd_prediction_meta *meta)
{
    crd_status status = CRD_OK;
    crd_dataset *data = p->images.dataset;
    int64_t n_values = p->reduction.extents[CRD_AXIS_OUTPUT];
    if (p->posterior->outputs != CRD_OUTPUT_LOGITS) {
        if (!crd_dataset_has_targets(data))
            return CRD_OK;
        if (crd_dataset_check_targets(data, n_values) != CRD_OK) {
            crd_log(CRD_LOG_WARN, "no targets are recorded: %s", crd_status_message());
            return CRD_OK;
        }
        CRD_ALLOC(&p->targets, p->images.n_images * n_values, "targets");
        for (int64_t i = 0; i < p->images.n_images; i++)
            memcpy(p->targets + i * n_values, crd_dataset_target(data, i),
                   (size_t)n_values * sizeof *p->targets);
        meta->targets = p->targets;
    } else if (crd_dataset_is_labelled(data)) {
        CRD_ALLOC(&p->labels, p->images.n_images, "labels");
        if (crd_dataset_match(p->labels, data, meta->output_names, n_values) == CRD_OK)
            meta->labels = p->labels;
        else
            crd_log(CRD_LOG_WARN, "no labels are recorded: %s", crd_status_message());
    }
cleanup:
    return status;
}

static crd_status open_output(prediction *p, const crd_predict_options *options)
{
    const crd_option_value *output = value_of(p, CRD_OPT_OUTPUT);
    if (!output->given)
        return CRD_OK;
    crd_prediction_meta meta = {.reduction = &p->reduction,
                                .n_images = p->images.n_images,
                                .n_draws = options->n_draws,
                                .image_names = (const char *const *)p->images.names,
                                .output_names = (const char *const *)p->posterior->classes,
                                .save_draws = value_of(p, CRD_OPT_SAVE_DRAWS)->integer != 0};
    crd_status status = find_truth(p, &meta);
    if (status == CRD_OK)
        status = crd_provenance_make(&p->provenance, &p->store, p->cli,
                                     p->cli->options->arguments[0], p->images.dataset);
    if (status == CRD_OK)
        crd_provenance_add_weights(&p->provenance, &p->store, p->posterior,
                                   options->sampler.antithetic, options->sampler.mean);
    if (status == CRD_OK && options->keep_sums) {
        status = describe_part(p, options);
        meta.n_draws = options->n_draws - options->first_draw;
        meta.part = &p->part;
    }
    if (status == CRD_OK)
        status = crd_prediction_create(&p->file, output->text, &meta, &p->provenance);
    if (status == CRD_OK)
        status = crd_checkpointer_open(&p->checkpointer, p->cli, p->file, &meta, &p->provenance,
                                       p->images.dataset, options, take_summary, p);
    return status;
}

/** Options that mean something to classes only. */
static crd_status check_outputs(const crd_option_value *values, crd_output_kind outputs,
                                const char *path)
{
    const crd_option_id of_classes[] = {CRD_OPT_TOPK, CRD_OPT_CONFIDENCE};
    for (size_t i = 0; i < sizeof of_classes / sizeof *of_classes; i++)
        if (outputs != CRD_OUTPUT_LOGITS && values[of_classes[i]].given)
            return CRD_FAIL(CRD_ERR_USAGE,
                            "--%s: %s was trained for regression: its outputs are no classes",
                            crd_option_table()[of_classes[i]].name, path);
    return CRD_OK;
}

/** Rank 0's half of the start: all files are opened here, so that what is wrong with them is found
 * before any work is done. */
static crd_status make_options(crd_predict_options *out, const crd_options *options,
                               int64_t n_draws);

static crd_status open_files(prediction *p, shared_facts *facts, crd_predict_options *options)
{
    crd_status status = CRD_OK;
    const crd_options *given = p->cli->options;
    const char *path = given->arguments[0];
    CRD_TRY(crd_images_open(&p->images, given->arguments + 1, given->n_arguments - 1,
                            value_of(p, CRD_OPT_SKIP_BAD)->integer != 0));
    CRD_TRY(crd_posterior_read(&p->posterior, path));
    crd_output_kind outputs = p->posterior->outputs;
    CRD_TRY(crd_posterior_n_draws(&facts->n_draws, p->posterior, options->n_draws_wanted));
    CRD_TRY(crd_predict_reduction(&p->reduction, p->posterior, options));
    CRD_TRY(check_outputs(p->cli->options->values, outputs, path));
    crd_images_prepare(&p->images, &p->posterior->preprocessing);
    int64_t n_images = p->images.n_images;
    const char *type = value_of(p, CRD_OPT_ESTIMATOR)->text;
    CRD_TRY(find_estimator(&facts->i_estimator, type != NULL ? type : p->posterior->conversion.type,
                           path));
    facts->n_images = n_images;
    facts->outputs = (int32_t)outputs;
    if (value_of(p, CRD_OPT_IMPORT_EPS)->given) {
        CRD_ALLOC(&p->eps, p->posterior->network->params.n_floats, "eps");
        CRD_TRY(crd_eps_read(p->eps, value_of(p, CRD_OPT_IMPORT_EPS)->text, p->posterior));
    }
    CRD_ALLOC(&p->drawn, p->reduction.extents[CRD_AXIS_OUTPUT], "a draw");
    p->view = (crd_prediction_view){
        .image_names = (const char *const *)p->images.names,
        .n_images = n_images,
        .reduction = &p->reduction,
        .n_draws = options->n_draws - options->first_draw,
        .output_names = (const char *const *)p->posterior->classes,
        .posterior = path,
        .estimator = options->sampler.mean ? "mean" : crd_estimator_names()[facts->i_estimator],
        .precision = value_of(p, CRD_OPT_PRECISION)->text,
        .list_classes = value_of(p, CRD_OPT_TOPK)->given,
        .confidence = options->confidence,
        .show_half_widths = value_of(p, CRD_OPT_CONFIDENCE)->given,
        .is_adaptive = options->until_mcse > 0,
        .least_draws = options->n_draws,
        .n_ranks = crd_comm_size(p->cli->comm),
        .seed = options->sampler.seed};
    crd_prediction_view_measure(&p->view);
    p->is_summed = n_images > CRD_UNCERTAIN_FROM && !value_of(p, CRD_OPT_ALL_IMAGES)->integer;
    if (p->is_summed)
        CRD_TRY(crd_uncertain_init(&p->uncertain, &p->reduction));
    if (value_of(p, CRD_OPT_JSON)->integer)
        p->rows = json_array();
    CRD_TRY(open_output(p, options));
cleanup:
    return status;
}

static crd_status take_draws(const float *outputs, int64_t first_draw, int64_t n_draws,
                             int64_t first_image, int64_t n_images, void *payload)
{
    prediction *p = payload;
    int is_shown = value_of(p, CRD_OPT_SHOW_DRAWS)->integer != 0;
    crd_progress_end(&p->progress);
    for (int64_t row = 0; is_shown && row < n_draws * n_images; row++)
        crd_draw_print(&p->view, first_image + row % n_images, first_draw + row / n_images,
                       outputs + row * p->reduction.n_outputs, p->drawn);
    if (p->file == NULL || !value_of(p, CRD_OPT_SAVE_DRAWS)->integer)
        return CRD_OK;
    crd_status status = crd_checkpointer_add_draws(&p->checkpointer, outputs, first_draw, n_draws,
                                                   first_image, n_images);
    if (status == CRD_OK)
        status = crd_prediction_write_draws(p->file, outputs, first_draw, n_draws, first_image,
                                            n_images);
    return status;
}

static void keep(const crd_predict_state *state, void *payload)
{
    prediction *p = payload;
    crd_progress_end(&p->progress);
    crd_checkpointer_write(&p->checkpointer, state);
}

static void show_progress(int64_t n_done, int64_t n_units, void *payload)
{
    prediction *p = payload;
    crd_progress_update(&p->progress, n_done < n_units ? n_done : n_units, n_units);
}

/** Order of the units, from the environment: for tests, as it changes nothing in the answer. */
static crd_status read_shuffle(uint64_t *shuffle)
{
    const char *text = getenv("CREDENCE_SHUFFLE_UNITS");
    int64_t key = 0;
    crd_status status = CRD_OK;
    if (text != NULL)
        status = crd_text_to_int64(&key, text, 0, INT64_MAX, "CREDENCE_SHUFFLE_UNITS");
    *shuffle = (uint64_t)key;
    return status;
}

/** A pair of draws lies within one block. */
static crd_status check_pairs(const crd_option_value *values)
{
    const crd_option_id even[] = {CRD_OPT_DRAWS, CRD_OPT_DRAW_BLOCK};
    for (size_t i = 0; i < sizeof even / sizeof *even; i++)
        if (values[even[i]].integer % 2 != 0)
            return CRD_FAIL(CRD_ERR_USAGE, "--antithetic draws pairs: --%s must be even, not %lld",
                            crd_option_table()[even[i]].name, (long long)values[even[i]].integer);
    return CRD_OK;
}

/** What the table of options cannot say about stopping images. */
static crd_status check_stopping(const crd_option_value *values)
{
    if (values[CRD_OPT_MIN_DRAWS].given &&
        values[CRD_OPT_MIN_DRAWS].integer > values[CRD_OPT_DRAWS].integer)
        return CRD_FAIL(CRD_ERR_USAGE, "--min-draws: %lld is more than --draws %lld",
                        (long long)values[CRD_OPT_MIN_DRAWS].integer,
                        (long long)values[CRD_OPT_DRAWS].integer);
    return CRD_OK;
}

/** "I/N": draws of part I, in whole blocks, as even as can be. */
static crd_status take_part(crd_predict_options *out, const crd_option_value *values)
{
    crd_status status = CRD_OK;
    const char *text = values[CRD_OPT_PART].text, *slash = strchr(text, '/');
    int64_t block = out->sampler.draw_block, n_blocks = (out->n_draws + block - 1) / block;
    int64_t i = 0, n = 0;
    char first[24] = "";
    CRD_REQUIRE(slash != NULL && slash - text < (int)sizeof first, CRD_ERR_USAGE,
                "--part: '%s' is not I/N, as in 2/8", text);
    memcpy(first, text, (size_t)(slash - text));
    CRD_TRY(crd_text_to_int64(&n, slash + 1, 1, n_blocks, "--part: N"));
    CRD_TRY(crd_text_to_int64(&i, first, 1, n, "--part: I"));
    out->first_draw = n_blocks * (i - 1) / n * block;
    if (i < n)
        out->n_draws = n_blocks * i / n * block;
    out->keep_sums = 1;
cleanup:
    return status;
}

/** What the command line says, alike on all ranks. */
static crd_status make_options(crd_predict_options *out, const crd_options *options)
{
    const crd_option_value *values = options->values;
    int is_mean = values[CRD_OPT_DETERMINISTIC].integer != 0,
        is_eps = values[CRD_OPT_IMPORT_EPS].given;
    int is_antithetic = values[CRD_OPT_ANTITHETIC].integer != 0;
    int is_adaptive = values[CRD_OPT_UNTIL_MCSE].given;
    if (is_antithetic && check_pairs(values) != CRD_OK)
        return CRD_ERR_USAGE;
    if (check_stopping(values) != CRD_OK)
        return CRD_ERR_USAGE;
    if (is_eps && values[CRD_OPT_DRAWS].given && values[CRD_OPT_DRAWS].integer != 1)
        return CRD_FAIL(CRD_ERR_USAGE, "--import-eps holds one draw: --draws must be 1");
    *out = (crd_predict_options){
        .sampler = {.mean = is_mean,
                    .seed = (uint64_t)values[CRD_OPT_SEED].integer,
                    .precision = (crd_precision)values[CRD_OPT_PRECISION].integer,
                    .antithetic = is_antithetic,
                    .batch = values[CRD_OPT_BATCH].integer,
                    .draw_block = values[CRD_OPT_DRAW_BLOCK].integer},
        .n_draws = is_mean || is_eps ? 1 : values[CRD_OPT_DRAWS].integer,
        .until_mcse = is_adaptive ? values[CRD_OPT_UNTIL_MCSE].number : 0,
        .min_draws = values[CRD_OPT_MIN_DRAWS].integer,
        .confidence = values[CRD_OPT_CONFIDENCE].number,
        .n_top = values[CRD_OPT_TOPK].integer,
        .want_draws = values[CRD_OPT_SAVE_DRAWS].integer || values[CRD_OPT_SHOW_DRAWS].integer,
        .checkpoint_s = values[CRD_OPT_CHECKPOINT_INTERVAL].number,
        .max_time_s = values[CRD_OPT_MAX_TIME].number};
    if (values[CRD_OPT_PART].given && take_part(out, values) != CRD_OK)
        return CRD_ERR_USAGE;
    return read_shuffle(&out->shuffle);
}

/** Rank 0's half of the end: the file gets its name, the last line is printed. */
static crd_status conclude(prediction *p)
{
    crd_status status = CRD_OK;
    crd_progress_end(&p->progress);
    CRD_REQUIRE(p->n_skipped < p->images.n_images, CRD_ERR_INPUT,
                "none of the %lld images can be read", (long long)p->n_skipped);
    if (p->file != NULL) {
        status = crd_prediction_finish(p->file);
        p->file = NULL;
        CRD_TRY(status);
    }
    double seconds = crd_clock_now_s() - p->start_s;
    if (p->rows != NULL) {
        status = crd_prediction_print_json(&p->view, p->rows, seconds, &p->report);
        p->rows = NULL;
    } else {
        if (p->is_summed)
            crd_uncertain_print(&p->uncertain, &p->view);
        crd_prediction_print_end(&p->view, seconds);
        crd_remark_few(p->view.most_draws / (value_of(p, CRD_OPT_ANTITHETIC)->integer ? 2 : 1),
                       value_of(p, CRD_OPT_ANTITHETIC)->integer ? "pairs of draws" : "draws");
    }
cleanup:
    return status;
}

static crd_status run_engine(prediction *p, const crd_model *model,
                             const crd_predict_options *options)
{
    const crd_cli *cli = p->cli;
    int is_kept = cli->options->values[CRD_OPT_OUTPUT].given;
    crd_predict_source source = {
        .load = crd_images_load,
        .payload = &p->images,
        .is_shared = 1,
        .state = p->checkpointer.state.n_images > 0 ? &p->checkpointer.state : NULL};
    crd_predict_sink sink = {.summary = take_summary,
                             .draws = options->want_draws ? take_draws : NULL,
                             .checkpoint = is_kept ? keep : NULL,
                             .progress = show_progress,
                             .payload = p};
    p->progress = crd_progress_start("units", !cli->options->values[CRD_OPT_QUIET].integer);
    p->progress.first = p->checkpointer.state.n_units_done;
    return crd_predict(&p->report, cli->comm, model, options, &source, &sink);
}

crd_status crd_cmd_predict(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(cli->comm) == 0, is_done = 0;
    prediction p = {.cli = cli, .start_s = crd_clock_now_s()};
    crd_predict_options options;
    shared_facts facts = {0};
    crd_shared_model *shared = NULL;
    crd_watchdog *watchdog = NULL;
    CRD_TRY(make_options(&options, cli->options));
    if (cli->options->values[CRD_OPT_OUTPUT].given)
        crd_signals_heed();
    CRD_TRY(crd_watchdog_start(&watchdog, cli->comm,
                               cli->options->values[CRD_OPT_HANG_TIMEOUT].number, crd_report_hang));
    CRD_TRY(crd_comm_agree(cli->comm, is_first ? open_files(&p, &facts, &options) : CRD_OK));
    CRD_TRY(crd_images_share(&p.images, cli->comm, cli->options->arguments + 1,
                             cli->options->n_arguments - 1,
                             value_of(&p, CRD_OPT_SKIP_BAD)->integer != 0));
    crd_comm_broadcast(cli->comm, &facts, sizeof facts);
    options.n_images = facts.n_images;
    options.outputs = (crd_output_kind)facts.outputs;
    options.sampler.estimator = crd_estimator_names()[facts.i_estimator];
    CRD_TRY(crd_shared_model_create(&shared, cli->comm, p.posterior, p.eps, options.sampler.mean));
    status = run_engine(&p, crd_shared_model_view(shared), &options);
    if (status == CRD_OK && is_first)
        status = conclude(&p);
    if (is_first)
        status = crd_checkpointer_conclude(&p.checkpointer, status);
    CRD_TRY(crd_comm_agree(cli->comm, status));
    is_done = 1;
cleanup:
    crd_progress_end(&p.progress);
    crd_shared_model_destroy(shared);
    crd_watchdog_stop(watchdog);
    crd_prediction_abandon(p.file);
    crd_checkpointer_close(&p.checkpointer, is_done);
    json_decref(p.rows);
    crd_uncertain_clear(&p.uncertain);
    crd_free(p.drawn);
    crd_free(p.targets);
    crd_free(p.labels);
    crd_free(p.eps);
    crd_images_close(&p.images);
    crd_posterior_destroy(p.posterior);
    return status;
}
