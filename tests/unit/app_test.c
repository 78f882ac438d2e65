/* The use cases as a program without MPI has them: defaults are the program's, a run that was
 * stopped continues only with the same settings, and an open posterior says what a run says. */
#include "crd_test.h"

#include <unistd.h>

#include "app/context.h"
#include "cli/predict_options.h"
#include "cli/train_options.h"
#include "credence/predict_files.h"
#include "credence/predictor.h"

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
    };
    return cmocka_run_group_tests(tests, open_comm, close_comm);
}
