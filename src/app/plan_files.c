/* The cost of a prediction: predicts a sample of the images, takes the time, and forecasts by the
 * model of credence/cost_model.h. It writes no file. */
#include "credence/plan_files.h"

#include <math.h>
#include <stdlib.h>

#include "app/context.h"
#include "app/resources.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/compare.h"
#include "base/integers.h"

/* The calibration: draws enough for a standard error, images of a few batches. */
enum { SAMPLE_DRAWS = 32, SAMPLE_BATCHES = 4 };

struct crd_plan {
    crd_context context;     /* rank 0 needs its graph later */
    crd_predict_options run; /* what is planned */
    int64_t n_sample;
    double load_s;
    int64_t *stops; /* [n_sample] */
    int64_t n_stops;
    crd_stopping_rule rule;
    crd_plan_facts facts;
};

void crd_plan_files_options_init(crd_plan_files_options *out)
{
    *out = (crd_plan_files_options){0};
    crd_predict_options_init(&out->predict);
}

void crd_plan_destroy(crd_plan *plan)
{
    if (plan == NULL)
        return;
    crd_free(plan->stops);
    crd_context_close(&plan->context);
    crd_free(plan);
}

/** Image i of the sample is image i n_images / n_sample of the run. */
static crd_status load_sample(float *tensors, int8_t *skipped, int64_t first, int64_t n,
                              void *payload)
{
    crd_status status = CRD_OK;
    crd_plan *p = payload;
    crd_image_source *images = &p->context.images;
    int64_t floats = crd_images_floats(images);
    double start_s = crd_clock_now_s();
    for (int64_t i = 0; status == CRD_OK && i < n; i++) {
        int64_t image = (first + i) * images->n_images / p->n_sample;
        status = crd_images_load(tensors + i * floats, skipped + i, image, 1, images);
        if (status == CRD_OK)
            crd_images_warn(images, skipped + i, image, 1);
    }
    p->load_s += crd_clock_now_s() - start_s;
    return status;
}

static crd_status take_summary(const crd_summary *s, int64_t first_image, void *payload)
{
    crd_plan *p = payload;
    double target = p->run.until_mcse;
    (void)first_image;
    for (int64_t i = 0; i < s->n_images; i++) {
        double error = fmax(crd_summary_error(s, i), 0); /* of one draw there is none */
        p->stops[p->n_stops++] = target > 0
                                     ? crd_cost_model_stop(&p->rule, s->n_draws[i], error, target)
                                     : p->rule.max_draws;
    }
    return CRD_OK;
}

/** Seconds to read the components that a window of images needs: those of its draws. */
static double weights_seconds(const crd_plan *p)
{
    double seconds;
    int64_t n_read, n = p->context.posterior->n_components;
    if (crd_shared_model_held(p->context.shared) >= n)
        return 0;
    crd_shared_model_reading(&seconds, &n_read, p->context.shared);
    return n_read > 0 ? seconds / (double)n_read * (double)crd_smaller(n, p->run.n_draws) : 0;
}

/** The run, and the same of the sample. */
static void make_options(crd_predict_options *sample, crd_plan *p,
                         const crd_plan_files_options *given)
{
    crd_predict_options *run = &p->run;
    int64_t n_draws = p->context.n_draws, n_images = p->context.n_images;
    int64_t most = SAMPLE_BATCHES * given->predict.sampler.batch;
    int64_t first_look = given->predict.until_mcse > 0 ? given->predict.min_draws : n_draws;
    *run = given->predict;
    run->n_draws = n_draws;
    run->sampler.estimator = p->context.estimator;
    run->outputs = p->context.outputs;
    run->n_images = n_images;
    run->min_draws = first_look;
    run->confidence = 0; /* no half-widths */
    p->rule = (crd_stopping_rule){first_look < n_draws ? first_look : n_draws, n_draws,
                                  run->sampler.draw_block};
    p->n_sample = most < n_images ? most : n_images;
    *sample = *run;
    sample->n_images = p->n_sample;
    sample->n_draws = n_draws < SAMPLE_DRAWS ? n_draws : SAMPLE_DRAWS;
    sample->until_mcse = 0;
    sample->min_draws = 0;
}

/** What the measured times say. */
static void forecast(crd_plan *p, const crd_predict_report *report, double start_s, double ready_s)
{
    const crd_sampler_times *t = &report->times;
    int64_t sum = 0, n_most = 0;
    qsort(p->stops, (size_t)p->n_sample, sizeof *p->stops, crd_compare_int64);
    for (int64_t i = 0; i < p->n_sample; i++) {
        sum += p->stops[i];
        n_most += p->stops[i] == p->rule.max_draws;
    }
    p->facts = (crd_plan_facts){
        .model = {.n_images = p->run.n_images,
                  .batch = p->run.sampler.batch,
                  .rule = p->rule,
                  .stops = p->stops,
                  .n_sample = p->n_sample,
                  .unit_s = (t->draw_s + t->weighted_s + t->rest_s) / (double)report->n_units,
                  .start_s = ready_s,
                  .image_s = p->load_s / (double)p->n_sample,
                  .weights_s = weights_seconds(p),
                  .node_ranks = crd_resources_cores()},
        .n_sample_units = report->n_units,
        .seconds = crd_clock_now_s() - start_s,
        .bytes_per_rank = crd_resources_own_bytes(),
        .weights_bytes = crd_shared_model_bytes(p->context.shared),
        .n_components = p->context.posterior->n_components,
        .n_held = crd_shared_model_held(p->context.shared),
        .mean_draws = (double)sum / (double)p->n_sample,
        .share_of_most = (double)n_most / (double)p->n_sample};
}

/** With memory for *p on all ranks. */
static crd_status run_files(crd_plan *p, crd_comm *comm, const crd_plan_files_options *given)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(comm) == 0;
    double start_s = crd_clock_now_s();
    crd_predict_options options;
    crd_predict_report report;
    crd_predict_source source = {.load = load_sample, .payload = p};
    crd_predict_sink sink = {.summary = take_summary, .payload = p};
    if (is_first)
        status = crd_context_open(&p->context, given->posterior, given->inputs, given->n_inputs,
                                  given->skip_bad, given->predict.sampler.estimator);
    if (is_first && status == CRD_OK)
        status = crd_context_set_draws(&p->context, &given->predict);
    CRD_TRY(crd_context_share(&p->context, comm, status, NULL, &given->predict));
    make_options(&options, p, given);
    CRD_TRY(crd_comm_agree(comm, crd_alloc_zeroed((void **)&p->stops, p->n_sample, sizeof *p->stops,
                                                  "draws of images")));
    source.weights = p->context.shared;
    double ready_s = crd_clock_now_s() - start_s;
    CRD_TRY(crd_predict(&report, comm, crd_context_model(&p->context), &options, &source, &sink));
    if (is_first)
        forecast(p, &report, start_s, ready_s);
cleanup:
    return status;
}

crd_status crd_plan_files(crd_plan **out, crd_comm *comm, const crd_plan_files_options *options)
{
    crd_plan *p = NULL;
    *out = NULL;
    crd_status status = crd_comm_agree(comm, crd_alloc_zeroed((void **)&p, 1, sizeof *p, "a plan"));
    if (status != CRD_OK) {
        crd_free(p);
        return status;
    }
    status = run_files(p, comm, options);
    /* The model is shared memory of all ranks: it goes now, on all of them. */
    crd_shared_model_destroy(p->context.shared);
    p->context.shared = NULL;
    if (status == CRD_OK && crd_comm_rank(comm) == 0)
        *out = p;
    else
        crd_plan_destroy(p);
    return status;
}

const crd_plan_facts *crd_plan_view(const crd_plan *plan)
{
    return &plan->facts;
}

double crd_plan_seconds(const crd_plan *plan, int64_t n_ranks)
{
    const crd_posterior *posterior = plan->context.posterior;
    const crd_model model = {.network = posterior->network,
                             .family = posterior->family,
                             .n_components = posterior->n_components,
                             .n_chains = posterior->n_chains,
                             .is_streamed = plan->facts.n_held < posterior->n_components};
    int64_t window = crd_predict_window_images(&model, &plan->run, (int)n_ranks);
    return crd_cost_model_seconds(&plan->facts.model, n_ranks, window);
}

double crd_plan_efficiency(const crd_plan *plan, int64_t n_ranks)
{
    return crd_plan_seconds(plan, 1) / crd_plan_seconds(plan, n_ranks) / (double)n_ranks;
}

crd_plan_job crd_plan_job_for(const crd_plan *plan, int64_t n_ranks)
{
    const crd_plan_facts *f = &plan->facts;
    double sharing = (double)crd_smaller(n_ranks, f->model.node_ranks);
    return crd_resources_job(n_ranks, crd_plan_seconds(plan, n_ranks),
                             (double)f->bytes_per_rank + (double)f->weights_bytes / sharing);
}
