/* After the last step of an epoch: its figures, the validation, and what the caller does with
 * them. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "engine/train_run.h"

/* The KL divergence in the loss of the epoch that is over, if it has one. It costs a pass over
 * all parameters. */
static void measure_kl(crd_epoch *e, const crd_train_run *r)
{
    const crd_train_options *o = r->options;
    double kl_weight = o->gradient.mean ? 0 : crd_update_kl_weight(o, r->state->epoch);
    e->loss = e->data_term;
    if (kl_weight == 0)
        return;
    crd_posterior_kl(&e->kl_sum, &e->kl_mean, r->state->posterior);
    double kl = o->kl == CRD_KL_SUM ? e->kl_sum : e->kl_mean;
    e->loss += kl_weight * kl;
    /* Its weight against the true ELBO's 1 / n_images. */
    e->temperature =
        kl_weight * (o->kl == CRD_KL_SUM ? 1 : e->kl_mean / e->kl_sum) * (double)o->n_images;
}

/* Of the epoch that has just been counted, if it is one to validate after. */
static crd_status validate(crd_epoch *e, crd_train_run *r)
{
    const crd_train_options *o = r->options;
    double start_s = crd_clock_now_s();
    if (o->validate_every == 0 || r->hooks->validate == NULL ||
        (e->epoch % o->validate_every != 0 && e->epoch != o->n_epochs))
        return CRD_OK;
    crd_status status = r->hooks->validate(e->validation, r->state, r->hooks->payload);
    e->validation_seconds = crd_clock_now_s() - start_s;
    return status;
}

crd_status crd_train_finish_epoch(crd_train_run *r, double seconds)
{
    crd_status status = CRD_OK;
    crd_train_state *s = r->state;
    const crd_train_options *o = r->options;
    int is_first = crd_comm_rank(r->comm) == 0;
    crd_epoch *e = &s->history[s->epoch];
    *e = (crd_epoch){
        .epoch = s->epoch + 1,
        .step = s->step,
        .data_term = s->sums[0] / s->sums[2],
        .kl_sum = NAN,
        .kl_mean = NAN,
        .lr = crd_schedule_lr(&o->schedule, o->optimizer.lr, s->epoch),
        .accuracy = s->sums[3] > 0 ? s->sums[1] / s->sums[3] : NAN,
        .seconds = seconds,
        .validation = {NAN, NAN, NAN, NAN},
        .validation_seconds = NAN,
    };
    crd_train_finish_posterior(r);
    measure_kl(e, r);
    s->epoch++;
    s->batch = 0;
    memset(s->sums, 0, sizeof s->sums);
    CRD_TRY(validate(e, r));
    int is_best = crd_epoch_best(s->history, s->epoch) == e;
    if (is_best)
        s->best = crd_epoch_score(e);
    if (is_first && is_best && r->hooks->best != NULL)
        r->hooks->best(s, r->hooks->payload);
    if (is_first && r->hooks->epoch != NULL)
        r->hooks->epoch(s, r->hooks->payload);
cleanup:
    return status;
}
