/* One draw forward, its data term, and backward: reverse-mode differentiation over the graph, op by
 * op in fixed memory. Parameters' gradients leave at once into the fixed-point sums, so that only
 * those of one op exist as floats. */
#include "bayes/gradient.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/integers.h"
#include "bayes/estimator.h"
#include "bayes/gradient_scales.h"
#include "bayes/gradient_sums.h"
#include "graph/train_plan.h"
#include "kernels/kernels.h"
#include "weights/family.h"

/* Elements whose eps is drawn again at a time, so that it is used while it is in the cache. */
enum { PIECE = 16 * CRD_STREAM_BLOCK };

struct crd_gradient {
    crd_model model;
    const crd_estimator *estimator;
    uint64_t seed;
    int batch_norm_train, at_sigma, keep_all;
    uint8_t *random; /* [n_ops] own weights are drawn */
    crd_train_plan plan;
    float *arena, *grad_arena;
    int64_t *kept_offsets; /* [n_ops] into kept: what forward leaves for backward; -1: nothing */
    float *kept;
    float *op_scratch, *estimator_scratch;
    /* [max_inputs] of the op that runs. */
    const float **inputs, **moved_inputs;
    int64_t *input_steps; /* zeros: one draw */
    float **dinputs;
    bool *adds;
    float *sigma, *slope;     /* [n_floats] of rho; slope is dsigma/drho */
    float *dparams, *dsigmas; /* gradients of one op's parameters, in the order of the table */
    float *logits, *dlogits, *dlogits_more; /* [micro_batch][n_outputs] */
    struct {
        char name[16]; /* "": none */
        double beta, uncertainty_threshold, error_threshold;
    } calibration;
    crd_sampler_times times; /* the estimators' book; nobody reads it here */
};

/* One call of crd_gradient_add. */
typedef struct unit {
    int64_t n_images, first_image, draw;
    double weight;
    const crd_gradient_target *target;
} unit;

static const crd_graph_op *op_at(const crd_gradient *gradient, int64_t index)
{
    return &gradient->model.network->ops[index];
}

static const crd_param *param_at(const crd_gradient *gradient, const crd_graph_op *op, int slot)
{
    return op->params[slot] < 0 ? NULL : &gradient->model.network->params.entries[op->params[slot]];
}

static int has_batch_statistics(const crd_gradient *gradient, int64_t index)
{
    return gradient->batch_norm_train && op_at(gradient, index)->kind->statistics != NULL;
}

/* An op's parameters are neighbours in the table: [*first, *first + *n) of the blocks, with the gap
 * after them. */
static void op_range(int64_t *first, int64_t *n, const crd_gradient *gradient, int64_t index)
{
    const crd_graph_op *op = op_at(gradient, index);
    *first = *n = 0;
    for (int slot = 0; slot < op->kind->n_params; slot++) {
        const crd_param *param = param_at(gradient, op, slot);
        if (param == NULL)
            continue;
        if (*n == 0)
            *first = param->offset;
        *n =
            param->offset + crd_estimator_param_floats(&gradient->model, op->params[slot]) - *first;
    }
}

static crd_random_op random_op(const crd_gradient *gradient, int64_t index)
{
    const crd_graph_op *op = op_at(gradient, index);
    return (crd_random_op){&gradient->model, op, op->params};
}

static const crd_estimator *estimator_of(const crd_gradient *gradient, int64_t index)
{
    return crd_estimator_for(gradient->estimator, gradient->model.network, op_at(gradient, index));
}

static int64_t kept_floats(const crd_gradient *gradient, int64_t index)
{
    const crd_graph_op *op = op_at(gradient, index);
    if (has_batch_statistics(gradient, index))
        return op->kind->statistics->floats(op);
    if (!gradient->random[index] || estimator_of(gradient, index)->kept_floats == NULL)
        return 0;
    const crd_random_op random = random_op(gradient, index);
    return estimator_of(gradient, index)->kept_floats(&random, gradient->plan.n_images);
}

static int has_posterior(const crd_gradient *gradient, int64_t index)
{
    const crd_graph_op *op = op_at(gradient, index);
    for (int slot = 0; slot < op->kind->n_params; slot++)
        if (op->params[slot] >= 0 && op->kind->params[slot].may_be_random &&
            gradient->model.bayesian[op->params[slot]])
            return 1;
    return 0;
}

/* Finds what is random, where it keeps what, and the sizes of what all ops use in turn. */
static crd_status allocate_for_ops(crd_gradient *gradient, int mean)
{
    crd_status status = CRD_OK;
    int64_t n_ops = gradient->model.network->n_ops, n_images = gradient->plan.n_images;
    int64_t max_inputs = crd_network_max_inputs(gradient->model.network);
    int64_t kept = 0, scratch = 0, params = 0;
    CRD_ALLOC(&gradient->random, n_ops, "random ops");
    CRD_ALLOC(&gradient->kept_offsets, n_ops, "memory plan");
    for (int64_t i = 0; i < n_ops; i++) {
        int64_t first, n;
        op_range(&first, &n, gradient, i);
        params = crd_larger(params, n);
        gradient->random[i] = !mean && has_posterior(gradient, i);
        int64_t own = kept_floats(gradient, i);
        gradient->kept_offsets[i] = own == 0 ? -1 : kept;
        kept += own;
        if (!gradient->random[i])
            continue;
        const crd_estimator *e = estimator_of(gradient, i);
        const crd_random_op random = random_op(gradient, i);
        scratch = crd_larger(scratch, e->scratch_floats(&random, n_images));
        scratch = crd_larger(scratch, e->backward_scratch_floats(&random, n_images));
    }
    CRD_ALLOC(&gradient->kept, kept, "what backward needs");
    CRD_ALLOC(&gradient->estimator_scratch, scratch, "scratch of the estimator");
    CRD_ALLOC(&gradient->dparams, params, "gradients of an op");
    CRD_ALLOC(&gradient->dsigmas, params, "gradients of an op");
    CRD_ALLOC(&gradient->inputs, max_inputs, "inputs");
    CRD_ALLOC(&gradient->moved_inputs, max_inputs, "inputs");
    CRD_ALLOC(&gradient->input_steps, max_inputs, "inputs");
    CRD_ALLOC(&gradient->dinputs, max_inputs, "inputs");
    CRD_ALLOC(&gradient->adds, max_inputs, "inputs");
cleanup:
    return status;
}

crd_status crd_gradient_create(crd_gradient **out, const crd_network *network,
                               const uint8_t *bayesian, const crd_gradient_options *options)
{
    crd_status status = CRD_OK;
    crd_gradient *gradient = NULL;
    int64_t n_logits = 0, n_floats = network->params.n_floats;
    *out = NULL;
    CRD_REQUIRE(options->micro_batch > 0, CRD_ERR_USAGE,
                "micro_batch: %lld is not a positive number", (long long)options->micro_batch);
    CRD_ALLOC(&gradient, 1, "gradient");
    CRD_TRY(crd_estimator_find(&gradient->estimator, options->estimator, "estimator"));
    CRD_REQUIRE(options->eps == NULL || gradient->estimator->draws_weights, CRD_ERR_USAGE,
                "estimator: %s does not draw one eps a weight, so eps cannot be imported",
                options->estimator);
    gradient->seed = options->seed;
    gradient->batch_norm_train = options->batch_norm_train;
    gradient->at_sigma = options->at_sigma;
    gradient->keep_all = options->keep_all;
    CRD_ALLOC(&gradient->sigma, n_floats, "sigma");
    CRD_ALLOC(&gradient->slope, n_floats, "slopes of sigma");
    gradient->model = (crd_model){.network = network,
                                  .bayesian = bayesian,
                                  .sigma = gradient->sigma,
                                  .eps = options->eps,
                                  .family = &crd_family_normal,
                                  .n_components = 1};
    CRD_TRY(crd_train_plan_init(&gradient->plan, network, options->micro_batch));
    CRD_TRY(allocate_for_ops(gradient, options->mean));
    CRD_ALLOC(&gradient->arena, gradient->plan.arena_floats, "activations");
    CRD_ALLOC(&gradient->grad_arena, gradient->plan.grad_arena_floats, "gradients of activations");
    CRD_ALLOC(&gradient->op_scratch, gradient->plan.scratch_floats, "scratch of the ops");
    n_logits = options->micro_batch * crd_network_n_outputs(network);
    CRD_ALLOC(&gradient->logits, n_logits, "logits");
    CRD_ALLOC(&gradient->dlogits, n_logits, "gradients of logits");
    CRD_ALLOC(&gradient->dlogits_more, n_logits, "gradients of logits");
    *out = gradient;
    return CRD_OK;
cleanup:
    crd_gradient_destroy(gradient);
    return status;
}

void crd_gradient_destroy(crd_gradient *gradient)
{
    if (gradient == NULL)
        return;
    crd_free(gradient->dlogits_more);
    crd_free(gradient->dlogits);
    crd_free(gradient->logits);
    crd_free(gradient->op_scratch);
    crd_free(gradient->grad_arena);
    crd_free(gradient->arena);
    crd_free(gradient->adds);
    crd_free(gradient->dinputs);
    crd_free(gradient->input_steps);
    crd_free(gradient->moved_inputs);
    crd_free(gradient->inputs);
    crd_free(gradient->dsigmas);
    crd_free(gradient->dparams);
    crd_free(gradient->estimator_scratch);
    crd_free(gradient->kept);
    crd_free(gradient->kept_offsets);
    crd_free(gradient->random);
    crd_train_plan_clear(&gradient->plan);
    crd_free(gradient->slope);
    crd_free(gradient->sigma);
    crd_free(gradient);
}

int64_t crd_gradient_n_sums(const crd_gradient *gradient)
{
    return 2 * gradient->model.network->params.n_floats;
}

crd_status crd_gradient_set_calibration(crd_gradient *gradient, const char *name, double beta,
                                        double uncertainty_threshold, double error_threshold)
{
    crd_status status = CRD_OK;
    size_t size = sizeof gradient->calibration.name;
    if (name == NULL)
        name = "";
    CRD_REQUIRE(strlen(name) < size, CRD_ERR_USAGE, "calibration: unknown term '%.20s'", name);
    snprintf(gradient->calibration.name, size, "%s", name);
    gradient->calibration.beta = beta;
    gradient->calibration.uncertainty_threshold = uncertainty_threshold;
    gradient->calibration.error_threshold = error_threshold;
cleanup:
    return status;
}

static crd_status not_finite(const crd_param *param, const float *mu, const float *rho)
{
    int64_t i = 0;
    while (isfinite(mu[i]) && (rho == NULL || isfinite(rho[i])))
        i++;
    return CRD_FAIL(CRD_ERR_NUMERIC, "%s: element %lld has mu %g and rho %g", param->name,
                    (long long)i, (double)mu[i], rho == NULL ? 0 : (double)rho[i]);
}

crd_status crd_gradient_set_parameters(crd_gradient *gradient, const float *mu, const float *rho)
{
    const crd_params *params = &gradient->model.network->params;
    gradient->model.mu = NULL; /* after an error nothing runs */
    for (int64_t p = 0; p < params->n_params; p++) {
        const crd_param *param = &params->entries[p];
        const float *own_rho = gradient->model.bayesian[p] ? rho + param->offset : NULL;
        int finite = 1;
        for (int64_t i = param->offset; i < param->offset + param->count; i++)
            finite &= fabsf(mu[i]) < INFINITY;
        if (own_rho != NULL)
            finite &= crd_kernels_get()->param->scales(gradient->sigma + param->offset,
                                                       gradient->slope + param->offset, own_rho,
                                                       param->count);
        if (!finite)
            return not_finite(param, mu + param->offset, own_rho);
    }
    gradient->model.mu = mu;
    return CRD_OK;
}

void crd_gradient_scales(float **sigma, float **slope, crd_gradient *gradient)
{
    *sigma = gradient->sigma;
    *slope = gradient->slope;
}

static float *activation(const crd_gradient *gradient, int64_t op)
{
    return gradient->arena + gradient->plan.offsets[op];
}

/* NULL where no gradient is asked for. */
static float *activation_grad(const crd_gradient *gradient, int64_t op)
{
    int64_t offset = gradient->plan.grad_offsets[op];
    return offset < 0 ? NULL : gradient->grad_arena + offset;
}

static const float *const *inputs_of(const crd_gradient *gradient, int64_t index)
{
    const crd_graph_op *op = op_at(gradient, index);
    for (int k = 0; k < op->n_inputs; k++)
        gradient->inputs[k] = activation(gradient, op->inputs[k]);
    return gradient->inputs;
}

static float *kept_of(const crd_gradient *gradient, int64_t index)
{
    int64_t offset = gradient->kept_offsets[index];
    return offset < 0 ? NULL : gradient->kept + offset;
}

/* An op at mu; `random` is filled for it. */
static crd_op_args fixed_args(const crd_gradient *gradient, int64_t index, const unit *u,
                              crd_op_random *random)
{
    const crd_graph_op *op = op_at(gradient, index);
    *random = (crd_op_random){
        .seed = gradient->seed, .draw = u->draw, .first_image = u->first_image, .op = index};
    crd_op_args args = {.out = activation(gradient, index),
                        .in = inputs_of(gradient, index),
                        .n_images = u->n_images,
                        .scratch = gradient->op_scratch,
                        .random = gradient->keep_all ? NULL : random};
    if (has_batch_statistics(gradient, index))
        args.statistics = kept_of(gradient, index);
    for (int slot = 0; slot < op->kind->n_params; slot++)
        args.params[slot].values =
            crd_estimator_values(gradient->model.mu, &gradient->model, op->params[slot]);
    return args;
}

/* `random` outlives what is returned. */
static crd_estimator_args random_args(crd_gradient *gradient, const crd_random_op *random,
                                      int64_t index, const unit *u)
{
    return (crd_estimator_args){.out = activation(gradient, index),
                                .in = inputs_of(gradient, index),
                                .in_steps = gradient->input_steps,
                                .in_room = gradient->moved_inputs,
                                .random = random,
                                .index = index,
                                .seed = gradient->seed,
                                .n_images = u->n_images,
                                .first_image = u->first_image,
                                .n_draws = 1,
                                .first_draw = u->draw,
                                .scratch = gradient->estimator_scratch,
                                .kept = kept_of(gradient, index),
                                .op_scratch = gradient->op_scratch,
                                .times = &gradient->times};
}

static void forward_op(crd_gradient *gradient, int64_t index, const unit *u)
{
    if (gradient->random[index]) {
        const crd_random_op random = random_op(gradient, index);
        const crd_estimator_args args = random_args(gradient, &random, index, u);
        estimator_of(gradient, index)->forward(&args);
    } else {
        crd_op_random random;
        const crd_op_args args = fixed_args(gradient, index, u, &random);
        op_at(gradient, index)->kind->forward(op_at(gradient, index), &args);
    }
}

static void forward(crd_gradient *gradient, const float *images, const unit *u)
{
    const crd_network *network = gradient->model.network;
    crd_extent in = crd_extent_make(crd_network_input_shape(network), u->n_images);
    crd_extent_load(activation(gradient, 0), images, &in);
    for (int64_t i = 1; i < network->n_ops; i++)
        forward_op(gradient, i, u);
    int64_t last = network->n_ops - 1;
    crd_extent out = crd_extent_make(&network->ops[last].shape, u->n_images);
    crd_extent_store(gradient->logits, activation(gradient, last), &out);
}

/* The data term of the logits, and its gradient as that of the last op. */
static crd_status evaluate(double *loss, crd_gradient *gradient, const crd_loss *data_term,
                           const int64_t *labels, const float *values, const unit *u)
{
    crd_status status = CRD_OK;
    const crd_network *network = gradient->model.network;
    int64_t last = network->n_ops - 1, n_outputs = crd_network_n_outputs(network);
    crd_extent out = crd_extent_make(&network->ops[last].shape, u->n_images);
    crd_loss_eval(loss, gradient->dlogits, data_term, gradient->logits, labels, values, u->n_images,
                  n_outputs);
    if (gradient->calibration.name[0] != '\0') {
        double more;
        CRD_TRY(crd_calibration_loss_eval(
            &more, gradient->dlogits_more, gradient->calibration.name, gradient->logits, labels,
            values, u->n_images, n_outputs, gradient->calibration.beta,
            gradient->calibration.uncertainty_threshold, gradient->calibration.error_threshold));
        *loss += more;
        for (int64_t i = 0; i < out.total; i++)
            gradient->dlogits[i] += gradient->dlogits_more[i];
    }
    CRD_REQUIRE(isfinite(*loss), CRD_ERR_NUMERIC,
                "loss is %g in draw %lld of %lld images from number %lld", *loss,
                (long long)u->draw, (long long)u->n_images, (long long)u->first_image);
    crd_extent_load(activation_grad(gradient, last), gradient->dlogits, &out);
cleanup:
    return status;
}

/* Values to where they go: a piece of an array of sums, or grads. */
typedef struct place {
    int64_t *sums; /* NULL: grads */
    float grads[PIECE];
} place;

/* Elements [first, first + n) of a parameter; factors NULL stands for ones. */
static crd_status put(place *to, const float *values, const float *factors, int64_t n,
                      const unit *u, const char *what, const crd_param *param, int64_t first)
{
    if (to->sums == NULL)
        return crd_gradient_round(to->grads, values, factors, n, what, param->name, first);
    return crd_gradient_sums_add(to->sums, u->target->adds, values, factors, n, u->weight, what,
                                 param->name, first);
}

/* The gradient at rho, or sigma, of elements [first, first + n) of a parameter with a posterior,
 * from that at sigma. */
static crd_status put_rho(place *to, crd_gradient *gradient, int64_t index, const unit *u, int slot,
                          const float *dsigma, int64_t first, int64_t n)
{
    const crd_param *param = param_at(gradient, op_at(gradient, index), slot);
    float eps_room[PIECE], product[PIECE];
    const float *values = dsigma + first;
    if (estimator_of(gradient, index)->draws_weights) {
        const crd_random_op random = random_op(gradient, index);
        const crd_estimator_args args = random_args(gradient, &random, index, u);
        const float *eps =
            crd_estimator_eps(eps_room, &args, op_at(gradient, index)->params[slot], first, n);
        crd_kernels_get()->elementwise->multiply(product, values, eps, n);
        values = product;
    }
    if (gradient->at_sigma)
        return put(to, values, NULL, n, u, "gradient of sigma", param, first);
    return put(to, values, gradient->slope + param->offset + first, n, u, "gradient of rho", param,
               first);
}

/* Elements [first, first + n) of a parameter, or of a batch's statistics, to where they go. */
static crd_status sum_piece(crd_gradient *gradient, int64_t index, const unit *u, int slot,
                            const float *dparam, const float *dsigma, int64_t first, int64_t n)
{
    crd_status status = CRD_OK;
    const crd_gradient_target *target = u->target;
    const crd_graph_op *op = op_at(gradient, index);
    const crd_param *param = param_at(gradient, op, slot);
    int is_statistic = op->kind->params[slot].role == CRD_STATISTIC;
    const char *what = is_statistic ? "batch statistics" : "gradient";
    int has_rho = gradient->random[index] && gradient->model.bayesian[op->params[slot]];
    int64_t at = param->offset + first, n_floats = gradient->model.network->params.n_floats;
    place to[2];
    to[0].sums = target->sums == NULL ? NULL : target->sums + at;
    to[1].sums = target->sums == NULL ? NULL : target->sums + n_floats + at;
    CRD_TRY(put(&to[0], dparam + first, NULL, n, u, what, param, first));
    if (has_rho)
        CRD_TRY(put_rho(&to[1], gradient, index, u, slot, dsigma, first, n));
    if (target->sums == NULL)
        target->take(op->params[slot], first, n, to[0].grads, has_rho ? to[1].grads : NULL,
                     target->payload);
cleanup:
    return status;
}

/* Gradients of an op's parameters, and a batch's statistics. A piece is worked on while it is in
 * the cache. */
static crd_status sum_op(crd_gradient *gradient, int64_t index, const unit *u, int64_t first,
                         float *const dsigmas[CRD_OP_MAX_PARAMS])
{
    crd_status status = CRD_OK;
    const crd_graph_op *op = op_at(gradient, index);
    for (int slot = 0; slot < op->kind->n_params; slot++) {
        const crd_param *param = param_at(gradient, op, slot);
        for (int64_t at = 0; param != NULL && at < param->count; at += PIECE)
            CRD_TRY(sum_piece(gradient, index, u, slot, gradient->dparams + param->offset - first,
                              dsigmas[slot], at, crd_smaller(PIECE, param->count - at)));
    }
cleanup:
    return status;
}

/* dsigmas: where to put them, and then where they are. */
static void backward_random(crd_gradient *gradient, int64_t index, const unit *u,
                            float *const dparams[CRD_OP_MAX_PARAMS],
                            float *dsigmas[CRD_OP_MAX_PARAMS])
{
    const crd_random_op random = random_op(gradient, index);
    const crd_estimator_args args = random_args(gradient, &random, index, u);
    crd_estimator_grads grads = {
        .dout = activation_grad(gradient, index), .din = gradient->dinputs, .adds = gradient->adds};
    memcpy(grads.dmu, dparams, sizeof grads.dmu);
    memcpy(grads.dsigma, dsigmas, sizeof grads.dsigma);
    estimator_of(gradient, index)->backward(&args, &grads);
    memcpy(dsigmas, grads.dsigma, sizeof grads.dsigma);
}

static void backward_fixed(crd_gradient *gradient, int64_t index, const unit *u,
                           float *const dparams[CRD_OP_MAX_PARAMS])
{
    const crd_graph_op *op = op_at(gradient, index);
    crd_op_random random;
    const crd_op_args args = fixed_args(gradient, index, u, &random);
    crd_op_grads grads = {
        .dout = activation_grad(gradient, index), .din = gradient->dinputs, .adds = gradient->adds};
    memcpy(grads.dparams, dparams, sizeof grads.dparams);
    op->kind->backward(op, &args, &grads);
}

/* Where the gradients at the inputs go, and which of them others have begun. */
static void find_input_gradients(crd_gradient *gradient, int64_t index)
{
    const crd_graph_op *op = op_at(gradient, index);
    for (int k = 0; k < op->n_inputs; k++) {
        int64_t input = op->inputs[k];
        gradient->dinputs[k] = activation_grad(gradient, input);
        gradient->adds[k] = gradient->plan.last_reader[input] != index;
        for (int before = 0; before < k; before++)
            gradient->adds[k] |= op->inputs[before] == input;
    }
}

/* One op: its gradient is complete; passes it on to its inputs and parameters. */
static crd_status backward_op(crd_gradient *gradient, int64_t index, const unit *u)
{
    const crd_graph_op *op = op_at(gradient, index);
    float *dparams[CRD_OP_MAX_PARAMS] = {NULL}, *dsigmas[CRD_OP_MAX_PARAMS] = {NULL};
    int64_t first, n;
    op_range(&first, &n, gradient, index);
    if (op->kind->statistics != NULL) /* which have no gradient */
        memset(gradient->dparams, 0, (size_t)n * sizeof(float));
    for (int slot = 0; slot < op->kind->n_params; slot++) {
        const crd_param *param = param_at(gradient, op, slot);
        if (param == NULL)
            continue;
        dparams[slot] = gradient->dparams + param->offset - first;
        dsigmas[slot] = gradient->dsigmas + param->offset - first;
    }
    find_input_gradients(gradient, index);
    if (gradient->random[index])
        backward_random(gradient, index, u, dparams, dsigmas);
    else
        backward_fixed(gradient, index, u, dparams);
    return sum_op(gradient, index, u, first, dsigmas);
}

/* What does not lead to the output has zeros for a gradient. */
static crd_status backward_nothing(crd_gradient *gradient, int64_t index, const unit *u)
{
    float *dsigmas[CRD_OP_MAX_PARAMS];
    int64_t first, n;
    op_range(&first, &n, gradient, index);
    for (int slot = 0; slot < CRD_OP_MAX_PARAMS; slot++)
        dsigmas[slot] = gradient->dsigmas;
    memset(gradient->dparams, 0, (size_t)n * sizeof(float));
    memset(gradient->dsigmas, 0, (size_t)n * sizeof(float));
    return sum_op(gradient, index, u, first, dsigmas);
}

static crd_status backward(crd_gradient *gradient, const unit *u)
{
    crd_status status = CRD_OK;
    for (int64_t i = gradient->model.network->n_ops - 1; i > 0; i--) {
        int64_t first, n;
        CRD_TRY(gradient->plan.last_reader[i] >= 0 ? backward_op(gradient, i, u)
                                                   : backward_nothing(gradient, i, u));
        op_range(&first, &n, gradient, i);
        if (n > 0 && u->target->ready != NULL)
            u->target->ready(first, n, u->target->payload);
    }
cleanup:
    return status;
}

crd_status crd_gradient_check_images(const crd_network *network, int64_t n_images)
{
    crd_status status = CRD_OK;
    for (int64_t i = 1; i < network->n_ops; i++) {
        const crd_graph_op *op = &network->ops[i];
        if (op->kind->statistics != NULL)
            CRD_TRY(op->kind->statistics->check(op, n_images));
    }
cleanup:
    return status;
}

static crd_status check_call(const crd_gradient *gradient, const unit *u)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(gradient->model.mu != NULL, CRD_ERR_USAGE, "gradient: no parameters are set");
    CRD_REQUIRE(u->n_images > 0 && u->n_images <= gradient->plan.n_images, CRD_ERR_USAGE,
                "images: %lld in a call; from 1 to %lld are planned", (long long)u->n_images,
                (long long)gradient->plan.n_images);
    CRD_REQUIRE(u->draw >= 0 && u->draw <= UINT32_MAX, CRD_ERR_USAGE,
                "draws: number %lld is not from 0 to 2^32 - 1", (long long)u->draw);
    CRD_REQUIRE(u->first_image >= 0 && u->first_image <= UINT32_MAX - u->n_images, CRD_ERR_USAGE,
                "images: number %lld is not from 0 to 2^32 - 1", (long long)u->first_image);
    CRD_REQUIRE(u->weight > 0 && u->weight <= 4, CRD_ERR_USAGE,
                "weight: %g is not a positive number up to 4", u->weight);
    CRD_REQUIRE(u->target->sums != NULL || u->weight == 1, CRD_ERR_USAGE,
                "weight: %g; what is taken is a whole gradient, of weight 1", u->weight);
    if (gradient->batch_norm_train)
        CRD_TRY(crd_gradient_check_images(gradient->model.network, u->n_images));
cleanup:
    return status;
}

crd_status crd_gradient_add(double *loss, float *logits, const crd_gradient_target *target,
                            crd_gradient *gradient, const crd_loss *data_term, const float *images,
                            const int64_t *labels, const float *values, int64_t n_images,
                            int64_t first_image, int64_t draw, double weight)
{
    crd_status status = CRD_OK;
    const unit u = {n_images, first_image, draw, weight, target};
    CRD_TRY(check_call(gradient, &u));
    forward(gradient, images, &u);
    if (logits != NULL)
        memcpy(logits, gradient->logits,
               (size_t)(n_images * crd_network_n_outputs(gradient->model.network)) *
                   sizeof *logits);
    CRD_TRY(evaluate(loss, gradient, data_term, labels, values, &u));
    CRD_TRY(backward(gradient, &u));
cleanup:
    return status;
}

/* The statistics of an op, of the pass that was. */
static crd_status add_statistics(int64_t **sums, crd_gradient *gradient, int64_t index,
                                 const unit *u)
{
    crd_status status = CRD_OK;
    const crd_graph_op *op = op_at(gradient, index);
    crd_op_random random;
    const crd_op_args args = fixed_args(gradient, index, u, &random);
    float *values[CRD_OP_MAX_PARAMS] = {NULL};
    int64_t first, n;
    op_range(&first, &n, gradient, index);
    for (int slot = 0; slot < op->kind->n_params; slot++)
        if (op->params[slot] >= 0 && op->kind->params[slot].role == CRD_STATISTIC)
            values[slot] = gradient->dparams + param_at(gradient, op, slot)->offset - first;
    op->kind->statistics->put(op, &args, values);
    for (int slot = 0; slot < op->kind->n_params; slot++) {
        const crd_param *param = param_at(gradient, op, slot);
        if (values[slot] == NULL)
            continue;
        CRD_TRY(crd_gradient_sums_add(*sums, 1, values[slot], NULL, param->count, u->weight,
                                      "batch statistics", param->name, 0));
        *sums += param->count;
    }
cleanup:
    return status;
}

crd_status crd_gradient_add_statistics(int64_t *sums, crd_gradient *gradient, const float *images,
                                       int64_t n_images, int64_t first_image, double weight)
{
    crd_status status = CRD_OK;
    const crd_gradient_target target = {.sums = sums};
    const unit u = {n_images, first_image, 0, weight, &target};
    CRD_TRY(check_call(gradient, &u));
    forward(gradient, images, &u);
    for (int64_t i = 1; i < gradient->model.network->n_ops; i++)
        if (has_batch_statistics(gradient, i))
            CRD_TRY(add_statistics(&sums, gradient, i, &u));
cleanup:
    return status;
}
