/* A step: the batch is in every node's shared memory; each rank runs its units and adds their gradients in fixed
 * point; the sums travel while the last unit's backward pass is still on its way to the input; then every
 * rank makes the same update on its own copy. The next batch is loaded and broadcast meanwhile. */
#include "credence/train.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/batches.h"
#include "engine/update.h"

/* What a step adds up beside the gradient. Loss in units of 2^-24: up to 2^38 over all images and draws. */
enum { SUM_LOSS, SUM_RIGHT, SUM_ROWS, N_EXTRA, LOSS_BITS = 24 };

/* Parameters are averaged in stretches of at least this many floats. */
enum { BUCKET_FLOATS = 1 << 18 };

typedef struct train_run {
    crd_comm *comm;
    crd_train_state *state;
    const crd_train_options *options;
    const crd_train_hooks *hooks;
    crd_gradient *gradient;
    crd_sampler *teacher; /* the deterministic network, for mse-distill */
    crd_batches *batches;
    crd_update *update;
    int64_t n_floats, n_outputs;
    int64_t *sums;        /* [n_sums] gradient, then N_EXTRA */
    int64_t *buckets;     /* [n_buckets + 1] descending starts: bucket k is [buckets[k + 1], buckets[k]) */
    int n_buckets, next_bucket;
    float *logits;        /* of a micro-batch */
    float *values;        /* teacher's logits of a micro-batch */
} train_run;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t n_parts(int64_t n, int64_t part)
{
    return (n + part - 1) / part;
}
