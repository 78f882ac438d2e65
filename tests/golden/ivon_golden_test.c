/* Training by IVON against ivon-opt: the file of make_ivon.py, whose noise is imported. The whole
 * engine runs: gradients, sums, updates. */
#include "../unit/bayes_nets.h"

#include "credence/train.h"

enum { IN = 6, HIDDEN = 5, CLASSES = 3, BATCH = 8, N_STEPS = 50, N_KEPT = 3 };
enum { N = HIDDEN * (IN + 1) + CLASSES * (HIDDEN + 1), LINE_SIZE = 8192 };

/* Of the largest number of a vector. */
static const double tolerance = 1e-6;

typedef struct rows {
    float *eps; /* by the network's offsets: what the next step draws */
    const crd_train_state *state;
    FILE *golden;
    double worst;
} rows;

static double number(char **rest)
{
    const char *word = strtok_r(NULL, " \n", rest);
    assert_non_null(word);
    return strtod(word, NULL);
}

/* values[N] one after the other to their places, times a factor. */
static void place(float *out, const crd_network *network, uint32_t seed, float factor)
{
    for (int64_t p = 0; p < network->params.n_params; p++)
        for (int64_t i = 0; i < network->params.entries[p].count; i++)
            out[network->params.entries[p].offset + i] = any_value(&seed) * factor;
}

static crd_status load(float *images, int64_t *labels, float *values, int64_t epoch, int64_t first,
                       int64_t n, void *payload)
{
    static float all[N_STEPS * BATCH * IN];
    (void)values;
    (void)epoch;
    (void)payload;
    fill_any(all, N_STEPS * BATCH * IN, 2);
    memcpy(images, all + first * IN, (size_t)(n * IN) * sizeof *images);
    for (int64_t i = 0; i < n; i++)
        labels[i] = (first + i) % BATCH % CLASSES;
    return CRD_OK;
}

/* The next line of the file against a vector. */
static void compare(rows *r, const char *name, int64_t step, const float *values)
{
    char line[LINE_SIZE], *rest;
    const crd_params *params = &r->state->posterior->network->params;
    double largest = 0, apart = 0;
    assert_non_null(fgets(line, sizeof line, r->golden));
    assert_string_equal(strtok_r(line, " \n", &rest), name);
    assert_int_equal((int64_t)number(&rest), step);
    for (int64_t p = 0; p < params->n_params; p++)
        for (int64_t i = 0; i < params->entries[p].count; i++) {
            double expected = number(&rest);
            largest = fmax(largest, fabs(expected));
            apart = fmax(apart, fabs((double)values[params->entries[p].offset + i] - expected));
        }
    r->worst = fmax(r->worst, apart / largest);
    if (!(apart <= tolerance * largest))
        fail_msg("%s after step %d: differs by %g of %g", name, (int)step, apart, largest);
}

static void after_step(int64_t step, int64_t n_steps, double data_term, void *payload)
{
    rows *r = payload;
    const crd_network *network = r->state->posterior->network;
    (void)n_steps;
    (void)data_term;
    if (step == 1 || step == 10 || step == 50) {
        compare(r, "mu", step, r->state->posterior->mu);
        compare(r, "hess", step, r->state->states[0] + network->params.n_floats);
        compare(r, "momentum", step, r->state->states[0]);
    }
    place(r->eps, network, (uint32_t)(1000 + step + 1), 1.7320508F);
}

static crd_posterior *make_network(void)
{
    crd_network *network;
    crd_posterior *posterior;
    const crd_shape shape = crd_shape_make(3, IN, 1, 1);
    const attr_list first = linear_list(IN, HIDDEN, 1), second = linear_list(HIDDEN, CLASSES, 1);
    assert_ok(crd_network_create(&network, "6-5-3", &shape));
    int64_t x = add_op(network, "Flatten", "flatten", NULL, 0);
    x = add_op(network, "ReLU", "relu", NULL, add_op(network, "Linear", "fc1", &first, x));
    add_op(network, "Linear", "fc2", &second, x);
    assert_ok(crd_posterior_create(&posterior, network));
    posterior->conversion = crd_conversion_defaults();
    for (int64_t p = 0; p < network->params.n_params; p++)
        posterior->bayesian[p] = 1;
    place(posterior->mu, network, 1, 1);
    return posterior;
}

static void parse_options(crd_optimizer_options *o, char *line)
{
    char *rest;
    assert_string_equal(strtok_r(line, " \n", &rest), "run");
    assert_ok(crd_optimizer_defaults(o, "ivon"));
    o->lr = number(&rest);
    o->ess = number(&rest);
    o->hess_init = number(&rest);
    o->beta1 = number(&rest);
    o->beta2 = number(&rest);
    o->weight_decay = number(&rest);
    o->clip_radius = number(&rest);
    o->debias = (int)number(&rest);
    o->rescale_lr = (int)number(&rest);
}

/* One run of the file. */
static void train(FILE *golden, char *line)
{
    crd_comm *comm;
    crd_train_state state;
    crd_train_report report;
    crd_posterior *posterior = make_network();
    rows r = {.state = &state, .golden = golden};
    assert_ok(crd_alloc_zeroed((void **)&r.eps, posterior->network->params.n_floats, sizeof(float),
                               "eps"));
    place(r.eps, posterior->network, 1001, 1.7320508F);
    crd_train_options options = {
        .gradient = {.estimator = "reparameterization", .micro_batch = BATCH, .eps = r.eps},
        .n_images = N_STEPS * BATCH,
        .batch_size = BATCH,
        .n_draws = 1,
        .n_epochs = 1,
        .schedule = {.name = "constant"},
        .local_steps = 1,
    };
    const crd_train_hooks hooks = {.load = load, .progress = after_step, .payload = &r};
    parse_options(&options.optimizer, line);
    assert_ok(crd_loss_find(&options.loss, "cross-entropy"));
    assert_ok(crd_comm_create_self(&comm));
    assert_ok(
        crd_train_state_init(&state, posterior, crd_optimizer_n_states(&options.optimizer), 1));
    assert_ok(crd_train(&report, comm, &state, &options, &hooks));
    /* What is read as a posterior says the same as the Hessian, and has the prior of the decay. */
    const crd_optimizer_options *o = &options.optimizer;
    const float *hess = state.states[0] + posterior->network->params.n_floats;
    for (int64_t p = 0; p < posterior->network->params.n_params; p++) {
        int64_t i = posterior->network->params.entries[p].offset;
        double sigma = crd_sigma_of_rho((double)posterior->rho[i]);
        double expected = 1 / sqrt(o->ess * ((double)hess[i] + o->weight_decay));
        assert_true(fabs(sigma - expected) <= tolerance * expected);
    }
    double prior = posterior->conversion.prior_sigma;
    assert_true(fabs(prior * prior * o->ess * o->weight_decay - 1) < 1e-12);
    print_message("  at most %.2g apart\n", r.worst);
    crd_train_state_clear(&state);
    crd_posterior_destroy(posterior);
    crd_comm_destroy(comm);
    crd_free(r.eps);
}

static void training_equals_ivon_opt(void **state)
{
    (void)state;
    char path[1024], line[LINE_SIZE];
    int n = 0;
    snprintf(path, sizeof path, "%s/golden/training/ivon.txt", CRD_TEST_DIR);
    FILE *golden = fopen(path, "rb");
    assert_non_null(golden);
    for (; fgets(line, sizeof line, golden) != NULL; n++)
        train(golden, line);
    assert_int_equal(n, 3);
    fclose(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(training_equals_ivon_opt)};
    return cmocka_run_group_tests_name("ivon_golden", tests, NULL, NULL);
}
