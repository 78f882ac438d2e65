/* A step goes over the parameters once, in pieces that stay in the cache: sums to gradient,
 * divergence, optimizer, and sigma of the new rho; or, of a variational optimizer, sigma itself
 * (optim/ivon.c). No vector of gradients exists; a norm to clip by reads the sums twice. */
#include "engine/update.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/integers.h"
#include "bayes/gradient_scales.h"
#include "bayes/prior.h"
#include "engine/train_ivon.h"
#include "graph/graph.h"
#include "kernels/kernels.h"
#include "optim/adam.h"

enum { PIECE = 1024 };

/* Of gradients in fixed point. */
static const float scale = (float)(UINT64_C(1) << CRD_GRADIENT_BITS);
static const float limit = (float)(1 << CRD_GRADIENT_RANGE_BITS);

struct crd_update {
    crd_train_state *state;
    crd_gradient *gradient;
    const crd_train_options *options;
    int64_t n_floats;
    int is_variational;
    /* [n_params] weights and biases are trained; running statistics follow the data, with a
     * momentum that is not 0. */
    uint8_t *trained;
    double *momentum;
    /* Of the step that is under way. */
    double lr, kl_weight;
    crd_adam adam;
    int is_adam;
    float factor; /* of the gradient */
    crd_status status;
};

/* At most PIECE elements [first, first + n) of the blocks, of one parameter, and the gradient of
 * the loss by mu and, where there is one, rho. */
typedef struct piece {
    int64_t param, first, n;
    int n_blocks;
    float *grads[2];
} piece;

static void plan_op(crd_update *u, const crd_graph_op *op)
{
    const crd_op_statistics *statistics = op->kind->statistics;
    for (int slot = 0; slot < op->kind->n_params; slot++) {
        if (op->params[slot] < 0)
            continue;
        crd_param_role role = op->kind->params[slot].role;
        u->trained[op->params[slot]] = role == CRD_TRAINED;
        if (role == CRD_STATISTIC && u->options->gradient.batch_norm_train)
            u->momentum[op->params[slot]] = statistics->momentum(op);
    }
}

crd_status crd_update_create(crd_update **out, crd_train_state *state, crd_gradient *gradient,
                             const crd_train_options *options)
{
    crd_status status = CRD_OK;
    crd_update *u = NULL;
    const crd_network *network = state->posterior->network;
    *out = NULL;
    CRD_ALLOC(&u, 1, "update");
    u->state = state;
    u->gradient = gradient;
    u->options = options;
    u->n_floats = network->params.n_floats;
    u->is_variational = crd_optimizer_is_variational(&options->optimizer);
    CRD_ALLOC(&u->trained, network->params.n_params, "update");
    CRD_ALLOC(&u->momentum, network->params.n_params, "update");
    for (int64_t i = 0; i < network->n_ops; i++)
        plan_op(u, &network->ops[i]);
    *out = u;
    return CRD_OK;
cleanup:
    crd_update_destroy(u);
    return status;
}

void crd_update_destroy(crd_update *update)
{
    if (update == NULL)
        return;
    crd_free(update->momentum);
    crd_free(update->trained);
    crd_free(update);
}

double crd_update_kl_weight(const crd_train_options *options, int64_t epoch)
{
    if (crd_optimizer_is_variational(&options->optimizer))
        return 1 / options->optimizer.ess;
    if (epoch >= options->kl_anneal_epochs)
        return options->kl_weight;
    return options->kl_weight * (double)(epoch + 1) / (double)(options->kl_anneal_epochs + 1);
}

static const crd_param *param_of(const crd_update *u, int64_t index)
{
    return &u->state->posterior->network->params.entries[index];
}

/* Elements from `done` on of a parameter, with room for their gradient. */
static piece cut(const crd_update *u, int64_t index, int64_t done, float room[2][PIECE])
{
    const crd_param *param = param_of(u, index);
    int has_rho = u->state->posterior->bayesian[index] && !u->options->gradient.mean;
    return (piece){.param = index,
                   .first = param->offset + done,
                   .n = crd_smaller(PIECE, param->count - done),
                   .n_blocks = 1 + has_rho,
                   .grads = {room[0], room[1]}};
}

/* Parameters and moments of a piece. */
static float *block_of(float *states[2], const crd_update *u, const piece *p, int block)
{
    const crd_posterior *posterior = u->state->posterior;
    for (int k = 0; k < 2; k++)
        states[k] =
            k < u->state->n_states ? u->state->states[k] + block * u->n_floats + p->first : NULL;
    return (block == 0 ? posterior->mu : posterior->rho) + p->first;
}

static void add_divergence(const crd_update *u, const piece *p)
{
    float *sigma, *slope;
    if (p->n_blocks == 1 || u->kl_weight == 0)
        return;
    crd_gradient_scales(&sigma, &slope, u->gradient);
    crd_posterior_kl_gradient(p->grads[0], p->grads[1], u->state->posterior, sigma, slope, p->first,
                              p->n, u->options->kl, u->kl_weight);
}

/* A piece with a posterior, gradients at mu and sigma. */
static int step_variational(const crd_update *u, const piece *p)
{
    float *sigma, *slope, *momentum[2];
    crd_gradient_scales(&sigma, &slope, u->gradient);
    const crd_ivon_block block = {.mu = block_of(momentum, u, p, 0),
                                  .sigma = sigma + p->first,
                                  .momentum = momentum[0],
                                  .hess = crd_train_ivon_hessian(u->state) + p->first,
                                  .dmu = p->grads[0],
                                  .dsigma = p->grads[1]};
    return crd_ivon_step(&block, p->n, u->state->step + 1, u->lr, &u->options->optimizer);
}

/* Any optimizer, any prior. Returns whether all are finite. */
static int step_by_parts(const crd_update *u, const piece *p)
{
    float *states[2], *sigma, *slope;
    int finite = 1;
    if (p->n_blocks == 2 && u->is_variational)
        return step_variational(u, p);
    crd_gradient_scales(&sigma, &slope, u->gradient);
    add_divergence(u, p);
    for (int block = 0; block < p->n_blocks; block++) {
        float *values = block_of(states, u, p, block);
        for (int64_t i = 0; u->factor != 1 && i < p->n; i++)
            p->grads[block][i] *= u->factor;
        finite &= crd_optimizer_step(values, p->grads[block], states, p->n, u->state->step + 1,
                                     u->lr, &u->options->optimizer);
    }
    if (p->n_blocks == 2)
        crd_kernels_get()->param->scales(sigma + p->first, slope + p->first,
                                         u->state->posterior->rho + p->first, p->n);
    return finite;
}

/* Fills in a step in one pass, if there is a kernel for it: for Adam and a normal prior. */
static int plan_at_once(crd_posterior_step *step, const crd_update *u, const piece *p)
{
    float *states[2];
    *step = (crd_posterior_step){.clip = u->factor, .adam = u->adam};
    if (p->n_blocks == 1 || !u->is_adam ||
        !crd_prior_normal(&step->prior, u->state->posterior, p->param,
                          p->first - param_of(u, p->param)->offset, u->options->kl, u->kl_weight))
        return 0;
    for (int block = 0; block < 2; block++) {
        step->params[block] = block_of(states, u, p, block);
        step->means[block] = states[0];
        step->squares[block] = states[1];
        step->grads[block] = p->grads[block];
    }
    crd_gradient_scales(&step->sigma, &step->slope, u->gradient);
    step->sigma += p->first;
    step->slope += p->first;
    return 1;
}

/* Whichever value is not finite. */
static crd_status not_finite(const crd_update *u, const piece *p)
{
    const crd_param *param = param_of(u, p->param);
    const float *mu = u->state->posterior->mu, *other = u->state->posterior->rho;
    const char *other_name = u->is_variational ? "Hessian" : "rho";
    int64_t i = p->first;
    if (u->is_variational)
        other = crd_train_ivon_hessian(u->state);
    while (isfinite(mu[i]) && isfinite(other[i]))
        i++;
    int is_mu = !isfinite(mu[i]);
    return CRD_FAIL(CRD_ERR_NUMERIC, "%s of %s: element %lld is %g", is_mu ? "mu" : other_name,
                    param->name, (long long)(i - param->offset),
                    (double)(is_mu ? mu[i] : other[i]));
}

static crd_status step_piece(const crd_update *u, const piece *p)
{
    crd_posterior_step step;
    int finite = plan_at_once(&step, u, p) ? crd_kernels_get()->param->posterior_step(&step, p->n)
                                           : step_by_parts(u, p);
    return finite ? CRD_OK : not_finite(u, p);
}

static float *kept_at(const crd_update *u, const piece *p, int block)
{
    return u->state->kept + block * u->n_floats + p->first;
}

static const int64_t *sums_at(const crd_update *u, const piece *p, const int64_t *sums, int block)
{
    return sums + block * u->n_floats + p->first;
}

static void read_sums(const crd_update *u, const piece *p, const int64_t *sums)
{
    for (int block = 0; block < p->n_blocks; block++)
        crd_kernels_get()->param->read_sums(p->grads[block], sums_at(u, p, sums, block), p->n,
                                            1 / (double)scale);
}

/* The gradient of a step's sums; where gradients are kept they are among those already. */
static void fill_gradient(const crd_update *u, const piece *p, const int64_t *sums)
{
    if (u->state->kept == NULL)
        read_sums(u, p, sums);
    for (int block = 0; u->state->kept != NULL && block < p->n_blocks; block++)
        crd_kernels_get()->param->round(p->grads[block], kept_at(u, p, block), NULL, p->n, scale,
                                        limit);
}

static double gradient_norm(const crd_update *u, const int64_t *sums)
{
    double square = 0;
    for (int64_t k = 0; k < u->state->posterior->network->params.n_params; k++)
        for (int64_t done = 0; u->trained[k] && done < param_of(u, k)->count; done += PIECE) {
            float grads[2][PIECE];
            const piece p = cut(u, k, done, grads);
            fill_gradient(u, &p, sums);
            add_divergence(u, &p);
            for (int block = 0; block < p.n_blocks; block++)
                for (int64_t i = 0; i < p.n; i++)
                    square += (double)grads[block][i] * (double)grads[block][i];
        }
    return sqrt(square);
}

/* Batches' statistics are means over the step's units, as their weights add up to 1. They are in
 * `sums`, or, where that is NULL, in place of a gradient. */
static void move_running(const crd_update *u, const piece *p, const int64_t *sums)
{
    float *mu = u->state->posterior->mu + p->first;
    const double unit = 1 / (double)scale, momentum = u->momentum[p->param];
    for (int64_t i = 0; i < p->n; i++) {
        double mean =
            sums == NULL ? (double)p->grads[0][i] : (double)sums_at(u, p, sums, 0)[i] * unit;
        mu[i] = (float)((1 - momentum) * (double)mu[i] + momentum * mean);
    }
}

/* Adds a gradient to those of all steps before and puts the total in its place. They add up in
 * float, as torch's .grad does. */
static crd_status keep(const crd_update *u, const piece *p)
{
    for (int block = 0; block < p->n_blocks; block++) {
        float *kept = kept_at(u, p, block);
        int64_t i = 0;
        if (crd_kernels_get()->param->keep(p->grads[block], kept, p->n, scale, limit))
            continue;
        while (i < p->n - 1 && fabsf(kept[i]) < limit)
            i++;
        return CRD_FAIL(CRD_ERR_NUMERIC, "%s: the sum of the gradients is %g",
                        param_of(u, p->param)->name, (double)kept[i]);
    }
    return CRD_OK;
}

/* Running statistics, in the same sums, are no gradients. */
static crd_status keep_all(const crd_update *u, const int64_t *sums)
{
    crd_status status = CRD_OK;
    for (int64_t k = 0; k < u->state->posterior->network->params.n_params; k++)
        for (int64_t done = 0; u->trained[k] && done < param_of(u, k)->count; done += PIECE) {
            float grads[2][PIECE];
            const piece p = cut(u, k, done, grads);
            read_sums(u, &p, sums);
            CRD_TRY(keep(u, &p));
        }
cleanup:
    return status;
}

static crd_status step_parameter(const crd_update *u, int64_t k, const int64_t *sums)
{
    crd_status status = CRD_OK;
    for (int64_t done = 0; done < param_of(u, k)->count; done += PIECE) {
        float grads[2][PIECE];
        const piece p = cut(u, k, done, grads);
        if (u->trained[k]) {
            fill_gradient(u, &p, sums);
            CRD_TRY(step_piece(u, &p));
        }
        if (u->momentum[k] != 0)
            move_running(u, &p, sums);
    }
cleanup:
    return status;
}

void crd_update_begin(crd_update *u, double lr, double kl_weight)
{
    u->lr = lr;
    u->kl_weight = u->is_variational ? 0 : kl_weight; /* its step has the prior in it */
    u->is_adam = crd_optimizer_adam(&u->adam, u->state->step + 1, lr, &u->options->optimizer);
    u->factor = 1;
    u->status = CRD_OK;
}

/* After a fault nothing more is changed. */
void crd_update_apply(int64_t param, int64_t first, int64_t n, float *dmu, float *drho,
                      void *payload)
{
    crd_update *u = payload;
    const piece p = {.param = param,
                     .first = param_of(u, param)->offset + first,
                     .n = n,
                     .n_blocks = 1 + (drho != NULL),
                     .grads = {dmu, drho}};
    if (u->status == CRD_OK && u->trained[param] && u->state->kept != NULL)
        u->status = keep(u, &p);
    if (u->status == CRD_OK && u->trained[param])
        u->status = step_piece(u, &p);
    if (u->status == CRD_OK && u->momentum[param] != 0)
        move_running(u, &p, NULL);
}

crd_status crd_update_end(crd_update *u)
{
    return u->status;
}

crd_status crd_update_step(crd_update *u, const int64_t *sums, double lr, double kl_weight)
{
    crd_status status = CRD_OK;
    crd_update_begin(u, lr, kl_weight);
    if (u->state->kept != NULL)
        CRD_TRY(keep_all(u, sums));
    if (u->options->clip_norm > 0)
        u->factor = (float)crd_clip_factor(gradient_norm(u, sums), u->options->clip_norm);
    for (int64_t k = 0; k < u->state->posterior->network->params.n_params; k++)
        CRD_TRY(step_parameter(u, k, sums));
cleanup:
    return status;
}
