/* Learning rates by epoch, and of cyclic ones by step: the closed forms of torch.optim.lr_scheduler
 * and of the authors of fast geometric ensembles, after a linear warm-up. */
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

static double constant(const crd_schedule *s, double base, int64_t epoch, double done)
{
    (void)s;
    (void)epoch;
    (void)done;
    return base;
}

static crd_status check_gamma(const crd_schedule *s)
{
    if (isfinite(s->gamma) && s->gamma > 0)
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_USAGE, "gamma: %g is not a positive number", s->gamma);
}

static double exponential(const crd_schedule *s, double base, int64_t epoch, double done)
{
    (void)done;
    return base * pow(s->gamma, (double)epoch);
}

static crd_status check_step(const crd_schedule *s)
{
    if (s->step_size < 1)
        return CRD_FAIL(CRD_ERR_USAGE, "step_size: %lld epochs; it must be at least 1",
                        (long long)s->step_size);
    return check_gamma(s);
}

static double step(const crd_schedule *s, double base, int64_t epoch, double done)
{
    (void)done;
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

static double multistep(const crd_schedule *s, double base, int64_t epoch, double done)
{
    int passed = 0;
    (void)done;
    while (passed < s->n_milestones && s->milestones[passed] <= epoch)
        passed++;
    return base * pow(s->gamma, (double)passed);
}

static crd_status check_lr_min(const crd_schedule *s)
{
    if (!(isfinite(s->lr_min) && s->lr_min >= 0))
        return CRD_FAIL(CRD_ERR_USAGE, "lr_min: %g is not zero or a positive number", s->lr_min);
    return CRD_OK;
}

static crd_status check_cosine(const crd_schedule *s)
{
    if (s->t_max < 1)
        return CRD_FAIL(CRD_ERR_USAGE, "t_max: %lld epochs; it must be at least 1",
                        (long long)s->t_max);
    return check_lr_min(s);
}

static double cosine(const crd_schedule *s, double base, int64_t epoch, double done)
{
    (void)done;
    return s->lr_min + (base - s->lr_min) * (1 + cos(pi * (double)epoch / (double)s->t_max)) / 2;
}

static crd_status check_cycle(const crd_schedule *s)
{
    if (s->cycle < 1)
        return CRD_FAIL(CRD_ERR_USAGE, "cycle: %lld epochs; it must be at least 1",
                        (long long)s->cycle);
    return check_lr_min(s);
}

/* The part of a cycle that is over, in [0, 1). */
static double part_of_cycle(const crd_schedule *s, int64_t epoch, double done)
{
    return ((double)(epoch % s->cycle) + done) / (double)s->cycle;
}

static double cosine_restarts(const crd_schedule *s, double base, int64_t epoch, double done)
{
    return s->lr_min + (base - s->lr_min) * (1 + cos(pi * part_of_cycle(s, epoch, done))) / 2;
}

static double triangular(const crd_schedule *s, double base, int64_t epoch, double done)
{
    return s->lr_min + (base - s->lr_min) * fabs(1 - 2 * part_of_cycle(s, epoch, done));
}

typedef struct schedule_kind {
    const char *name;
    crd_status (*check)(const crd_schedule *schedule);
    double (*lr)(const crd_schedule *schedule, double base, int64_t epoch, double done);
} schedule_kind;

static const schedule_kind kinds[] = {
    {"constant", check_none, constant},
    {"exponential", check_gamma, exponential},
    {"step", check_step, step},
    {"multistep", check_multistep, multistep},
    {"cosine", check_cosine, cosine},
    {"cosine-restarts", check_cycle, cosine_restarts},
    {"triangular", check_cycle, triangular},
};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

const char *const *crd_schedule_names(void)
{
    static const char *const names[N_KINDS + 1] = {"constant",   "exponential", "step",
                                                   "multistep",  "cosine",      "cosine-restarts",
                                                   "triangular", NULL};
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

double crd_schedule_lr_at(const crd_schedule *schedule, double base_lr, int64_t epoch, double done)
{
    if (epoch < schedule->warmup)
        return base_lr * (double)(epoch + 1) / (double)schedule->warmup;
    return kinds[crd_names_find(crd_schedule_names(), schedule->name)].lr(
        schedule, base_lr, epoch - schedule->warmup, done);
}

double crd_schedule_lr(const crd_schedule *schedule, double base_lr, int64_t epoch)
{
    return crd_schedule_lr_at(schedule, base_lr, epoch, 0);
}
