/* After a step at which a network is due: rank 0 adds it to the collection. All ranks have the same
 * parameters, so that nothing travels. */
#include "bayes/collection.h"
#include "engine/train_run.h"

int64_t crd_train_steps_per_epoch(const crd_train_options *options)
{
    return crd_divide_up(options->n_images, options->batch_size);
}

crd_status crd_train_check_collect(const crd_train_options *o)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(o->collect.kind == CRD_COLLECT_NOTHING || (o->gradient.mean && o->local_steps == 1),
                CRD_ERR_USAGE,
                "networks are collected of a deterministic training without local "
                "steps only");
    CRD_TRY(crd_collect_check(&o->collect, o->n_epochs, crd_train_steps_per_epoch(o)));
cleanup:
    return status;
}

crd_status crd_train_collect(crd_train_run *r)
{
    crd_status status = CRD_OK;
    const crd_train_state *s = r->state;
    if (!crd_collect_is_due(&r->options->collect, s->step, crd_train_steps_per_epoch(r->options)))
        return CRD_OK;
    if (crd_comm_rank(r->comm) == 0)
        status = crd_collection_add(s->collection, s->posterior->mu, s->step);
    return crd_comm_agree(r->comm, status);
}
