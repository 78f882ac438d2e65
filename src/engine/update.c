#include "engine/update.h"

#include <math.h>

#include "base/alloc.h"

/* Parameters that a step changes, as stretches of the vector (mu block, rho block). */
typedef struct stretch {
    int64_t first, n; /* rho block behind the mu block */
    int64_t param;
    int is_rho;
} stretch;

/* Channels of a running statistic and how fast it moves. */
typedef struct running {
    int64_t first, n;
    double momentum;
} running;

struct crd_update {
    crd_train_state *state;
    const crd_train_options *options;
    int64_t n_floats;
    stretch *stretches;
    int64_t n_stretches;
    running *runnings;
    int64_t n_runnings;
    float *grads; /* [2 * n_floats] */
};

static void add_stretch(crd_update *u, int64_t param, int is_rho)
{
    const crd_param *p = &u->state->posterior->network->params.entries[param];
    u->stretches[u->n_stretches++] = (stretch){
        .first = p->offset + is_rho * u->n_floats, .n = p->count, .param = param, .is_rho = is_rho};
}

/* Weights and biases are trained; running statistics follow the data. */
static void plan_node(crd_update *u, const crd_node *node)
{
    const crd_posterior *posterior = u->state->posterior;
    for (int slot = CRD_PARAM_WEIGHT; slot <= CRD_PARAM_BIAS; slot++) {
        int64_t param = node->params[slot];
        if (param < 0)
            continue;
        add_stretch(u, param, 0);
        if (posterior->bayesian[param] && !u->options->gradient.mean)
            add_stretch(u, param, 1);
    }
    for (int slot = CRD_PARAM_RUNNING_MEAN; slot <= CRD_PARAM_RUNNING_VAR; slot++)
        if (node->params[slot] >= 0 && u->options->gradient.batch_norm_train) {
            const crd_param *p = &posterior->network->params.entries[node->params[slot]];
            u->runnings[u->n_runnings++] = (running){
                .first = p->offset, .n = p->count, .momentum = node->attrs.batch_norm2d.momentum};
        }
}

crd_status crd_update_create(crd_update **out, crd_train_state *state,
                             const crd_train_options *options)
{
    crd_status status = CRD_OK;
    crd_update *u = NULL;
    const crd_network *network = state->posterior->network;
    *out = NULL;
    CRD_ALLOC(&u, 1, "update");
    u->state = state;
    u->options = options;
    u->n_floats = network->params.n_floats;
    CRD_ALLOC(&u->stretches, 2 * network->params.n_params, "update");
    CRD_ALLOC(&u->runnings, network->params.n_params, "update");
    CRD_ALLOC(&u->grads, 2 * u->n_floats, "gradient");
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
    crd_free(update->grads);
    crd_free(update->runnings);
    crd_free(update->stretches);
    crd_free(update);
}

double crd_update_kl_weight(const crd_train_options *options, int64_t epoch)
{
    if (epoch >= options->kl_anneal_epochs)
        return options->kl_weight;
    return options->kl_weight * (double)(epoch + 1) / (double)(options->kl_anneal_epochs + 1);
}

static float *values_of(const crd_update *u, const stretch *s)
{
    const crd_posterior *p = u->state->posterior;
    return s->is_rho ? p->rho + (s->first - u->n_floats) : p->mu + s->first;
}

static void read_sums(crd_update *u, const int64_t *sums)
{
    const double unit = ldexp(1, -CRD_GRADIENT_BITS);
    for (int64_t k = 0; k < u->n_stretches; k++) {
        const stretch *s = &u->stretches[k];
        for (int64_t i = s->first; i < s->first + s->n; i++)
            u->grads[i] = (float)((double)sums[i] * unit);
    }
}

/* In pieces: the divergence's gradient comes in double. */
static void add_kl(crd_update *u, double kl_weight)
{
    enum { PIECE = 512 };
    const crd_posterior *p = u->state->posterior;
    for (int64_t k = 0; k < p->network->params.n_params; k++) {
        const crd_param *param = &p->network->params.entries[k];
        for (int64_t done = 0; p->bayesian[k] && done < param->count; done += PIECE) {
            int64_t n = param->count - done < PIECE ? param->count - done : PIECE;
            int64_t first = param->offset + done;
            double dmu[PIECE] = {0}, drho[PIECE] = {0};
            crd_posterior_kl_gradient(dmu, drho, p, first, n, u->options->kl, kl_weight);
            for (int64_t i = 0; i < n; i++) {
                u->grads[first + i] += (float)dmu[i];
                u->grads[u->n_floats + first + i] += (float)drho[i];
            }
        }
    }
}

static void clip(crd_update *u)
{
    double square = 0;
    for (int64_t k = 0; k < u->n_stretches; k++) {
        const stretch *s = &u->stretches[k];
        for (int64_t i = s->first; i < s->first + s->n; i++)
            square += (double)u->grads[i] * (double)u->grads[i];
    }
    float factor = (float)crd_clip_factor(sqrt(square), u->options->clip_norm);
    for (int64_t k = 0; k < u->n_stretches; k++) {
        const stretch *s = &u->stretches[k];
        for (int64_t i = s->first; i < s->first + s->n; i++)
            u->grads[i] *= factor;
    }
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

static crd_status check_finite(const crd_update *u, const stretch *s)
{
    const float *values = values_of(u, s);
    for (int64_t i = 0; i < s->n; i++)
        if (!isfinite(values[i]))
            return CRD_FAIL(CRD_ERR_NUMERIC, "%s of %s: element %lld is %g",
                            s->is_rho ? "rho" : "mu",
                            u->state->posterior->network->params.entries[s->param].name,
                            (long long)i, (double)values[i]);
    return CRD_OK;
}

crd_status crd_update_step(crd_update *u, const int64_t *sums, double lr, double kl_weight)
{
    crd_status status = CRD_OK;
    read_sums(u, sums);
    if (kl_weight != 0 && !u->options->gradient.mean)
        add_kl(u, kl_weight);
    if (u->options->clip_norm > 0)
        clip(u);
    for (int64_t k = 0; k < u->n_stretches; k++) {
        const stretch *s = &u->stretches[k];
        float *states[2] = {NULL, NULL};
        for (int j = 0; j < u->state->n_states; j++)
            states[j] = u->state->states[j] + s->first;
        crd_optimizer_step(values_of(u, s), u->grads + s->first, states, s->n, u->state->step + 1,
                           lr, &u->options->optimizer);
        CRD_TRY(check_finite(u, s));
    }
    move_running(u, sums);
cleanup:
    return status;
}
