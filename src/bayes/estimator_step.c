/* Reparameterization with weights drawn anew at every step of a sequence, as bayesian-torch's LSTM
 * draws them: w_t = mu + sigma * eps_t. Not one network but one a step: the draw's deviations
 * average out over the steps, which one draw for a whole sequence does not let them. Step 0 has the
 * weights of reparameterization. */
#include <string.h>

#include "bayes/estimator.h"
#include "kernels/kernels.h"
#include "weights/family.h"

/* Elements that are made at a time where eps alone is asked for. */
enum { PIECE = 16 * CRD_STREAM_BLOCK };

/* The parameters of one draw, a step after the other. */
typedef struct steps {
    const crd_estimator_args *args;
    crd_estimator_grads *grads; /* NULL: forward */
    int64_t draw;
    float *room[CRD_OP_MAX_PARAMS];
} steps;

static int64_t scratch_floats(const crd_random_op *random, int64_t n_images)
{
    (void)n_images;
    return crd_estimator_params_floats(random, false);
}

static crd_stream stream_of(const steps *s, int64_t index, int64_t step)
{
    return crd_estimator_stream(s->args, CRD_PURPOSE_WEIGHT, index, s->draw, step);
}

static int64_t count_of(const steps *s, int64_t index)
{
    return s->args->random->model->network->params.entries[index].count;
}

static const float *get(int slot, int64_t step, const void *payload)
{
    const steps *s = payload;
    const crd_model *model = s->args->random->model;
    int64_t index = s->args->random->params[slot];
    if (index < 0)
        return NULL;
    const crd_stream stream = stream_of(s, index, step);
    const crd_weights_request request = {
        .param = index, .n = count_of(s, index), .stream = &stream, .with_mu = 1};
    return model->family->fill(s->room[slot], model, &request);
}

/* With g the gradient at a step's weight: dmu += g, dsigma += g * eps_t. */
static void take(int slot, int64_t step, const float *dparam, const void *payload)
{
    const steps *s = payload;
    int64_t index = s->args->random->params[slot], n = count_of(s, index);
    const crd_elementwise_kernels *elementwise = crd_kernels_get()->elementwise;
    const crd_stream stream = stream_of(s, index, step);
    float *dmu = s->grads->dmu[slot], *dsigma = s->grads->dsigma[slot], eps[PIECE];
    for (int64_t first = 0; first < n; first += PIECE) {
        int64_t some = n - first < PIECE ? n - first : PIECE;
        elementwise->add(dmu + first, dmu + first, dparam + first, some);
        crd_kernels_get()->normal_fill(eps, some, first, &stream);
        elementwise->add_product(dsigma + first, dsigma + first, 1, dparam + first, eps, some);
    }
}

static steps steps_of(const crd_estimator_args *args, crd_estimator_grads *grads, int64_t draw)
{
    steps s = {.args = args, .grads = grads, .draw = draw};
    float *room = args->scratch;
    for (int slot = 0; slot < args->random->op->kind->n_params; slot++) {
        s.room[slot] = room;
        room += crd_estimator_param_floats(args->random->model, args->random->params[slot]);
    }
    return s;
}

static void forward(const crd_estimator_args *args)
{
    for (int64_t d = 0; d < args->n_draws; d++) {
        const steps own = steps_of(args, NULL, args->first_draw + d);
        const crd_op_steps hooks = {.get = get, .payload = &own};
        crd_estimator_apply_steps(args->out + d * args->out_step, args,
                                  crd_estimator_inputs(args, d), own.draw, &hooks);
    }
}

static void backward(const crd_estimator_args *args, crd_estimator_grads *grads)
{
    const steps own = steps_of(args, grads, args->first_draw);
    const crd_op_steps hooks = {get, take, &own};
    for (int slot = 0; slot < args->random->op->kind->n_params; slot++)
        if (args->random->params[slot] >= 0) {
            size_t size = (size_t)count_of(&own, args->random->params[slot]) * sizeof(float);
            memset(grads->dmu[slot], 0, size);
            memset(grads->dsigma[slot], 0, size);
        }
    const crd_op_grads pass = {.dout = grads->dout, .din = grads->din, .adds = grads->adds};
    crd_estimator_apply_steps_backward(&pass, args, crd_estimator_inputs(args, 0), &hooks);
}

const crd_estimator crd_estimator_reparameterization_step = {
    .draws_weights = 0,
    .needs_steps = 1,
    .needs_normal = 1,
    .scratch_floats = scratch_floats,
    .forward = forward,
    .backward_scratch_floats = scratch_floats,
    .backward = backward,
};
