/* A prediction from files to a file: opens them on rank 0, hands them to crd_predict as source and
 * sink, and keeps checkpoints. The engine knows no files, and this file no arithmetic. */
#include "credence/predict_files.h"

#include <string.h>

#include "app/checkpointer.h"
#include "app/context.h"
#include "app/output_claim.h"
#include "app/settings.h"
#include "base/alloc.h"
#include "credence/log.h"

/** A run. Files and what is made of them are on rank 0 only; elsewhere they stay empty. */
typedef struct run {
    const crd_predict_files_options *given;
    const crd_predict_files_hooks *hooks;
    crd_predict_options options;
    crd_context context;
    crd_reduction reduction;
    crd_prediction_info info;
    float *eps;
    int64_t *labels;
    float *targets; /* [image][value], or NULL */
    crd_settings settings;
    crd_provenance_store *store;
    crd_provenance provenance;
    crd_output_lock *lock;
    crd_prediction_file *file;
    crd_checkpointer checkpointer; /* open if there is a file */
    crd_part_facts part;           /* of a part, and the key that its parts share */
    char key[CRD_RUN_KEY_SIZE], part_key[CRD_RUN_KEY_SIZE];
    int64_t n_skipped;
} run;

void crd_predict_files_options_init(crd_predict_files_options *out)
{
    *out = (crd_predict_files_options){0};
    crd_predict_options_init(&out->predict);
}

static void make_room(const run *r)
{
    if (r->hooks->pause != NULL)
        r->hooks->pause(r->hooks->payload);
}

/* The engine's hooks. */

static crd_status take_summary(const crd_summary *summary, int64_t first_image, void *payload)
{
    run *r = payload;
    crd_status status = CRD_OK;
    make_room(r);
    r->n_skipped +=
        crd_images_warn(&r->context.images, summary->skipped, first_image, summary->n_images);
    if (r->hooks->rows != NULL)
        status = r->hooks->rows(summary, first_image, &r->info, r->hooks->payload);
    if (status == CRD_OK && r->file != NULL)
        status = crd_prediction_write_summary(r->file, summary, first_image);
    return status;
}

static crd_status take_draws(const float *outputs, int64_t first_draw, int64_t n_draws,
                             int64_t first_image, int64_t n_images, void *payload)
{
    run *r = payload;
    make_room(r);
    if (r->hooks->draws != NULL)
        r->hooks->draws(outputs, first_draw, n_draws, first_image, n_images, r->hooks->payload);
    if (r->file == NULL || !r->given->save_draws)
        return CRD_OK;
    crd_status status = crd_checkpointer_add_draws(&r->checkpointer, outputs, first_draw, n_draws,
                                                   first_image, n_images);
    if (status == CRD_OK)
        status = crd_prediction_write_draws(r->file, outputs, first_draw, n_draws, first_image,
                                            n_images);
    return status;
}

static void keep(const crd_predict_state *state, void *payload)
{
    run *r = payload;
    make_room(r);
    crd_checkpointer_write(&r->checkpointer, state);
}

static void show_progress(int64_t n_done, int64_t n_units, void *payload)
{
    run *r = payload;
    if (r->hooks->progress != NULL)
        r->hooks->progress(n_done, n_units, r->hooks->payload);
}

/* The start. */

/** The draws of the part, in whole blocks, as even as can be. */
static crd_status make_options(run *r)
{
    crd_status status = CRD_OK;
    const crd_predict_files_options *given = r->given;
    crd_predict_options *o = &r->options;
    *o = given->predict;
    o->n_draws = r->context.n_draws;
    o->first_draw = 0;
    o->keep_sums = given->n_parts > 0;
    o->want_draws = given->save_draws || r->hooks->draws != NULL;
    if (given->n_parts == 0)
        return CRD_OK;
    int64_t block = o->sampler.draw_block;
    CRD_REQUIRE(block > 0, CRD_ERR_USAGE, "draw_block %lld: must be positive", (long long)block);
    int64_t n_blocks = (o->n_draws + block - 1) / block;
    CRD_REQUIRE(given->part >= 1 && given->part <= given->n_parts && given->n_parts <= n_blocks,
                CRD_ERR_USAGE, "part %lld of %lld: allowed are 1 to N of at most %lld parts",
                (long long)given->part, (long long)given->n_parts, (long long)n_blocks);
    o->first_draw = n_blocks * (given->part - 1) / given->n_parts * block;
    if (given->part < given->n_parts)
        o->n_draws = n_blocks * given->part / given->n_parts * block;
cleanup:
    return status;
}

/** For a caller who has no settings of its own. */
static void write_settings(run *r)
{
    const crd_predict_options *o = &r->given->predict;
    crd_settings *s = &r->settings;
    crd_settings_add(s, "draws", "%lld", (long long)r->context.n_draws);
    crd_settings_add(s, "estimator", "%s", r->context.estimator);
    crd_settings_add(s, "deterministic", "%d", (int)o->sampler.mean);
    crd_settings_add(s, "precision", "%s", crd_precision_names()[o->sampler.precision]);
    crd_settings_add(s, "antithetic", "%d", (int)o->sampler.antithetic);
    crd_settings_add(s, "until-mcse", "%.17g", o->until_mcse);
    crd_settings_add(s, "min-draws", "%lld", (long long)o->min_draws);
    crd_settings_add(s, "confidence", "%.17g", o->confidence);
    crd_settings_add(s, "draw-block", "%lld", (long long)o->sampler.draw_block);
    crd_settings_add(s, "batch", "%lld", (long long)o->sampler.batch);
    crd_settings_add(s, "topk", "%lld", (long long)o->n_top);
    crd_settings_add(s, "save-draws", "%d", (int)r->given->save_draws);
    crd_settings_add(s, "import-eps", "%d", r->given->import_eps != NULL);
    crd_settings_add(s, "skip-bad", "%d", (int)r->given->skip_bad);
    crd_settings_add(s, "seed", "%llu", (unsigned long long)o->sampler.seed);
    crd_settings_add(s, "part", "%lld/%lld", (long long)r->given->part,
                     (long long)r->given->n_parts);
}

static void describe_part(run *r)
{
    r->part = (crd_part_facts){.first_draw = r->options.first_draw,
                               .end_draw = r->options.n_draws,
                               .all_draws = r->context.n_draws,
                               .is_paired = r->options.sampler.antithetic,
                               .confidence = r->options.confidence,
                               .fingerprint = r->part_key};
    memcpy(r->part_key, r->key, sizeof r->key);
    crd_run_key_remove(r->part_key, "part");
}

/** What the images are in truth, as far as the data say it in the posterior's terms. */
static crd_status find_truth(run *r, crd_prediction_meta *meta)
{
    crd_status status = CRD_OK;
    crd_dataset *data = r->context.images.dataset;
    int64_t n_values = r->reduction.extents[CRD_AXIS_OUTPUT], n_images = r->context.n_images;
    if (r->context.outputs != CRD_OUTPUT_LOGITS) {
        if (!crd_dataset_has_targets(data))
            return CRD_OK;
        if (crd_dataset_check_targets(data, n_values) != CRD_OK) {
            crd_log(CRD_LOG_WARN, "no targets are recorded: %s", crd_status_message());
            return CRD_OK;
        }
        CRD_ALLOC(&r->targets, n_images * n_values, "targets");
        for (int64_t i = 0; i < n_images; i++)
            memcpy(r->targets + i * n_values, crd_dataset_target(data, i),
                   (size_t)n_values * sizeof *r->targets);
        meta->targets = r->targets;
    } else if (crd_dataset_is_labelled(data)) {
        CRD_ALLOC(&r->labels, n_images, "labels");
        if (crd_dataset_match(r->labels, data, meta->output_names, n_values) == CRD_OK)
            meta->labels = r->labels;
        else
            crd_log(CRD_LOG_WARN, "no labels are recorded: %s", crd_status_message());
    }
cleanup:
    return status;
}

static crd_status open_output(run *r)
{
    crd_status status = CRD_OK;
    const crd_predict_files_options *given = r->given;
    crd_prediction_meta meta = {.reduction = &r->reduction,
                                .n_images = r->context.n_images,
                                .n_draws = r->options.n_draws - r->options.first_draw,
                                .image_names = r->info.image_names,
                                .output_names = (const char *const *)r->context.posterior->classes,
                                .part = given->n_parts > 0 ? &r->part : NULL,
                                .save_draws = given->save_draws};
    const crd_run_inputs inputs = crd_context_inputs(&r->context, given->inputs, given->n_inputs);
    write_settings(r);
    crd_record record = crd_settings_record(&r->settings, &given->record);
    CRD_TRY(find_truth(r, &meta));
    CRD_TRY(
        crd_provenance_make(&r->provenance, &r->store, &record, r->options.sampler.seed, &inputs));
    crd_provenance_add_weights(&r->provenance, r->store, r->context.posterior, &r->options);
    CRD_TRY(crd_run_key_make(r->key, &record, &inputs));
    if (given->n_parts > 0)
        describe_part(r);
    CRD_TRY(crd_prediction_create(&r->file, given->output, &meta, &r->provenance));
    const crd_checkpointer_run kept = {.output = given->output,
                                       .key = r->key,
                                       .resumes = given->resume,
                                       .file = r->file,
                                       .meta = &meta,
                                       .provenance = &r->provenance,
                                       .options = &r->options};
    CRD_TRY(crd_checkpointer_open(&r->checkpointer, &kept, take_summary, r));
    r->info.n_units_before = r->checkpointer.state.n_units_done;
cleanup:
    return status;
}

/** Rank 0's half of the start: all files are opened here, so that what is wrong with them is found
 * before any work is done. */
static crd_status open_files(run *r)
{
    crd_status status = CRD_OK;
    const crd_predict_files_options *given = r->given;
    crd_context *c = &r->context;
    CRD_REQUIRE(given->posterior != NULL && given->n_inputs > 0, CRD_ERR_USAGE,
                "a posterior and images are needed");
    CRD_TRY(crd_output_claim(
        &r->lock, given->output,
        &(crd_output_inputs){given->posterior, given->inputs, given->n_inputs, given->import_eps}));
    CRD_TRY(crd_context_open(c, given->posterior, given->inputs, given->n_inputs, given->skip_bad,
                             given->predict.sampler.estimator));
    CRD_TRY(crd_context_set_draws(c, &given->predict));
    CRD_TRY(make_options(r));
    CRD_TRY(crd_predict_reduction(&r->reduction, c->posterior, &r->options));
    r->info = (crd_prediction_info){.posterior = c->posterior,
                                    .reduction = &r->reduction,
                                    .estimator = c->estimator,
                                    .n_images = c->n_images,
                                    .first_draw = r->options.first_draw,
                                    .end_draw = r->options.n_draws,
                                    .image_names = (const char *const *)c->images.names};
    if (r->hooks->start != NULL)
        CRD_TRY(r->hooks->start(&r->info, r->hooks->payload));
    crd_dataset_log_fit(c->images.dataset, &c->images.preprocessing);
    if (given->import_eps != NULL) {
        CRD_ALLOC(&r->eps, c->posterior->network->params.n_floats + c->posterior->rank, "eps");
        CRD_TRY(crd_eps_read(r->eps, given->import_eps, c->posterior));
    }
    if (given->output != NULL)
        CRD_TRY(open_output(r));
cleanup:
    return status;
}

static crd_status run_engine(run *r, crd_predict_report *report, crd_comm *comm)
{
    const crd_predict_state *state = &r->checkpointer.state;
    crd_predict_source source = {.load = crd_images_load,
                                 .payload = &r->context.images,
                                 .is_shared = 1,
                                 .weights = r->context.shared,
                                 .state = state->n_images > 0 ? state : NULL};
    crd_predict_sink sink = {.summary = take_summary,
                             .draws = r->options.want_draws ? take_draws : NULL,
                             .checkpoint = r->given->output != NULL ? keep : NULL,
                             .progress = show_progress,
                             .payload = r};
    r->options.n_images = r->context.n_images;
    r->options.outputs = r->context.outputs;
    r->options.sampler.estimator = r->context.estimator;
    return crd_predict(report, comm, crd_context_model(&r->context), &r->options, &source, &sink);
}

/** Rank 0's half of the end: the file gets its name. */
static crd_status conclude(run *r, const crd_predict_report *report)
{
    crd_status status = CRD_OK;
    make_room(r);
    CRD_REQUIRE(r->n_skipped < r->context.n_images, CRD_ERR_INPUT,
                "none of the %lld images can be read", (long long)r->n_skipped);
    if (r->file != NULL) {
        status = crd_prediction_finish(r->file);
        r->file = NULL;
        CRD_TRY(status);
    }
    if (r->hooks->end != NULL)
        status = r->hooks->end(report, r->hooks->payload);
cleanup:
    return status;
}

static void release(run *r, int is_done)
{
    crd_prediction_abandon(r->file);
    crd_checkpointer_close(&r->checkpointer, is_done);
    crd_output_lock_release(r->lock);
    crd_provenance_store_destroy(r->store);
    crd_free(r->targets);
    crd_free(r->labels);
    crd_free(r->eps);
    crd_context_close(&r->context);
    crd_free(r);
}

/** With memory for *r on all ranks. */
static crd_status run_files(run *r, crd_predict_report *report, crd_comm *comm)
{
    crd_status status = CRD_OK;
    const crd_predict_files_options *given = r->given;
    int is_first = crd_comm_rank(comm) == 0;
    status = is_first ? open_files(r) : CRD_OK;
    CRD_TRY(crd_context_share(&r->context, comm, status, r->eps, &given->predict));
    CRD_TRY(make_options(r)); /* on rank 0 once more */
    CRD_TRY(crd_images_share(&r->context.images, comm, given->inputs, given->n_inputs,
                             given->skip_bad));
    status = run_engine(r, report, comm);
    if (is_first) {
        status = status == CRD_OK ? conclude(r, report) : status;
        status = crd_checkpointer_conclude(&r->checkpointer, status);
    }
    status = crd_comm_agree(comm, status);
cleanup:
    return status;
}

crd_status crd_predict_files(crd_predict_report *report, crd_comm *comm,
                             const crd_predict_files_options *options,
                             const crd_predict_files_hooks *hooks)
{
    const crd_predict_files_hooks none = {0};
    crd_predict_report unwanted;
    run *r = NULL;
    crd_status status =
        crd_comm_agree(comm, crd_alloc_zeroed((void **)&r, 1, sizeof *r, "a prediction"));
    if (status == CRD_OK) {
        r->given = options;
        r->hooks = hooks != NULL ? hooks : &none;
        status = run_files(r, report != NULL ? report : &unwanted, comm);
        make_room(r);
        release(r, status == CRD_OK);
    } else {
        crd_free(r);
    }
    return status;
}
