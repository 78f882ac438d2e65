/* IVON, improved variational online Newton: one step on flat vectors in float32. The Hessian is
 * changed by its difference: a beta2 as near to 1 as the usual one is off by a thousandth of 1 -
 * beta2 as a float, which would add up. Plain loops, of which the compiler makes vectors: every
 * operation is IEEE's, so that no instruction set changes a bit.
 * Source: Shen et al., ICML 2024, algorithm 1; ivon-opt 0.1.3. */
#include "optim/ivon.h"

#include <math.h>

/* The scalars of a step. */
typedef struct ivon_scalars {
    float beta1, share1, share2, half_square; /* share = 1 - beta; share2^2 / 2 */
    float decay, ess, rate, debias, radius;
} ivon_scalars;

static ivon_scalars make_scalars(int64_t step, double lr, const crd_optimizer_options *o)
{
    const double share2 = 1 - o->beta2;
    return (ivon_scalars){
        .beta1 = (float)o->beta1,
        .share1 = (float)(1 - o->beta1),
        .share2 = (float)share2,
        .half_square = (float)(0.5 * share2 * share2),
        .decay = (float)o->weight_decay,
        .ess = (float)o->ess,
        .rate = (float)(o->rescale_lr ? lr * (o->hess_init + o->weight_decay) : lr),
        .debias = o->debias ? (float)(1 - pow(o->beta1, (double)step)) : 1,
        .radius = (float)o->clip_radius,
    };
}

/* The momentum and the mean of one element; h is the new Hessian. Returns the mean. */
static inline float move(float *momentum, float mu, float grad, float h, const ivon_scalars *s)
{
    const float m = *momentum * s->beta1 + grad * s->share1;
    float way = (m / s->debias + mu * s->decay) / (h + s->decay);
    way = way > s->radius ? s->radius : way;
    way = way < -s->radius ? -s->radius : way;
    *momentum = m;
    return mu - s->rate * way;
}

static inline float sigma_of(float hess, float decay, float ess)
{
    return 1 / sqrtf(ess * (hess + decay));
}

int crd_ivon_step(const crd_ivon_block *block, int64_t n, int64_t step, double lr,
                  const crd_optimizer_options *options)
{
    const ivon_scalars s = make_scalars(step, lr, options);
    float *restrict mu = block->mu, *restrict sigma = block->sigma;
    float *restrict momentum = block->momentum, *restrict hess = block->hess;
    const float *restrict dmu = block->dmu, *restrict dsigma = block->dsigma;
    int finite = 1;
    for (int64_t i = 0; i < n; i++) {
        const float h = hess[i], precision = h + s.decay;
        const float f = dsigma[i] * sigma[i] * precision * s.ess, apart = h - f;
        const float more = s.half_square * (apart * apart) / precision;
        hess[i] = h + (more - s.share2 * apart);
        mu[i] = move(&momentum[i], mu[i], dmu[i], hess[i], &s);
        sigma[i] = sigma_of(hess[i], s.decay, s.ess);
        finite &= (fabsf(mu[i]) < INFINITY) & (fabsf(hess[i]) < INFINITY);
    }
    return finite;
}

int crd_ivon_step_fixed(float *params, const float *grads, float *const *states, int64_t n,
                        int64_t step, double lr, const crd_optimizer_options *options)
{
    const ivon_scalars s = make_scalars(step, lr, options);
    const float h = (float)options->hess_init;
    float *momentum = states[0];
    int finite = 1;
    for (int64_t i = 0; i < n; i++) {
        params[i] = move(&momentum[i], params[i], grads[i], h, &s);
        finite &= fabsf(params[i]) < INFINITY;
    }
    return finite;
}

void crd_ivon_sigma(float *sigma, const float *hess, int64_t n,
                    const crd_optimizer_options *options)
{
    const float decay = (float)options->weight_decay, ess = (float)options->ess;
    for (int64_t i = 0; i < n; i++)
        sigma[i] = sigma_of(hess[i], decay, ess);
}
