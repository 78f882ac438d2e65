/* The use cases as a program without MPI has them: defaults are the program's, a run that was
 * stopped continues only with the same settings, an open posterior says what a run says, and an
 * output is one run's at a time. */
#include "crd_test.h"

#include <dirent.h>
#include <math.h>
#include <unistd.h>

#include "app/context.h"
#include "base/compare.h"
#include "cli/predict_options.h"
#include "cli/train_options.h"
#include "credence/convert_files.h"
#include "credence/ensemble_files.h"
#include "credence/evaluate_files.h"
#include "credence/export_files.h"
#include "credence/inspect_files.h"
#include "credence/laplace_files.h"
#include "credence/merge_files.h"
#include "credence/predict_files.h"
#include "credence/predictor.h"
#include "credence/preprocess_files.h"
#include "credence/refresh_files.h"
#include "credence/sample_files.h"

#define POSTERIOR CRD_TEST_DIR "/../data/quickstart.h5"

static const char *const images[] = {CRD_TEST_DIR "/../data/images"};

/* Of any arithmetic type. */
#define same(a, b) assert_true((a) == (b))

/** What a run says of its images: the mean probabilities of the first rows. */
typedef struct rows {
    float probs[64][10];
    int64_t n_images;
} rows;

static crd_status take_rows(const crd_summary *summary, int64_t first_image,
                            const crd_prediction_info *info, void *payload)
{
    rows *r = payload;
    crd_class_rows s = crd_class_rows_view(summary);
    (void)info;
    for (int64_t i = 0; i < s.n_images && first_image + i < 64; i++)
        memcpy(r->probs[first_image + i], s.probs_mean + i * s.n_classes, sizeof r->probs[0]);
    r->n_images += s.n_images;
    return CRD_OK;
}

static crd_status predict(rows *r, crd_comm *comm, const crd_predict_files_options *options)
{
    *r = (rows){0};
    return crd_predict_files(NULL, comm, options,
                             &(crd_predict_files_hooks){.rows = take_rows, .payload = r});
}

static crd_predict_files_options usual_options(void)
{
    crd_predict_files_options options;
    crd_predict_files_options_init(&options);
    options.posterior = POSTERIOR;
    options.inputs = images;
    options.n_inputs = 1;
    options.predict.n_draws = 16;
    return options;
}

static void defaults_are_those_of_the_program(void **state)
{
    (void)state;
    char posterior[] = "p.h5", data[] = "data", letter[] = "-o", output[] = "q.h5";
    char *words[] = {posterior, data, letter, output};
    const crd_record record = {0};
    crd_options options;
    crd_predict_files_options predict, usual;
    assert_ok(crd_options_parse(&options, CRD_PREDICT, 2, words));
    assert_ok(crd_predict_options_make(&predict, &options, &record));
    crd_predict_files_options_init(&usual);
    const crd_predict_options *p = &predict.predict, *q = &usual.predict;
    assert_true(p->sampler.estimator == q->sampler.estimator &&
                p->sampler.precision == q->sampler.precision &&
                p->sampler.mean == q->sampler.mean && p->sampler.seed == q->sampler.seed &&
                p->sampler.antithetic == q->sampler.antithetic);
    same(p->sampler.batch, q->sampler.batch);
    same(p->sampler.draw_block, q->sampler.draw_block);
    same(p->n_draws, q->n_draws);
    same(p->until_mcse, q->until_mcse);
    same(p->min_draws, q->min_draws);
    same(p->confidence, q->confidence);
    same(p->n_top, q->n_top);
    same(p->checkpoint_s, q->checkpoint_s);
    same(p->max_time_s, q->max_time_s);
    assert_true(predict.skip_bad == usual.skip_bad && predict.save_draws == usual.save_draws &&
                predict.resume == usual.resume && predict.output == NULL &&
                predict.import_eps == NULL && predict.n_parts == usual.n_parts);
    crd_options_clear(&options);

    crd_train_files_options train, usual_train;
    assert_ok(crd_options_parse(&options, CRD_TRAIN, 4, words));
    assert_ok(crd_train_options_make(&train, &options, &record));
    crd_train_files_options_init(&usual_train);
    assert_int_equal(train.validate_draws, usual_train.validate_draws);
    assert_int_equal(train.n_checkpoints, usual_train.n_checkpoints);
    assert_string_equal(train.loss, usual_train.loss);
    const crd_train_options *t = &train.train, *u = &usual_train.train;
    same(t->gradient.micro_batch, u->gradient.micro_batch);
    same(t->gradient.batch_norm_train, u->gradient.batch_norm_train);
    same(t->batch_size, u->batch_size);
    same(t->n_draws, u->n_draws);
    same(t->n_epochs, u->n_epochs);
    same(t->kl, u->kl);
    same(t->kl_weight, u->kl_weight);
    same(t->clip_norm, u->clip_norm);
    same(t->local_steps, u->local_steps);
    same(t->validate_every, u->validate_every);
    same(t->checkpoint_s, u->checkpoint_s);
    assert_string_equal(t->optimizer.name, u->optimizer.name);
    same(t->optimizer.lr, u->optimizer.lr);
    same(t->optimizer.weight_decay, u->optimizer.weight_decay);
    assert_string_equal(t->schedule.name, u->schedule.name);
    same(t->schedule.gamma, u->schedule.gamma);
    same(t->schedule.step_size, u->schedule.step_size);
    same(t->schedule.t_max, u->schedule.t_max);
    crd_options_clear(&options);
}

static void a_run_continues_only_with_its_settings(void **state)
{
    crd_comm *comm = *state;
    char folder[] = "/tmp/credence-app-XXXXXX", output[64], checkpoint[80];
    rows whole, rest;
    assert_non_null(mkdtemp(folder));
    snprintf(output, sizeof output, "%s/out.h5", folder);
    snprintf(checkpoint, sizeof checkpoint, "%s.ckpt", output);
    crd_predict_files_options options = usual_options();
    assert_ok(predict(&whole, comm, &options));
    assert_true(whole.n_images > 10);

    options.output = output;
    options.predict.max_time_s = 1e-9;
    assert_int_equal(predict(&rest, comm, &options), CRD_STOPPED);
    assert_int_equal(access(output, F_OK), -1);
    assert_int_equal(access(checkpoint, F_OK), 0);

    options.predict.max_time_s = 0;
    options.resume = true;
    options.predict.sampler.seed = 1;
    assert_fails(predict(&rest, comm, &options), CRD_ERR_RESUME, "--seed");
    options.predict.sampler.seed = 0;
    assert_ok(predict(&rest, comm, &options));
    assert_memory_equal(&rest, &whole, sizeof whole);
    assert_int_equal(access(output, F_OK), 0);
    assert_int_equal(access(checkpoint, F_OK), -1);
    assert_int_equal(unlink(output), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void parts_must_be_there(void **state)
{
    crd_comm *comm = *state;
    rows r;
    crd_predict_files_options options = usual_options();
    options.part = 3;
    options.n_parts = 2;
    assert_fails(predict(&r, comm, &options), CRD_ERR_USAGE, "part 3 of 2");
    options.part = 1;
    options.n_parts = 3; /* of two blocks */
    assert_fails(predict(&r, comm, &options), CRD_ERR_USAGE, "at most 2 parts");
    options.n_inputs = 0;
    options.n_parts = 0;
    assert_fails(predict(&r, comm, &options), CRD_ERR_USAGE, "posterior and images");
}

static void an_open_posterior_says_the_same_again_and_again(void **state)
{
    crd_comm *comm = *state;
    crd_context context = {0};
    crd_predictor *predictor;
    const crd_summary *said;
    rows whole;
    crd_predict_files_options options = usual_options();
    assert_ok(predict(&whole, comm, &options));
    assert_ok(crd_context_open(&context, POSTERIOR, images, 1, 0, NULL));
    int64_t n = context.images.n_images, floats = crd_images_floats(&context.images);
    float *tensors = malloc((size_t)(n * floats) * sizeof *tensors);
    int8_t *skipped = malloc((size_t)n);
    assert_ok(crd_images_load(tensors, skipped, 0, n, &context.images));
    assert_ok(crd_predictor_create(&predictor, comm, POSTERIOR, &options.predict));
    assert_int_equal(crd_predictor_posterior(predictor)->n_classes, 10);
    for (int again = 0; again < 2; again++) {
        assert_ok(crd_predictor_run(&said, predictor, tensors, n));
        crd_class_rows r = crd_class_rows_view(said);
        assert_int_equal(r.n_images, n);
        for (int64_t i = 0; i < n && i < 64; i++)
            assert_memory_equal(r.probs_mean + i * r.n_classes, whole.probs[i],
                                sizeof whole.probs[0]);
    }
    assert_ok(crd_predictor_run(&said, predictor, tensors, 1)); /* another number of images */
    assert_int_equal(said->n_images, 1);
    crd_predictor_destroy(predictor);
    free(skipped);
    free(tensors);
    crd_context_close(&context);
}

static crd_status train(crd_comm *comm, const char *output, const crd_optimizer_options *optimizer)
{
    crd_train_files_options options;
    crd_train_files_options_init(&options);
    options.posterior = POSTERIOR;
    options.data = images;
    options.n_data = 1;
    options.output = output;
    options.loss = "mse-distill";
    options.train.n_epochs = 1;
    options.train.optimizer = *optimizer;
    options.train.schedule = (crd_schedule){
        .name = "multistep", .gamma = 0.5, .milestones = {1, 2, 900000}, .n_milestones = 3};
    options.n_checkpoints = 0;
    return crd_train_files(comm, &options, NULL);
}

static void a_training_says_what_is_wrong_with_its_optimizer(void **state)
{
    crd_optimizer_options optimizer;
    assert_ok(crd_optimizer_defaults(&optimizer, "sgd"));
    optimizer.momentum = -1;
    assert_fails(train(*state, "out.h5", &optimizer), CRD_ERR_USAGE, "momentum");
    snprintf(optimizer.name, sizeof optimizer.name, "lion");
    assert_fails(train(*state, "out.h5", &optimizer), CRD_ERR_USAGE, "lion");
}

static void a_training_records_all_its_milestones(void **state)
{
    char folder[] = "/tmp/credence-app-XXXXXX", output[64];
    crd_optimizer_options optimizer;
    assert_non_null(mkdtemp(folder));
    snprintf(output, sizeof output, "%s/out.h5", folder);
    assert_ok(crd_optimizer_defaults(&optimizer, "sgd"));
    assert_ok(train(*state, output, &optimizer));
    assert_int_equal(unlink(output), 0);
    assert_int_equal(rmdir(folder), 0);
}

/** Calls every use case that writes a file, of this posterior and these images, with the output;
 * each must fail with the code and the text. */
static void all_are_refused(crd_comm *comm, const char *posterior, const char *const *data,
                            const char *output, crd_status code, const char *text)
{
    const char *const two[] = {posterior, posterior};
    crd_predict_files_options predicting = usual_options();
    crd_train_files_options training;
    crd_convert_files_options converting;
    const crd_preprocess_files_options preprocessing = {
        .posterior = posterior, .inputs = data, .n_inputs = 1, .output = output};
    const crd_refresh_files_options refreshing = {
        .posterior = posterior, .data = data, .n_data = 1, .micro_batch = 8, .output = output};
    crd_sample_files_options sampling;
    crd_laplace_files_options approximating;
    crd_evaluate_files_options evaluating;
    crd_preprocess_report tensors;
    crd_refresh_info refreshed;
    crd_evaluation evaluation;
    crd_merge_report merged;
    crd_posterior *made;
    rows r;
    predicting.posterior = posterior;
    predicting.inputs = data;
    predicting.output = output;
    crd_train_files_options_init(&training);
    training.posterior = posterior;
    training.data = data;
    training.n_data = 1;
    training.output = output;
    crd_convert_files_options_init(&converting);
    converting.weights = posterior;
    converting.output = output;
    assert_ok(crd_sample_files_options_init(&sampling, "sgld"));
    sampling.posterior = posterior;
    sampling.data = data;
    sampling.n_data = 1;
    sampling.output = output;
    crd_laplace_files_options_init(&approximating);
    approximating.posterior = posterior;
    approximating.data = data;
    approximating.n_data = 1;
    approximating.output = output;
    crd_evaluate_files_options_init(&evaluating);
    evaluating.posterior = posterior;
    evaluating.data = data;
    evaluating.n_data = 1;
    evaluating.reference = posterior;
    evaluating.output = output;
    assert_fails(predict(&r, comm, &predicting), code, text);
    assert_fails(crd_train_files(comm, &training, NULL), code, text);
    assert_fails(crd_preprocess_files(&tensors, &preprocessing), code, text);
    assert_fails(crd_convert_files(&made, &converting, NULL, NULL), code, text);
    assert_fails(crd_ensemble_files(&made, output, two, 2, false, NULL), code, text);
    assert_fails(crd_refresh_files(&refreshed, comm, &refreshing), code, text);
    assert_fails(crd_sample_files(comm, &sampling, NULL), code, text);
    assert_fails(crd_laplace_files(&made, comm, &approximating, NULL), code, text);
    assert_fails(crd_evaluate_files(&evaluation, comm, &evaluating, NULL), code, text);
    assert_fails(crd_merge_files(&merged, output, two, 2, NULL), code, text);
    assert_fails(crd_export_files(&made, output, posterior, CRD_STATE_NPZ), code, text);
}

/** A run within which others are tried. */
typedef struct intrusion {
    crd_comm *comm;
    const char *output, *link;
    int n_calls;
} intrusion;

static crd_status intrude(const crd_summary *summary, int64_t first_image,
                          const crd_prediction_info *info, void *payload)
{
    intrusion *i = payload;
    (void)summary;
    (void)first_image;
    (void)info;
    if (i->n_calls++ > 0)
        return CRD_OK;
    all_are_refused(i->comm, POSTERIOR, images, i->output, CRD_ERR_IO,
                    "out.h5: another run is writing it: process ");
    all_are_refused(i->comm, POSTERIOR, images, i->link, CRD_ERR_IO,
                    "link.h5: another run is writing it: process ");
    return CRD_OK;
}

static int count_files(const char *folder)
{
    int n = 0;
    DIR *open = opendir(folder);
    assert_non_null(open);
    for (const struct dirent *e; (e = readdir(open)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(open);
    return n;
}

static void an_output_is_one_runs_at_a_time(void **state)
{
    char folder[] = "/tmp/credence-app-XXXXXX", output[64], link[64];
    assert_non_null(mkdtemp(folder));
    snprintf(output, sizeof output, "%s/out.h5", folder);
    snprintf(link, sizeof link, "%s/link.h5", folder);
    assert_int_equal(symlink("out.h5", link), 0);
    intrusion i = {.comm = *state, .output = output, .link = link};
    crd_predict_files_options options = usual_options();
    options.output = output;
    const crd_predict_files_hooks hooks = {.rows = intrude, .payload = &i};
    assert_ok(crd_predict_files(NULL, *state, &options, &hooks));
    assert_true(i.n_calls > 0);
    assert_int_equal(count_files(folder), 2); /* the output and the link: no lock, nothing else */
    rows r;
    assert_ok(predict(&r, *state, &options)); /* it is free again */
    /* After a failure too. */
    options.predict.n_draws = 1;
    options.predict.sampler.antithetic = true;
    assert_int_not_equal(predict(&r, *state, &options), CRD_OK);
    assert_int_equal(count_files(folder), 2);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(unlink(output), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void an_output_is_no_input(void **state)
{
    char folder[] = "/tmp/credence-app-XXXXXX", posterior[64];
    crd_posterior *made;
    crd_convert_files_options converting;
    assert_non_null(mkdtemp(folder));
    snprintf(posterior, sizeof posterior, "%s/p.h5", folder);
    crd_convert_files_options_init(&converting);
    converting.weights = POSTERIOR;
    converting.output = posterior;
    assert_ok(crd_convert_files(&made, &converting, NULL, NULL));
    crd_posterior_destroy(made);
    all_are_refused(*state, posterior, images, posterior, CRD_ERR_USAGE, "is an input");
    assert_ok(crd_posterior_read(&made, posterior));
    crd_posterior_destroy(made);
    assert_int_equal(count_files(folder), 1);
    assert_int_equal(unlink(posterior), 0);
    assert_int_equal(rmdir(folder), 0);
}

/** Against sorted values, one tensor after the other. */
static void an_inspection_has_the_facts_of_every_tensor(void **state)
{
    crd_inspection *found;
    (void)state;
    assert_fails(crd_inspect_posterior(&found, POSTERIOR, CRD_FILE_TENSORS), CRD_ERR_INPUT,
                 "neither a posterior nor a checkpoint");
    assert_ok(crd_inspect_posterior(&found, POSTERIOR, CRD_FILE_POSTERIOR));
    const crd_posterior *p = found->posterior;
    const crd_params *params = &p->network->params;
    int64_t n_bayesian = 0, n_all = 0;
    double kl = 0;
    assert_int_equal(found->n_tensors, found->facts.n_bayesian_tensors);
    for (int64_t i = 0; i < found->n_tensors; i++) {
        const crd_tensor_facts *f = &found->tensors[i];
        const crd_param *param = &params->entries[f->param];
        int64_t n = param->count;
        double *sigma = malloc((size_t)n * sizeof *sigma), *snr = malloc((size_t)n * sizeof *snr);
        for (int64_t k = 0; k < n; k++) {
            sigma[k] = crd_sigma_of_rho((double)p->rho[param->offset + k]);
            snr[k] = fabs((double)p->mu[param->offset + k]) / sigma[k];
        }
        qsort(sigma, (size_t)n, sizeof *sigma, crd_compare_double);
        qsort(snr, (size_t)n, sizeof *snr, crd_compare_double);
        same(f->sigma_min, sigma[0]);
        same(f->sigma_median, sigma[(n - 1) / 2]);
        same(f->sigma_max, sigma[n - 1]);
        same(f->snr_5, snr[(int64_t)(0.05 * (double)(n - 1))]);
        same(f->snr_50, snr[(n - 1) / 2]);
        same(f->snr_95, snr[(int64_t)(0.95 * (double)(n - 1))]);
        kl += f->kl;
        n_bayesian += n;
        free(snr);
        free(sigma);
    }
    for (int64_t i = 0; i < params->n_params; i++)
        n_all += params->entries[i].count;
    same(found->facts.kl_sum, kl);
    assert_int_equal(found->facts.n_bayesian, n_bayesian);
    assert_int_equal(found->facts.n_fixed, n_all - n_bayesian);
    assert_true(found->n_epochs == 15 && found->is_normal); /* its training by IVON */
    crd_inspection_destroy(found);
}

static int open_comm(void **state)
{
    return crd_comm_create_self((crd_comm **)state) == CRD_OK ? 0 : -1;
}

static int close_comm(void **state)
{
    crd_comm_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_program),
        cmocka_unit_test(a_run_continues_only_with_its_settings),
        cmocka_unit_test(parts_must_be_there),
        cmocka_unit_test(an_open_posterior_says_the_same_again_and_again),
        cmocka_unit_test(a_training_says_what_is_wrong_with_its_optimizer),
        cmocka_unit_test(a_training_records_all_its_milestones),
        cmocka_unit_test(an_output_is_one_runs_at_a_time),
        cmocka_unit_test(an_output_is_no_input),
        cmocka_unit_test(an_inspection_has_the_facts_of_every_tensor),
    };
    return cmocka_run_group_tests(tests, open_comm, close_comm);
}
