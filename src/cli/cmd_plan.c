/* `credence plan`: predicts a sample of the images, takes the time, and forecasts by the model of
 * credence/cost_model.h what a run will cost on how many ranks. It writes no file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/compare.h"
#include "cli/command.h"
#include "cli/images.h"
#include "cli/output.h"
#include "credence/cost_model.h"
#include "credence/files.h"
#include "credence/predict.h"

/* The calibration: draws enough for a standard error, images of a few batches. */
enum { SAMPLE_DRAWS = 32, SAMPLE_BATCHES = 4 };

/* Of a job's time limit: jobs/predict.sbatch is told to stop 5 to 6 minutes before the end. */
enum { SPARE_MINUTES = 10 };

/* Efficiency down to which more ranks are recommended. */
#define GOOD_EFFICIENCY 0.8

/** What rank 0 holds. */
typedef struct planning {
    const crd_cli *cli;
    crd_posterior *posterior;
    crd_image_source images;
    int64_t n_sample, image_floats;
    double load_s;
    int64_t *stops; /* [n_sample] */
    int64_t n_stops;
    crd_stopping_rule rule;
    double until_mcse;
    crd_predict_options run; /* what is planned */
} planning;

/** What all ranks must know. */
typedef struct shared_facts {
    int64_t n_images;
    char estimator[32];
    int32_t outputs; /* crd_output_kind */
} shared_facts;

/** Image i of the sample is image i n_images / n_sample of the run. */
static crd_status load_sample(float *tensors, int8_t *skipped, int64_t first, int64_t n,
                              void *payload)
{
    crd_status status = CRD_OK;
    planning *p = payload;
    double start_s = crd_clock_now_s();
    for (int64_t i = 0; status == CRD_OK && i < n; i++) {
        int64_t image = (first + i) * p->images.n_images / p->n_sample;
        status = crd_images_load(tensors + i * p->image_floats, skipped + i, image, 1, &p->images);
        if (status == CRD_OK)
            crd_images_warn(&p->images, skipped + i, image, 1);
    }
    p->load_s += crd_clock_now_s() - start_s;
    return status;
}

static crd_status take_summary(const crd_summary *s, int64_t first_image, void *payload)
{
    planning *p = payload;
    (void)first_image;
    for (int64_t i = 0; i < s->n_images; i++) {
        double error = fmax(crd_summary_error(s, i), 0); /* of one draw there is none */
        p->stops[p->n_stops++] =
            p->until_mcse > 0 ? crd_cost_model_stop(&p->rule, s->n_draws[i], error, p->until_mcse)
                              : p->rule.max_draws;
    }
    return CRD_OK;
}

static crd_status open_files(planning *p, shared_facts *facts)
{
    crd_status status = CRD_OK;
    const crd_options *given = p->cli->options;
    const char *type = given->values[CRD_OPT_ESTIMATOR].text;
    CRD_TRY(crd_images_open(&p->images, given->arguments + 1, given->n_arguments - 1,
                            given->values[CRD_OPT_SKIP_BAD].integer != 0));
    CRD_TRY(crd_posterior_read(&p->posterior, given->arguments[0]));
    p->images.preprocessing = p->posterior->preprocessing;
    p->image_floats = crd_images_floats(&p->images);
    facts->n_images = p->images.n_images;
    facts->outputs = (int32_t)p->posterior->outputs;
    snprintf(facts->estimator, sizeof facts->estimator, "%s",
             type != NULL ? type : p->posterior->conversion.type);
cleanup:
    return status;
}

/** Largest resident size of this process so far. */
static int64_t resident_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

/** Of this machine, for which the nodes of the run are taken. */
static int64_t count_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? n : 1;
}

static double seconds_on(const planning *p, const crd_cost_model *f, int64_t n_ranks)
{
    int64_t window = crd_predict_window_images(p->posterior->network, &p->run, (int)n_ranks);
    return crd_cost_model_seconds(f, n_ranks, window);
}

static double efficiency_on(const planning *p, const crd_cost_model *f, int64_t n_ranks)
{
    return seconds_on(p, f, 1) / seconds_on(p, f, n_ranks) / (double)n_ranks;
}

/** The most ranks of the list that are used well; the fewest if none is. */
static int64_t good_ranks(const planning *p, const crd_cost_model *f, const crd_option_value *ranks)
{
    int64_t best = (int64_t)ranks->numbers[0];
    for (int i = 0; i < ranks->n_numbers; i++) {
        int64_t n = (int64_t)ranks->numbers[i];
        if (efficiency_on(p, f, n) >= GOOD_EFFICIENCY && n > best)
            best = n;
    }
    return best;
}

/** Appends a word to a command line: what a shell might take for more than a word gets quotes. */
static size_t append_word(char *out, size_t used, size_t size, const char *word)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:,+=@-";
    const char *quote = word[strspn(word, plain)] == '\0' ? "" : "'";
    used += (size_t)snprintf(out + used, size - used, " %s", quote);
    for (const char *c = word; *c != '\0' && used < size; c++)
        used += (size_t)snprintf(out + used, size - used, *c == '\'' ? "'\\''" : "%c", *c);
    if (used < size)
        used += (size_t)snprintf(out + used, size - used, "%s", quote);
    return used < size ? used : size;
}

/** An sbatch line with half as much time again and a quarter more memory; what the user gave to
 * plan continues to predict. */
static void make_sbatch(char *out, size_t size, const planning *p, const crd_cost_model *f,
                        int64_t n_ranks, int64_t bytes)
{
    const crd_options *given = p->cli->options;
    int64_t minutes = (int64_t)(1.5 * seconds_on(p, f, n_ranks) / 60) + SPARE_MINUTES;
    size_t used = (size_t)snprintf(
        out, size,
        "sbatch --ntasks=%lld --mem-per-cpu=%lldM --time=%lld:%02lld:00 jobs/predict.sbatch",
        (long long)n_ranks, (long long)((double)bytes * 1.25 / (1 << 20)) + 1,
        (long long)(minutes / 60), (long long)(minutes % 60));
    for (int i = 0; i < given->n_arguments && used < size; i++)
        used = append_word(out, used, size, given->arguments[i]);
    for (int id = 0; id < CRD_N_OPTIONS && used < size; id++) {
        const crd_option *option = &crd_option_table()[id];
        const crd_option_value *value = &given->values[id];
        if (value->given && option->plan == CRD_PLAN_PASSES)
            used += (size_t)snprintf(out + used, size - used, " --%s%s%s", option->name,
                                     option->placeholder != NULL ? " " : "",
                                     option->placeholder != NULL ? value->text : "");
    }
    if (used < size)
        snprintf(out + used, size - used, " -o prediction.h5");
}

static crd_status show(const planning *p, const crd_cost_model *f, const crd_predict_report *report,
                       double seconds)
{
    const crd_option_value *values = p->cli->options->values, *ranks = &values[CRD_OPT_RANKS];
    int64_t bytes = resident_bytes(), sum = 0, n_most = 0;
    char sbatch[4096];
    int is_json = values[CRD_OPT_JSON].integer != 0;
    json_t *rows = is_json ? json_array() : NULL;
    make_sbatch(sbatch, sizeof sbatch, p, f, good_ranks(p, f, ranks), bytes);
    for (int64_t i = 0; i < f->n_sample; i++) {
        sum += f->stops[i];
        n_most += f->stops[i] == f->rule.max_draws;
    }
    double mean = (double)sum / (double)f->n_sample;
    if (!is_json) {
        printf("calibrated on %lld of %lld images in %.1f s: a unit (%lld images, %lld draws) "
               "takes %.4g s, "
               "an image %.2g s, the start %.2g s\n",
               (long long)f->n_sample, (long long)f->n_images, seconds, (long long)f->batch,
               (long long)f->rule.block, f->unit_s, f->image_s, f->start_s);
        printf("draws of an image: %.0f on average, %lld to %lld; %.0f %% of the images need the "
               "most\n",
               mean, (long long)f->stops[0], (long long)f->stops[f->n_sample - 1],
               100 * (double)n_most / (double)f->n_sample);
        printf("%.0f units; %.0f MB a rank\n", crd_cost_model_units(f), 1e-6 * (double)bytes);
        puts("  ranks     seconds  efficiency");
    }
    for (int i = 0; i < ranks->n_numbers; i++) {
        int64_t n = (int64_t)ranks->numbers[i];
        double s = seconds_on(p, f, n), e = efficiency_on(p, f, n);
        if (is_json)
            json_array_append_new(rows, json_pack("{s:I, s:f, s:f}", "ranks", (json_int_t)n,
                                                  "seconds", s, "efficiency", e));
        else
            printf("  %5lld  %10.1f  %8.0f %%\n", (long long)n, s, 100 * e);
    }
    if (is_json)
        return crd_json_print(json_pack(
            "{s:f, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:o, s:o}", "calibration_seconds",
            seconds, "n_sample", (json_int_t)f->n_sample, "calibration_units",
            (json_int_t)report->n_units, "unit_seconds", f->unit_s, "image_seconds", f->image_s,
            "start_seconds", f->start_s, "n_units", crd_cost_model_units(f), "mean_draws", mean,
            "n_images", (json_int_t)f->n_images, "bytes_per_rank", (json_int_t)bytes, "ranks", rows,
            "sbatch", crd_json_text(sbatch)));
    puts(sbatch);
    return CRD_OK;
}

static crd_predict_options sample_options(const crd_option_value *values, const planning *p,
                                          const shared_facts *facts)
{
    int64_t least = values[CRD_OPT_DRAWS].integer;
    return (crd_predict_options){
        .sampler = {.estimator = facts->estimator,
                    .seed = (uint64_t)values[CRD_OPT_SEED].integer,
                    .precision = (crd_precision)values[CRD_OPT_PRECISION].integer,
                    .antithetic = values[CRD_OPT_ANTITHETIC].integer != 0,
                    .batch = values[CRD_OPT_BATCH].integer,
                    .draw_block = values[CRD_OPT_DRAW_BLOCK].integer},
        .outputs = (crd_output_kind)facts->outputs,
        .n_draws = least < SAMPLE_DRAWS ? least : SAMPLE_DRAWS,
        .n_top = values[CRD_OPT_TOPK].integer,
        .n_images = p->n_sample};
}

crd_status crd_cmd_plan(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_option_value *values = cli->options->values;
    int is_first = crd_comm_rank(cli->comm) == 0;
    planning p = {.cli = cli};
    shared_facts facts = {0};
    crd_shared_model *shared = NULL;
    double start_s = crd_clock_now_s();
    int64_t n_draws = values[CRD_OPT_DRAWS].integer, batch = values[CRD_OPT_BATCH].integer;
    p.until_mcse = values[CRD_OPT_UNTIL_MCSE].given ? values[CRD_OPT_UNTIL_MCSE].number : 0;
    int64_t first_look = p.until_mcse > 0 ? values[CRD_OPT_MIN_DRAWS].integer : n_draws;
    p.rule = (crd_stopping_rule){first_look < n_draws ? first_look : n_draws, n_draws,
                                 values[CRD_OPT_DRAW_BLOCK].integer};
    CRD_TRY(crd_comm_agree(cli->comm, is_first ? open_files(&p, &facts) : CRD_OK));
    crd_comm_broadcast(cli->comm, &facts, sizeof facts);
    p.n_sample = SAMPLE_BATCHES * batch < facts.n_images ? SAMPLE_BATCHES * batch : facts.n_images;
    CRD_TRY(crd_comm_agree(cli->comm, crd_alloc_zeroed((void **)&p.stops, p.n_sample,
                                                       sizeof *p.stops, "draws of images")));
    CRD_TRY(crd_shared_model_create(&shared, cli->comm, p.posterior, NULL, 0));
    crd_predict_options options = sample_options(values, &p, &facts);
    crd_predict_source source = {.load = load_sample, .payload = &p};
    crd_predict_sink sink = {.summary = take_summary, .payload = &p};
    crd_predict_report report;
    double ready_s = crd_clock_now_s() - start_s;
    CRD_TRY(
        crd_predict(&report, cli->comm, crd_shared_model_view(shared), &options, &source, &sink));
    if (is_first) {
        qsort(p.stops, (size_t)p.n_sample, sizeof *p.stops, crd_compare_int64);
        crd_sampler_times t = report.times;
        p.run = options;
        p.run.n_images = facts.n_images;
        p.run.n_draws = n_draws;
        p.run.until_mcse = p.until_mcse;
        p.run.min_draws = first_look;
        crd_cost_model forecast = {.n_images = facts.n_images,
                                   .batch = batch,
                                   .rule = p.rule,
                                   .stops = p.stops,
                                   .n_sample = p.n_sample,
                                   .unit_s = (t.draw_s + t.weighted_s + t.rest_s) /
                                             (double)report.n_units,
                                   .start_s = ready_s,
                                   .image_s = p.load_s / (double)p.n_sample,
                                   .node_ranks = count_cores()};
        status = show(&p, &forecast, &report, crd_clock_now_s() - start_s);
    }
    CRD_TRY(crd_comm_agree(cli->comm, status));
cleanup:
    crd_shared_model_destroy(shared);
    crd_free(p.stops);
    crd_images_close(&p.images);
    crd_posterior_destroy(p.posterior);
    return status;
}
