/* Checkpoints of a prediction on rank 0: takes one up, writes one when asked, removes them at the
 * end. Saved draws lie in a file of their own, which is replayed into the output. */
#include "app/checkpointer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/integers.h"
#include "credence/log.h"
#include "io/atomic.h"

static crd_status make_paths(crd_checkpointer *k, const char *output)
{
    crd_status status = CRD_OK;
    size_t size = strlen(output) + 16;
    CRD_ALLOC(&k->path, size, "path");
    CRD_ALLOC(&k->draws_path, size, "path");
    snprintf(k->path, size, "%s.ckpt", output);
    snprintf(k->draws_path, size, "%s.ckpt.draws", output);
cleanup:
    return status;
}

static int64_t n_blocks(const crd_checkpointer *k)
{
    return crd_divide_up(k->n_draws, k->block);
}

/** 1 if the state says that the unit of this batch and draw block is done; both counted in the
 * run. */
static int is_done(const crd_checkpointer *k, int64_t batch, int64_t block)
{
    const crd_predict_state *s = &k->state;
    int64_t window_batch = batch - s->first_image / k->batch;
    int64_t round_block = block - s->first_block;
    if (window_batch < 0)
        return 1;
    if (window_batch * k->batch >= s->n_images || round_block >= s->n_blocks)
        return 0;
    if (round_block < 0)
        return 1;
    int64_t i = window_batch * s->n_blocks + round_block;
    return (int)(s->done[i / 64] >> i % 64 & 1);
}

/** Takes the draws of all units that are done over into the output. */
static crd_status replay_draws(crd_checkpointer *k)
{
    crd_status status = CRD_OK;
    float *outputs = NULL;
    int64_t n_batches = crd_divide_up(k->n_images, k->batch);
    CRD_ALLOC(&outputs, k->batch * k->block * k->n_outputs, "outputs");
    for (int64_t batch = 0; batch < n_batches; batch++)
        for (int64_t block = 0; block < n_blocks(k); block++) {
            if (!is_done(k, batch, block))
                continue;
            int64_t image = batch * k->batch, draw = block * k->block;
            int64_t n = crd_smaller(k->batch, k->n_images - image);
            int64_t n_draws = crd_smaller(k->block, k->n_draws - draw);
            CRD_TRY(crd_draws_read(outputs, k->draws, batch * n_blocks(k) + block,
                                   n * n_draws * k->n_outputs));
            CRD_TRY(crd_prediction_write_draws(k->file, outputs, draw, n_draws, image, n));
        }
cleanup:
    crd_free(outputs);
    return status;
}

static crd_status open_draws(crd_checkpointer *k, int is_new)
{
    int64_t n_batches = crd_divide_up(k->n_images, k->batch);
    if (is_new)
        crd_atomic_guard(k->draws_path); /* nobody asks for them before there is a checkpoint */
    return crd_draws_open(&k->draws, k->draws_path, n_batches * n_blocks(k),
                          k->batch * k->block * k->n_outputs, k->key, is_new);
}

/** Takes the checkpoint's draws over. Without them it is of no use: the run begins anew then. */
static crd_status resume_draws(crd_checkpointer *k, const crd_prediction_meta *meta)
{
    crd_status status = crd_prediction_resume(&k->state, k->path, meta, k->key, NULL, NULL);
    if (status != CRD_OK || k->state.n_images == 0)
        return status;
    status = open_draws(k, 0);
    if (status == CRD_OK)
        status = replay_draws(k);
    if (status == CRD_ERR_INPUT) {
        crd_log(CRD_LOG_WARN, "%s; the run begins anew", crd_status_message());
        crd_draws_close(k->draws, 0);
        k->draws = NULL;
        status = CRD_OK;
    }
    crd_predict_state_clear(&k->state);
    return status;
}

crd_status crd_checkpointer_open(crd_checkpointer *k, const crd_checkpointer_run *run,
                                 crd_prediction_rows *rows, void *payload)
{
    crd_status status = CRD_OK;
    const crd_prediction_meta *meta = run->meta;
    int has_draws = meta->save_draws, resumes = run->resumes;
    *k = (crd_checkpointer){.file = run->file,
                            .provenance = run->provenance,
                            .batch = run->options->sampler.batch,
                            .block = run->options->sampler.draw_block,
                            .n_draws = run->options->n_draws,
                            .n_images = meta->n_images,
                            .n_outputs = meta->reduction->n_outputs,
                            .n_kept = -1};
    CRD_TRY(make_paths(k, run->output));
    snprintf(k->key, sizeof k->key, "%s", run->key);
    if (!resumes && access(k->path, F_OK) == 0)
        crd_log(CRD_LOG_WARN,
                "%s of an earlier run will be replaced; --resume would continue from it", k->path);
    if (resumes && has_draws)
        CRD_TRY(resume_draws(k, meta));
    if (resumes && (!has_draws || k->draws != NULL))
        CRD_TRY(crd_prediction_resume(&k->state, k->path, meta, k->key, rows, payload));
    if (has_draws && k->draws == NULL)
        CRD_TRY(open_draws(k, 1));
    if (k->state.n_images > 0)
        k->n_kept = k->state.n_units_done;
    if (k->n_kept >= 0)
        crd_log(CRD_LOG_INFO, "%s: continuing after %lld of %lld units", k->path,
                (long long)k->n_kept, (long long)k->state.n_units_all);
cleanup:
    return status;
}

crd_status crd_checkpointer_add_draws(crd_checkpointer *k, const float *outputs, int64_t first_draw,
                                      int64_t n_draws, int64_t first_image, int64_t n_images)
{
    return crd_draws_write(k->draws, first_image / k->batch * n_blocks(k) + first_draw / k->block,
                           outputs, n_draws * n_images * k->n_outputs);
}

void crd_checkpointer_write(crd_checkpointer *k, const crd_predict_state *state)
{
    /* The draws first: what a checkpoint calls done must be there. */
    crd_status status = k->draws != NULL ? crd_draws_sync(k->draws) : CRD_OK;
    if (status == CRD_OK)
        status = crd_prediction_write_checkpoint(k->file, k->path, state, k->key, k->provenance);
    k->has_failed = status != CRD_OK;
    if (status == CRD_OK) {
        k->n_kept = state->n_units_done;
        crd_atomic_unguard(k->draws_path);
    } else {
        crd_log(CRD_LOG_WARN, "no checkpoint: %s", crd_status_message());
    }
}

crd_status crd_checkpointer_conclude(const crd_checkpointer *k, crd_status status)
{
    if (k->path == NULL)
        return status;
    if (status == CRD_STOPPED && k->has_failed)
        return CRD_FAIL(CRD_ERR_IO, "%s: cannot be written, and the run was stopped", k->path);
    if (status == CRD_OK || status == CRD_STOPPED || k->n_kept < 0)
        return status;
    return crd_status_set(status, "%s; %s holds %lld units", crd_status_message(), k->path,
                          (long long)k->n_kept);
}

void crd_checkpointer_close(crd_checkpointer *k, int is_done)
{
    if (k->path == NULL)
        return;
    /* Without a checkpoint nobody asks for the draws again. */
    crd_draws_close(k->draws, is_done || k->n_kept < 0);
    crd_atomic_unguard(k->draws_path);
    if (is_done && crd_prediction_forget(k->path) != CRD_OK)
        crd_log(CRD_LOG_WARN, "%s", crd_status_message());
    crd_predict_state_clear(&k->state);
    crd_free(k->draws_path);
    crd_free(k->path);
    k->path = NULL;
}
