/** What is kept of a prediction that is not over yet: its checkpoint, and the draws so far. For
 * app. All functions: Collective: no. */
#ifndef CRD_IO_PREDICTION_CHECKPOINT_H
#define CRD_IO_PREDICTION_CHECKPOINT_H

#include "credence/files.h"
#include "reduce/predict_state.h"

/** Keeps the state of a run whose rows go to `file`: PATH is a prediction file itself, with the
 * rows of the draws done so far (n_draws of each image; root attribute complete = 0), and a
 * group `checkpoint`. Generations, `fingerprint` and errors as crd_checkpoint_write. Draws are
 * not in it: crd_draws_file. Cost: as much to write as the whole file without draws. */
crd_status crd_prediction_write_checkpoint(crd_prediction_file *file, const char *path,
                                           const crd_predict_state *state, const char *fingerprint,
                                           const crd_provenance *provenance);
/** Reads such a state back; rows of finished images go to `rows`, in order, unless it is NULL.
 * *state is empty (n_images 0) if there is no checkpoint. `meta` is this run's: reduction and
 * n_images count. Generations, `fingerprint` and errors as crd_checkpoint_read, and those of
 * `rows`. Clear the state. */
typedef crd_status crd_prediction_rows(const crd_summary *summary, int64_t first_image,
                                       void *payload);
crd_status crd_prediction_resume(crd_predict_state *state, const char *path,
                                 const crd_prediction_meta *meta, const char *fingerprint,
                                 crd_prediction_rows *rows, void *payload);
/** Removes a checkpoint and the one before it. */
crd_status crd_prediction_forget(const char *path);

/** The draws of a run that is not over yet: one record a unit, each with its own checksum. */
typedef struct crd_draws_file crd_draws_file;

/** Opens PATH for n_records records of up to n_floats numbers. is_new: a new file takes the
 * place of what is there, without touching what a link there leads to; else what is there is
 * kept, which must be a plain file of one name. `key` says which run they belong to: records of
 * another one do not count. Disk space is taken for all of them. Errors: CRD_ERR_IO;
 * CRD_ERR_INPUT: there is no such file. Close it. */
crd_status crd_draws_open(crd_draws_file **out, const char *path, int64_t n_records,
                          int64_t n_floats, const char *key, int is_new);
/** Writes record i, with n <= n_floats numbers. Errors: CRD_ERR_IO. */
crd_status crd_draws_write(crd_draws_file *file, int64_t i, const float *values, int64_t n);
/** Reads it back. Errors: CRD_ERR_INPUT: it is not what was written. */
crd_status crd_draws_read(float *values, crd_draws_file *file, int64_t i, int64_t n);
/** What has been written is on the disk. Errors: CRD_ERR_IO. */
crd_status crd_draws_sync(crd_draws_file *file);
/** Closes it; removes it too if `remove`. NULL is allowed. */
void crd_draws_close(crd_draws_file *file, int remove);

#endif
