/* Batches of a training run in every node's shared memory. Rank 0 reads ahead in a thread
 * (prefetch.c); the batch of the next step is broadcast while this one computes. */
#include "engine/batches.h"

#include <string.h>

#include "base/alloc.h"
#include "base/integers.h"
#include "engine/prefetch.h"

/* Batches that rank 0 has ready beside the two that travel or are in use. */
enum { N_AHEAD = 2 };

/* Places of labels and values in a batch's bytes; images come first. */
typedef struct layout {
    int64_t labels, values, n_bytes;
} layout;

struct crd_batches {
    crd_comm *comm;
    crd_batches_plan plan;
    const crd_train_hooks *hooks;
    layout layout;
    int64_t per_epoch;    /* batches of an epoch */
    int64_t skipped;      /* batches that were done before */
    int64_t next, n;      /* of the batches to come */
    crd_prefetch *reader; /* rank 0 */
    crd_shared *blocks[2];
    crd_status pending; /* rank 0's failure to read the batch that is next */
};

static crd_batch batch_of(const crd_batches *b, int64_t i, char *bytes)
{
    int64_t number = b->skipped + i;
    crd_batch batch = {
        .epoch = b->plan.first_epoch + number / b->per_epoch,
        .first = number % b->per_epoch * b->plan.batch_size,
        .images = (const float *)(void *)bytes,
        .labels = (const int64_t *)(void *)(bytes + b->layout.labels),
        .values = (const float *)(void *)(bytes + b->layout.values),
    };
    int64_t left = b->plan.n_images - batch.first;
    batch.n = left < b->plan.batch_size ? left : b->plan.batch_size;
    return batch;
}

/* In the reader's thread. */
static crd_status read_batch(void *bytes, int64_t i, void *payload)
{
    const crd_batches *b = payload;
    crd_batch batch = batch_of(b, i, bytes);
    return b->hooks->load(bytes, (int64_t *)(void *)((char *)bytes + b->layout.labels),
                          (float *)(void *)((char *)bytes + b->layout.values), batch.epoch,
                          batch.first, batch.n, b->hooks->payload);
}

static layout make_layout(const crd_batches_plan *plan)
{
    const int64_t line = CRD_ALIGNMENT;
    int64_t n = crd_smaller(plan->batch_size, plan->n_images);
    layout l;
    l.labels = (n * plan->image_floats * (int64_t)sizeof(float) + line - 1) / line * line;
    l.values = (l.labels + n * (int64_t)sizeof(int64_t) + line - 1) / line * line;
    l.n_bytes = l.values + n * plan->value_floats * (int64_t)sizeof(float);
    return l;
}

crd_status crd_batches_create(crd_batches **out, crd_comm *comm, const crd_batches_plan *plan,
                              const crd_train_hooks *hooks)
{
    crd_status status = CRD_OK;
    crd_batches *b = NULL;
    *out = NULL;
    CRD_TRY(crd_comm_agree(comm, crd_alloc_zeroed((void **)&b, 1, sizeof *b, "batches")));
    b->comm = comm;
    b->plan = *plan;
    if (b->plan.batch_size > b->plan.n_images) /* a batch is never larger than the data */
        b->plan.batch_size = b->plan.n_images;
    b->hooks = hooks;
    b->layout = make_layout(&b->plan);
    b->per_epoch = (plan->n_images + b->plan.batch_size - 1) / b->plan.batch_size;
    b->skipped = plan->first_place / b->plan.batch_size;
    b->n = (plan->n_epochs - plan->first_epoch) * b->per_epoch - b->skipped;
    for (int i = 0; i < 2; i++)
        CRD_TRY(crd_shared_create(&b->blocks[i], comm, b->layout.n_bytes));
    if (crd_comm_rank(comm) == 0 && b->n > 0)
        status = crd_prefetch_start(&b->reader, read_batch, b, b->n, b->layout.n_bytes, N_AHEAD);
    CRD_TRY(crd_comm_agree(comm, status));
    *out = b;
    return CRD_OK;
cleanup:
    crd_batches_destroy(b);
    return status;
}

void crd_batches_destroy(crd_batches *batches)
{
    if (batches == NULL)
        return;
    crd_prefetch_stop(batches->reader);
    /* A batch may still be on its way: it was begun on all ranks. */
    if (batches->next > 0 && batches->next < batches->n)
        crd_shared_end(batches->blocks[batches->next % 2]);
    for (int i = 1; i >= 0; i--)
        crd_shared_destroy(batches->blocks[i]);
    crd_free(batches);
}

int64_t crd_batches_left(const crd_batches *batches)
{
    return batches->n - batches->next;
}

/* Rank 0 hands batch i to its node; a failure is kept until the batch is due. */
static void fill(crd_batches *b, int64_t i)
{
    void *bytes;
    if (crd_comm_rank(b->comm) != 0)
        return;
    b->pending = crd_prefetch_next(&bytes, b->reader);
    if (b->pending == CRD_OK)
        memcpy(crd_shared_data(b->blocks[i % 2]), bytes, (size_t)b->layout.n_bytes);
}

crd_status crd_batches_next(crd_batch *out, crd_batches *b)
{
    crd_shared *block = b->blocks[b->next % 2];
    if (b->next == 0) {
        fill(b, 0);
        crd_shared_begin(block, b->layout.n_bytes);
    }
    crd_shared_end(block);
    crd_status status = crd_comm_agree(b->comm, b->pending);
    *out = batch_of(b, b->next, crd_shared_data(block));
    if (++b->next < b->n) {
        if (status == CRD_OK)
            fill(b, b->next);
        crd_shared_begin(b->blocks[b->next % 2], b->layout.n_bytes);
    }
    return status;
}
