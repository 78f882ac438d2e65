/* The cost models of a prediction, units that a sample's errors ask for and seconds on R ranks,
 * and of a run of chains. Pure arithmetic; the terms are in jobs/README.md, "How it scales".
 * Latency and bandwidth are not in it. */
#include "credence/cost_model.h"

#include <math.h>

#include "base/integers.h"

/* Efficiency down to which more ranks are recommended. */
#define GOOD_EFFICIENCY 0.8

int64_t crd_cost_model_stop(const crd_stopping_rule *rule, int64_t n_draws, double mcse,
                            double target)
{
    double needed = (double)n_draws * (mcse / target) * (mcse / target);
    int64_t look = crd_stopping_rule_next(rule, 0);
    while (look < rule->max_draws && !((double)look > needed))
        look = crd_stopping_rule_next(rule, look);
    return look;
}

/* Batches of n_images that are still computed after a look: those of which not all images have
 * stopped there. */
static double batches_after(const crd_cost_model *f, int64_t look, int64_t n_images)
{
    int64_t n_stopped = 0, n_batches = crd_divide_up(n_images, f->batch);
    while (n_stopped < f->n_sample && f->stops[n_stopped] <= look)
        n_stopped++;
    double share = (double)n_stopped / (double)f->n_sample;
    double in_batch = (double)n_images / (double)n_batches;
    return (double)n_batches * (1 - pow(share, in_batch));
}

/* Sum over the stretches between looks of the units that a rank of n_ranks computes in turn; 0:
 * all units. */
static double count(const crd_cost_model *f, int64_t n_ranks, int64_t n_images)
{
    double sum = 0;
    for (int64_t look = 0; look < f->rule.max_draws;) {
        int64_t next = crd_stopping_rule_next(&f->rule, look);
        double n_blocks =
            (double)(crd_divide_up(next, f->rule.block) - crd_divide_up(look, f->rule.block));
        double units = batches_after(f, look, n_images) * n_blocks;
        sum += n_ranks == 0 ? units : ceil(units / (double)n_ranks - 1e-9);
        look = next;
    }
    return sum;
}

double crd_cost_model_units(const crd_cost_model *forecast)
{
    return count(forecast, 0, forecast->n_images);
}

static double read_s(const crd_cost_model *f, int64_t n_ranks, int64_t n_images)
{
    return f->image_s * (double)n_images / (double)crd_smaller(n_ranks, f->node_ranks);
}

/* A window, before whose units rank 0's node reads n_next images: the units are dealt to the
 * nodes before. */
static double window_s(const crd_cost_model *f, int64_t n_ranks, int64_t n_images, int64_t n_next)
{
    return read_s(f, n_ranks, n_next) + fmax(f->unit_s * count(f, n_ranks, n_images), f->weights_s);
}

double crd_cost_model_seconds(const crd_cost_model *f, int64_t n_ranks, int64_t window_images)
{
    int64_t n_full = f->n_images / window_images, rest = f->n_images % window_images;
    double sum = f->start_s + read_s(f, n_ranks, crd_smaller(window_images, f->n_images));
    if (n_full > 0)
        sum += (double)(n_full - 1) * window_s(f, n_ranks, window_images, window_images) +
               window_s(f, n_ranks, window_images, rest);
    return sum + (rest > 0 ? window_s(f, n_ranks, rest, 0) : 0);
}

double crd_sample_cost_seconds(const crd_sample_cost *c, int64_t n_ranks)
{
    int64_t n_groups = crd_smaller(n_ranks, c->n_chains);
    double n_own = (double)crd_divide_up(c->n_chains, n_groups);
    double units = ceil(c->n_units / (double)(n_ranks / n_groups) - 1e-9);
    if (n_ranks < 2 * n_groups)
        units = c->n_units;
    return c->start_s + (double)c->n_gradients * n_own * (units * c->unit_s + c->rest_s);
}

int64_t crd_cost_model_good_ranks(const int64_t *ranks, const double *efficiencies, int n)
{
    int64_t best = ranks[0];
    for (int i = 0; i < n; i++)
        if (efficiencies[i] >= GOOD_EFFICIENCY && ranks[i] > best)
            best = ranks[i];
    return best;
}
