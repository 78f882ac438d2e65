/* Learning rates by epoch: the closed forms of torch.optim.lr_scheduler, after a linear warm-up. */
#include <math.h>
#include <string.h>

#include "base/names.h"
#include "credence/optim.h"

static const double pi = 3.14159265358979323846;

static crd_status check_none(const crd_schedule *s)
{
    (void)s;
    return CRD_OK;
}

static double constant(const crd_schedule *s, double base, int64_t epoch)
{
    (void)s;
    (void)epoch;
    return base;
}

static crd_status check_gamma(const crd_schedule *s)
{
    if (isfinite(s->gamma) && s->gamma > 0)
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_USAGE, "gamma: %g is not a positive number", s->gamma);
}

static double exponential(const crd_schedule *s, double base, int64_t epoch)
{
    return base * pow(s->gamma, (double)epoch);
}

static crd_status check_step(const crd_schedule *s)
{
    if (s->step_size < 1)
        return CRD_FAIL(CRD_ERR_USAGE, "step_size: %lld epochs; it must be at least 1",
                        (long long)s->step_size);
    return check_gamma(s);
}

static double step(const crd_schedule *s, double base, int64_t epoch)
{
    return base * pow(s->gamma, (double)(epoch / s->step_size));
}

static crd_status check_multistep(const crd_schedule *s)
{
    const int most = sizeof s->milestones / sizeof *s->milestones;
    if (s->n_milestones < 1 || s->n_milestones > most)
        return CRD_FAIL(CRD_ERR_USAGE, "milestones: there are %d; 1 to %d are allowed",
                        s->n_milestones, most);
    for (int i = 0; i < s->n_milestones; i++)
        if (s->milestones[i] < 0 || (i > 0 && s->milestones[i] < s->milestones[i - 1]))
            return CRD_FAIL(CRD_ERR_USAGE,
                            "milestones: epoch %lld is negative or smaller than the one before it",
                            (long long)s->milestones[i]);
    return check_gamma(s);
}

static double multistep(const crd_schedule *s, double base, int64_t epoch)
{
    int passed = 0;
    while (passed < s->n_milestones && s->milestones[passed] <= epoch)
        passed++;
    return base * pow(s->gamma, (double)passed);
}

static crd_status check_cosine(const crd_schedule *s)
{
    if (s->t_max < 1)
        return CRD_FAIL(CRD_ERR_USAGE, "t_max: %lld epochs; it must be at least 1",
                        (long long)s->t_max);
    if (!(isfinite(s->lr_min) && s->lr_min >= 0))
        return CRD_FAIL(CRD_ERR_USAGE, "lr_min: %g is not zero or a positive number", s->lr_min);
    return CRD_OK;
}

static double cosine(const crd_schedule *s, double base, int64_t epoch)
{
    return s->lr_min + (base - s->lr_min) * (1 + cos(pi * (double)epoch / (double)s->t_max)) / 2;
}

typedef struct schedule_kind {
    const char *name;
    crd_status (*check)(const crd_schedule *schedule);
    double (*lr)(const crd_schedule *schedule, double base, int64_t epoch);
} schedule_kind;

static const schedule_kind kinds[] = {
    {"constant", check_none, constant}, {"exponential", check_gamma, exponential},
    {"step", check_step, step},         {"multistep", check_multistep, multistep},
    {"cosine", check_cosine, cosine},
};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

const char *const *crd_schedule_names(void)
{
    static const char *const names[N_KINDS + 1] = {"constant",  "exponential", "step",
                                                   "multistep", "cosine",      NULL};
    return names;
}

crd_status crd_schedule_check(const crd_schedule *schedule)
{
    int kind;
    crd_status status =
        crd_names_require(&kind, crd_schedule_names(), schedule->name, "schedule", CRD_ERR_USAGE);
    if (status != CRD_OK)
        return status;
    if (schedule->warmup < 0)
        return CRD_FAIL(CRD_ERR_USAGE, "warmup: %lld epochs; it must not be negative",
                        (long long)schedule->warmup);
    return kinds[kind].check(schedule);
}

double crd_schedule_lr(const crd_schedule *schedule, double base_lr, int64_t epoch)
{
    if (epoch < schedule->warmup)
        return base_lr * (double)(epoch + 1) / (double)schedule->warmup;
    return kinds[crd_names_find(crd_schedule_names(), schedule->name)].lr(schedule, base_lr,
                                                                          epoch - schedule->warmup);
}
