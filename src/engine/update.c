/* A step goes over the parameters once, in pieces that stay in the cache: sums to gradient, divergence, optimizer, and
 * sigma of the new rho. No vector of gradients exists; a norm to clip by takes the gradients twice. */
#include "engine/update.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "bayes/gradient_scales.h"
#include "bayes/prior.h"
#include "kernels/kernels.h"
#include "optim/adam.h"

enum { PIECE = 1024 };

/* Channels of a running statistic and how fast it moves. */
typedef struct running {
    int64_t first, n;
    double momentum;
} running;

struct crd_update {
    crd_train_state *state;
    crd_gradient *gradient;
    const crd_train_options *options;
    int64_t n_floats;
    int64_t *trained; /* [n_trained] parameters */
    int64_t n_trained;
    running *runnings;
    int64_t n_runnings;
};

/* Elements [first, first + n) of parameter trained[index], and the gradient by mu and, where there is one, rho. */
typedef struct piece {
    int64_t index, first, n;
    int n_blocks;
    float grads[2][PIECE];
} piece;

/* Weights and biases are trained; running statistics follow the data. */
static void plan_node(crd_update *u, const crd_node *node)
{
    const crd_params *params = &u->state->posterior->network->params;
    for (int slot = CRD_PARAM_WEIGHT; slot <= CRD_PARAM_BIAS; slot++)
        if (node->params[slot] >= 0)
            u->trained[u->n_trained++] = node->params[slot];
    for (int slot = CRD_PARAM_RUNNING_MEAN; slot <= CRD_PARAM_RUNNING_VAR; slot++)
        if (node->params[slot] >= 0 && u->options->gradient.batch_norm_train) {
            const crd_param *p = &params->entries[node->params[slot]];
            u->runnings[u->n_runnings++] = (running){
                .first = p->offset, .n = p->count, .momentum = node->attrs.batch_norm2d.momentum};
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
    CRD_ALLOC(&u->trained, network->params.n_params, "update");
    CRD_ALLOC(&u->runnings, network->params.n_params, "update");
    for (int64_t i = 0; i < network->n_nodes; i++)
        plan_node(u, &network->nodes[i]);
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
    crd_free(update->runnings);
    crd_free(update->trained);
    crd_free(update);
}

double crd_update_kl_weight(const crd_train_options *options, int64_t epoch)
{
    if (epoch >= options->kl_anneal_epochs)
        return options->kl_weight;
    return options->kl_weight * (double)(epoch + 1) / (double)(options->kl_anneal_epochs + 1);
}

static const crd_param *param_of(const crd_update *u, int64_t index)
{
    return &u->state->posterior->network->params.entries[u->trained[index]];
}

/* The piece behind p; behind one of n = 0 the first. Returns 0 at the end. */
static int next_piece(piece *p, const crd_update *u)
{
    int64_t done = p->n == 0 ? 0 : p->first + p->n - param_of(u, p->index)->offset;
    while (p->index < u->n_trained && done == param_of(u, p->index)->count) {
        p->index++;
        done = 0;
    }
    if (p->index == u->n_trained)
        return 0;
    const crd_param *param = param_of(u, p->index);
    int has_rho = u->state->posterior->bayesian[u->trained[p->index]] && !u->options->gradient.mean;
    p->first = param->offset + done;
    p->n = param->count - done < PIECE ? param->count - done : PIECE;
    p->n_blocks = 1 + has_rho;
    return 1;
}

/* The gradient of the loss. */
static void fill_gradient(piece *p, const crd_update *u, const int64_t *sums, double kl_weight)
{
    const double unit = ldexp(1, -CRD_GRADIENT_BITS);
    for (int block = 0; block < p->n_blocks; block++)
        crd_kernels_get()->param->read_sums(p->grads[block], sums + block * u->n_floats + p->first,
                                            p->n, unit);
    if (p->n_blocks == 1 || kl_weight == 0)
        return;
    float *sigma, *slope;
    crd_gradient_scales(&sigma, &slope, u->gradient);
    crd_posterior_kl_gradient(p->grads[0], p->grads[1], u->state->posterior, sigma, slope, p->first,
                              p->n, u->options->kl, kl_weight);
}

/* Whichever value is not finite. */
static crd_status not_finite(const crd_update *u, int64_t index)
{
    const crd_param *param = param_of(u, index);
    const crd_posterior *posterior = u->state->posterior;
    int64_t i = param->offset;
    while (isfinite(posterior->mu[i]) && isfinite(posterior->rho[i]))
        i++;
    int is_mu = !isfinite(posterior->mu[i]);
    return CRD_FAIL(CRD_ERR_NUMERIC, "%s of %s: element %lld is %g", is_mu ? "mu" : "rho",
                    param->name, (long long)(i - param->offset),
                    (double)(is_mu ? posterior->mu[i] : posterior->rho[i]));
}

/* What a step has for all parameters. */
typedef struct step {
    const int64_t *sums;
    double lr, kl_weight;
    float factor; /* of the gradient */
} step;

/* Parameters and moments of a piece. */
static float *block_of(float *states[2], const crd_update *u, const piece *p, int block)
{
    const crd_posterior *posterior = u->state->posterior;
    for (int k = 0; k < 2; k++)
        states[k] =
            k < u->state->n_states ? u->state->states[k] + block * u->n_floats + p->first : NULL;
    return (block == 0 ? posterior->mu : posterior->rho) + p->first;
}

/* The piece by piece way: any optimizer, any prior. */
static crd_status step_piece(const crd_update *u, piece *p, const step *s)
{
    float *states[2];
    int finite = 1;
    fill_gradient(p, u, s->sums, s->kl_weight);
    for (int block = 0; block < p->n_blocks; block++) {
        float *values = block_of(states, u, p, block);
        for (int64_t i = 0; s->factor != 1 && i < p->n; i++)
            p->grads[block][i] *= s->factor;
        finite &= crd_optimizer_step(values, p->grads[block], states, p->n, u->state->step + 1,
                                     s->lr, &u->options->optimizer);
    }
    if (p->n_blocks == 2) {
        float *sigma, *slope;
        crd_gradient_scales(&sigma, &slope, u->gradient);
        crd_kernels_get()->param->scales(sigma + p->first, slope + p->first,
                                         u->state->posterior->rho + p->first, p->n);
    }
    return finite ? CRD_OK : not_finite(u, p->index);
}

/* The same of a whole parameter in one pass, where there is a kernel for it: Adam and a normal prior. Returns 0 where
 * there is none. */
static int step_at_once(crd_status *status, const crd_update *u, int64_t index, const step *s)
{
    crd_posterior_step all = {.unit = ldexp(1, -CRD_GRADIENT_BITS), .clip = s->factor};
    piece p = {.index = index};
    float *states[2];
    if (!next_piece(&p, u) || p.n_blocks == 1 ||
        !crd_optimizer_adam(&all.adam, u->state->step + 1, s->lr, &u->options->optimizer) ||
        !crd_prior_normal(&all.prior, u->state->posterior, u->trained[index], 0, u->options->kl,
                          s->kl_weight))
        return 0;
    for (int block = 0; block < 2; block++) {
        all.params[block] = block_of(states, u, &p, block);
        all.means[block] = states[0];
        all.squares[block] = states[1];
        all.sums[block] = s->sums + block * u->n_floats + p.first;
    }
    crd_gradient_scales(&all.sigma, &all.slope, u->gradient);
    all.sigma += p.first;
    all.slope += p.first;
    if (!crd_kernels_get()->param->posterior_step(&all, param_of(u, index)->count))
        *status = not_finite(u, index);
    return 1;
}

static double gradient_norm(const crd_update *u, const int64_t *sums, double kl_weight)
{
    double square = 0;
    for (piece p = {.n = 0}; next_piece(&p, u);) {
        fill_gradient(&p, u, sums, kl_weight);
        for (int block = 0; block < p.n_blocks; block++)
            for (int64_t i = 0; i < p.n; i++)
                square += (double)p.grads[block][i] * (double)p.grads[block][i];
    }
    return sqrt(square);
}

/* The sums of the running slots are means over the step's units, as their weights add up to 1. */
static void move_running(crd_update *u, const int64_t *sums)
{
    float *mu = u->state->posterior->mu;
    const double unit = ldexp(1, -CRD_GRADIENT_BITS);
    for (int64_t k = 0; k < u->n_runnings; k++) {
        const running *r = &u->runnings[k];
        for (int64_t i = r->first; i < r->first + r->n; i++)
            mu[i] =
                (float)((1 - r->momentum) * (double)mu[i] + r->momentum * (double)sums[i] * unit);
    }
}

crd_status crd_update_step(crd_update *u, const int64_t *sums, double lr, double kl_weight)
{
    crd_status status = CRD_OK;
    step s = {.sums = sums, .lr = lr, .kl_weight = kl_weight, .factor = 1};
    if (u->options->clip_norm > 0)
        s.factor = (float)crd_clip_factor(gradient_norm(u, sums, kl_weight), u->options->clip_norm);
    for (int64_t index = 0; index < u->n_trained; index++) {
        if (!step_at_once(&status, u, index, &s))
            for (piece p = {.index = index}; next_piece(&p, u) && p.index == index;)
                CRD_TRY(step_piece(u, &p, &s));
        CRD_TRY(status);
    }
    move_running(u, sums);
cleanup:
    return status;
}
