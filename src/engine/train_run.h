/** A training run under way: what its files share. train.c has the options, the memory and the
 * loop; train_units.c the gradients of units; train_sums.c the messages; train_step.c the ways
 * of making a step; train_ivon.c what IVON has of its own; train_collect.c the networks that are
 * collected; train_epoch.c what follows an epoch. */
#ifndef CRD_ENGINE_TRAIN_RUN_H
#define CRD_ENGINE_TRAIN_RUN_H

#include "base/integers.h"
#include "bayes/gradient.h"
#include "credence/train.h"
#include "engine/batches.h"
#include "engine/checkpoint_timer.h"
#include "engine/update.h"

/* What a step adds up beside the gradient. Loss in units of 2^-24: up to 2^38 over all images
 * and draws. */
enum { SUM_LOSS, SUM_RIGHT, SUM_ROWS, SUM_LABELS, N_EXTRA, LOSS_BITS = 24 };

/* Sums that travel together: [first, first + n) of the mu block and, from the first to the last
 * parameter with a posterior, [rho_first, rho_first + n_rho) of the rho block. */
typedef struct crd_train_bucket {
    int64_t first, n, rho_first, n_rho;
} crd_train_bucket;

typedef struct crd_train_run {
    crd_comm *comm;
    crd_train_state *state;
    const crd_train_options *options;
    const crd_train_hooks *hooks;
    crd_gradient *gradient;
    crd_sampler *teacher; /* the deterministic network, for mse-distill */
    crd_batches *batches;
    crd_update *update;
    int64_t n_floats, n_outputs, image_floats, value_floats;
    int64_t *sums; /* of the gradient; NULL: no step needs them */
    int64_t extra[N_EXTRA];
    crd_train_bucket *buckets; /* [n_buckets] last parameters first */
    int n_buckets, n_begun;
    int is_checked;         /* 1: the ranks have been seen to compute the same bits */
    float *logits, *taught; /* of a micro-batch: a draw's, the teacher's */
    float *base;            /* local steps: [2 * n_floats] mu and rho of the last average */
    int64_t local_images;   /* local steps: trained on since then by this rank */
    double start_s;
    crd_checkpoint_timer timer;
} crd_train_run;

/** 1: the ranks make steps on their own between two averages. */
int crd_train_is_local(const crd_train_run *r);
/** Batches that travel together: with local steps one for every rank. */
int64_t crd_train_group(const crd_train_run *r);
/** 1: a step on so many images needs no sums. */
int crd_train_is_at_once(const crd_train_run *r, int64_t n_images);
/** One step of the run: gradients, update, counters. Collective. */
crd_status crd_train_make_step(crd_train_run *r, const crd_batch *batch);
/** The posterior's values are the gradient's from now on. */
crd_status crd_train_set_parameters(crd_train_run *r);
/** The posterior is whole: before anybody looks at it. */
void crd_train_finish_posterior(crd_train_run *r);
/** Local steps: the posterior's values are those of the last average. */
void crd_train_set_base(crd_train_run *r);

/** Units (micro-batch, draw) of a batch. */
int64_t crd_train_count_units(const crd_train_run *r, int64_t n_images);
/** Images that go through the network together: of a small data set all, and memory is for no
 * more. */
int64_t crd_train_most_images(const crd_train_run *r);
crd_status crd_train_run_unit(crd_train_run *r, const crd_batch *batch, int64_t unit,
                              const crd_gradient_target *target);
/** Units `first`, `first` + `step`, ... of a batch, added up: the first begins the sums, and the
 * last one's may travel as they get ready. */
crd_status crd_train_run_units(crd_train_run *r, const crd_batch *batch, int64_t first,
                               int64_t step, crd_gradient_ready *ready);
/** Every rank computes the gradient of the run's first micro-batch: what they get must be equal.
 * Collective. */
crd_status crd_train_check_ranks(crd_train_run *r, const crd_batch *batch);

/** Cuts the parameters, last first, at tensors' borders into stretches worth a message. */
crd_status crd_train_plan_buckets(crd_train_run *r, const crd_posterior *posterior);
/** Sums of all stretches from `first` on are final: they may travel. All ranks begin the same
 * messages in the same order, whether they had work or not. */
void crd_train_begin_sums(crd_train_run *r, int64_t first);
crd_gradient_ready crd_train_on_ready; /**< payload: the run */

/** Steps of an epoch, of one batch each. */
int64_t crd_train_steps_per_epoch(const crd_train_options *options);
/** Errors: CRD_ERR_USAGE. */
crd_status crd_train_check_collect(const crd_train_options *options);
/** Adds the network to the collection, if one is due after this step. Collective. */
crd_status crd_train_collect(crd_train_run *r);

/** The epoch is over: its figures, the validation, the hooks. Collective. */
crd_status crd_train_finish_epoch(crd_train_run *r, double seconds);

#endif
