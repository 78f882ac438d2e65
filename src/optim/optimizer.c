/* The table of optimizers, and one step of torch.optim's (their plain, "single tensor" form) on
 * flat vectors. IVON's is in ivon.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "credence/optim.h"
#include "kernels/kernels.h"
#include "optim/adam.h"
#include "optim/ivon.h"

typedef struct optimizer {
    const char *name;
    int n_states; /* with momentum, if that is a choice */
    int is_variational;
    int (*step)(float *params, const float *grads, float *const *states, int64_t n, int64_t step,
                double lr, const crd_optimizer_options *options);
    crd_optimizer_options defaults;
} optimizer;

static int step_sgd(float *params, const float *grads, float *const *states, int64_t n,
                    int64_t step, double lr, const crd_optimizer_options *options);
static int step_adam(float *params, const float *grads, float *const *states, int64_t n,
                     int64_t step, double lr, const crd_optimizer_options *options);

static const optimizer optimizers[] = {
    {"sgd", 1, 0, step_sgd, {.lr = 1e-3}},
    {"adam", 2, 0, step_adam, {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}},
    {"adamw",
     2,
     0,
     step_adam,
     {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 1e-2}},
    {"ivon",
     1,
     1,
     crd_ivon_step_fixed,
     {.lr = 0.1,
      .beta1 = 0.9,
      .beta2 = 0.99999,
      .weight_decay = 1e-4,
      .hess_init = 1,
      .clip_radius = INFINITY,
      .debias = 1,
      .rescale_lr = 1}},
};

enum { N_OPTIMIZERS = sizeof optimizers / sizeof *optimizers };

const char *const *crd_optimizer_names(void)
{
    static const char *const names[N_OPTIMIZERS + 1] = {"sgd", "adam", "adamw", "ivon", NULL};
    return names;
}

static const optimizer *find(const crd_optimizer_options *options)
{
    return &optimizers[crd_names_find(crd_optimizer_names(), options->name)];
}

crd_status crd_optimizer_defaults(crd_optimizer_options *out, const char *name)
{
    int i;
    crd_status status =
        crd_names_require(&i, crd_optimizer_names(), name, "optimizer", CRD_ERR_USAGE);
    if (status != CRD_OK)
        return status;
    *out = optimizers[i].defaults;
    snprintf(out->name, sizeof out->name, "%s", name);
    return CRD_OK;
}

static crd_status check_ivon(const crd_optimizer_options *o)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(isfinite(o->ess) && o->ess > 0, CRD_ERR_USAGE, "ess: %g is not a positive number",
                o->ess);
    CRD_REQUIRE(isfinite(o->hess_init) && o->hess_init > 0, CRD_ERR_USAGE,
                "hess_init: %g is not a positive number", o->hess_init);
    CRD_REQUIRE(o->clip_radius > 0, CRD_ERR_USAGE, "clip_radius: %g is not a positive number",
                o->clip_radius);
    CRD_REQUIRE(o->weight_decay > 0, CRD_ERR_USAGE,
                "weight_decay: 0 leaves ivon without a prior, which is N(0, 1 / (ess * "
                "weight_decay)); it must be above 0");
cleanup:
    return status;
}

static crd_status check_range(const char *key, double value, double below)
{
    if (value >= 0 && value < below)
        return CRD_OK;
    if (isinf(below))
        return CRD_FAIL(CRD_ERR_USAGE, "%s: %g is not zero or a positive number", key, value);
    return CRD_FAIL(CRD_ERR_USAGE, "%s: %g is not in [0, %g)", key, value, below);
}

crd_status crd_optimizer_check(const crd_optimizer_options *o)
{
    crd_status status = CRD_OK;
    crd_optimizer_options known;
    CRD_TRY(crd_optimizer_defaults(&known, o->name));
    CRD_TRY(check_range("lr", o->lr, INFINITY));
    CRD_TRY(check_range("weight_decay", o->weight_decay, INFINITY));
    CRD_TRY(check_range("momentum", o->momentum, INFINITY));
    CRD_REQUIRE(isfinite(o->dampening), CRD_ERR_USAGE, "dampening: %g is not finite", o->dampening);
    CRD_REQUIRE(!o->nesterov || (o->momentum > 0 && o->dampening == 0), CRD_ERR_USAGE,
                "nesterov: needs momentum above zero and dampening zero");
    CRD_TRY(check_range("beta1", o->beta1, 1));
    CRD_TRY(check_range("beta2", o->beta2, 1));
    CRD_TRY(check_range("eps", o->eps, INFINITY));
    if (crd_optimizer_is_variational(o))
        CRD_TRY(check_ivon(o));
cleanup:
    return status;
}

static int is_sgd(const crd_optimizer_options *options)
{
    return strcmp(options->name, "sgd") == 0;
}

int crd_optimizer_n_states(const crd_optimizer_options *options)
{
    return is_sgd(options) && options->momentum == 0 ? 0 : find(options)->n_states;
}

int crd_optimizer_is_variational(const crd_optimizer_options *options)
{
    return find(options)->is_variational;
}

/* a b + c rounded once, as torch's vector loops have it: the product is exact in double. Unlike
 * fmaf this is fast, and the same, on every processor; from a true fused one it differs once in
 * some 2^29 times. */
static inline float multiply_add(float a, float b, float c)
{
    return (float)((double)a * (double)b + (double)c);
}

/* Source: torch.optim.SGD; the first step's buffer is the gradient itself, not dampened. */
static void move_sgd(float *restrict params, const float *restrict grads, float *restrict buffer,
                     int64_t n, int is_first, double lr, const crd_optimizer_options *o)
{
    const float decay = (float)o->weight_decay, momentum = (float)o->momentum;
    const float share = (float)(1 - o->dampening), rate = (float)-lr;
    const int nesterov = o->nesterov;
    if (buffer == NULL) {
        for (int64_t i = 0; i < n; i++)
            params[i] = multiply_add(multiply_add(params[i], decay, grads[i]), rate, params[i]);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        float g = multiply_add(params[i], decay, grads[i]);
        buffer[i] = is_first ? g : multiply_add(g, share, buffer[i] * momentum);
        g = nesterov ? multiply_add(buffer[i], momentum, g) : buffer[i];
        params[i] = multiply_add(g, rate, params[i]);
    }
}

static int all_finite(const float *values, int64_t n)
{
    int finite = 1;
    for (int64_t i = 0; i < n; i++)
        finite &= fabsf(values[i]) < INFINITY;
    return finite;
}

static int step_sgd(float *params, const float *grads, float *const *states, int64_t n,
                    int64_t step, double lr, const crd_optimizer_options *options)
{
    move_sgd(params, grads, options->momentum != 0 ? states[0] : NULL, n, step == 1, lr, options);
    return all_finite(params, n);
}

/* Source: torch.optim.Adam and AdamW. `decay` is added to the gradient, `keep` multiplies the
 * parameter: one of them is idle (0 or 1). */
int crd_optimizer_adam(crd_adam *out, int64_t step, double lr, const crd_optimizer_options *o)
{
    const int is_decoupled = strcmp(o->name, "adamw") == 0;
    if (find(o)->step != step_adam)
        return 0;
    *out = (crd_adam){
        .keep = is_decoupled ? (float)(1 - lr * o->weight_decay) : 1,
        .decay = is_decoupled ? 0 : (float)o->weight_decay,
        .beta1 = (float)o->beta1,
        .share1 = (float)(1 - o->beta1),
        .beta2 = (float)o->beta2,
        .share2 = (float)(1 - o->beta2),
        .rate = (float)-(lr / (1 - pow(o->beta1, (double)step))),
        .correction = (float)sqrt(1 - pow(o->beta2, (double)step)),
        .epsilon = (float)o->eps,
    };
    return 1;
}

static int step_adam(float *params, const float *grads, float *const *states, int64_t n,
                     int64_t step, double lr, const crd_optimizer_options *options)
{
    crd_adam adam;
    crd_optimizer_adam(&adam, step, lr, options);
    return crd_kernels_get()->param->adam(params, grads, states[0], states[1], n, &adam);
}

int crd_optimizer_step(float *params, const float *grads, float *const *states, int64_t n,
                       int64_t step, double lr, const crd_optimizer_options *options)
{
    return find(options)->step(params, grads, states, n, step, lr, options);
}

double crd_clip_factor(double norm, double max_norm)
{
    double factor = max_norm / (norm + 1e-6);
    return factor < 1 ? factor : 1;
}
