/** Credence's files (HDF5): posterior, prediction, tensors, checkpoint. data/FORMATS.md describes
 * every dataset.
 *
 * A file is written under a temporary name beside its place, sealed, synced and renamed: it is
 * there whole or not at all. The seal is a digest (XXH3-128), appended after the end of the HDF5
 * data where HDF5 readers do not look; Credence checks it first. Of a posterior it leaves large
 * datasets to their checksums, which it covers, and which are compared as they are read; what a
 * call does not read it does not check. A seal is no signature, and HDF5 may crash on a file or
 * believe it: so each file that is read is parsed in a process of its own (crd_files_start). All
 * functions: Collective: no. Room: io.
 */
#ifndef CREDENCE_FILES_H
#define CREDENCE_FILES_H

#include <stdbool.h>

#include "credence/chain_diagnostics.h"
#include "credence/posterior.h"
#include "credence/predictive.h"
#include "credence/sample_state.h"
#include "credence/train_state.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Starts the process that starts the processes that parse files: HDF5 may crash, hang or flood
 * the memory over a file that is not what it says, and so it reads each one in a small process
 * of its own. Call it before MPI_Init and before threads, where this process is small; else it
 * happens with the first file that is read. A failure shows with that file. Those processes end
 * with this one. Collective: no, on any rank. */
void crd_files_start(void);
/** Ends it and all of them, which is what the end of this process does too. */
void crd_files_stop(void);

/** What every file says of its making. */
typedef struct crd_provenance {
    const char *command; /**< the full command line */
    uint64_t seed;
    const char *const *keys,
        *const *values; /**< [n_pairs] further attributes: versions, options, input digests */
    int n_pairs;
} crd_provenance;

/** Writes a posterior. Errors: CRD_ERR_IO: cannot be written; CRD_ERR_INPUT: holds values that
 * could not be read again (crd_posterior_check). Nothing is left behind. */
crd_status crd_posterior_write(const char *path, const crd_posterior *posterior,
                               const crd_provenance *provenance);
/** The same of what a training made, with the history of its epochs. */
crd_status crd_posterior_write_trained(const char *path, const crd_posterior *posterior,
                                       const crd_train_state *state,
                                       const crd_provenance *provenance);
/** Figures of the draws of a posterior of chains, and some of their weights. All borrowed. */
typedef struct crd_chain_report {
    int64_t n_chains, n_draws, n_weights;
    const double *figures;           /**< [n_chains][n_draws][CRD_DRAW_FIGURES] */
    const float *weights;            /**< [n_chains][n_draws][n_weights] */
    const char *const *weight_names; /**< [n_weights] */
    /** [1 + n_weights] of the log posterior, then of these weights */
    const crd_chain_diagnostics *diagnostics;
} crd_chain_report;
/** Bytes of the numbers that a report takes in a file; NULL: 0. */
int64_t crd_chain_report_bytes(const crd_chain_report *report);
/** The same of a bare posterior of chains, whose numbers come from `source`, with what ArviZ reads.
 * Errors: also of the source. */
crd_status crd_posterior_write_chains(const char *path, const crd_posterior *posterior,
                                      const crd_numbers_source *source,
                                      const crd_chain_report *report,
                                      const crd_provenance *provenance);
/** The history that a posterior or checkpoint holds: *out[*n], to be freed with
 * crd_history_free; *n is 0 where there is none. Errors: as crd_posterior_read. */
crd_status crd_posterior_read_history(crd_epoch **out, int64_t *n, const char *path);
void crd_history_free(crd_epoch *epochs);
/** Reads and checks one (crd_posterior_check included), also out of a checkpoint. Errors:
 * CRD_ERR_INPUT: missing, no HDF5 file, no file of ours, damaged, of a newer format, shapes
 * that do not fit the graph, values that cannot be used: file and dataset are named. */
crd_status crd_posterior_read(crd_posterior **out, const char *path);

/** The same file, open: its numbers stay in it, to be read by components. */
typedef struct crd_posterior_file crd_posterior_file;
/** Checks the seal, which reads all but large datasets of numbers, and what the file says of them.
 * Errors: as crd_posterior_read. Close it. */
crd_status crd_posterior_open(crd_posterior_file **out, const char *path);
/** Bare, until it is loaded: all numbers are NULL. Borrowed. */
const crd_posterior *crd_posterior_file_view(const crd_posterior_file *file);
/** Reads all numbers into the view, once. Errors: of reading. */
crd_status crd_posterior_file_load(crd_posterior_file *file);
/** What crd_file_digest gives. Borrowed. */
const char *crd_posterior_file_digest(const crd_posterior_file *file);
/** Its numbers. Errors: as crd_posterior_read; CRD_ERR_IO: the file has been changed or cut since
 * it was opened. Borrowed from it. */
crd_numbers_source crd_posterior_file_source(crd_posterior_file *file);
/** NULL is allowed. */
void crd_posterior_file_close(crd_posterior_file *file);

/** crd_posterior_write of a bare ensemble, whose numbers come from `source`, one component after
 * the other. Errors: also of the source. */
crd_status crd_ensemble_write_file(const char *path, const crd_posterior *ensemble,
                                   const crd_numbers_source *source,
                                   const crd_provenance *provenance);

/** What a prediction file of a part of the draws says of the whole, besides the accumulators in
 * its rows. */
typedef struct crd_part_facts {
    int64_t first_draw, end_draw, all_draws; /**< draws first_draw .. end_draw - 1 of all_draws */
    int64_t is_paired;                       /**< crd_reduction.is_paired */
    double confidence;                       /**< of the half-widths of the whole */
    const char *fingerprint;                 /**< KEY=VALUE lines that parts of one run share */
} crd_part_facts;

/** What a prediction file holds besides its rows. All borrowed. */
typedef struct crd_prediction_meta {
    const crd_reduction *reduction; /**< of the rows */
    int64_t n_images, n_draws;
    const char *const *image_names;  /**< [n_images] */
    const char *const *output_names; /**< [outputs of a row]: class names, or NULL: their numbers */
    const int64_t *labels;      /**< [n_images] true classes (-1 unknown), or NULL: no labels */
    const float *targets;       /**< [n_images][outputs of a row] true values, or NULL: none */
    const crd_part_facts *part; /**< NULL: all draws */
    bool save_draws; /**< the file also holds what every draw says (crd_reduction_draw_fields) */
} crd_prediction_meta;

typedef struct crd_prediction_file crd_prediction_file;

/** Opens a prediction file for writing: all metadata is written and flushed, then only data
 * follows. Errors: CRD_ERR_IO. */
crd_status crd_prediction_create(crd_prediction_file **out, const char *path,
                                 const crd_prediction_meta *meta, const crd_provenance *provenance);
/** Writes the rows of summary as images [first_image, + summary->n_images). */
crd_status crd_prediction_write_summary(crd_prediction_file *file, const crd_summary *summary,
                                        int64_t first_image);
/** Writes draws from their outputs[n_draws][n_images][n_outputs]. Only with meta.save_draws. */
crd_status crd_prediction_write_draws(crd_prediction_file *file, const float *outputs,
                                      int64_t first_draw, int64_t n_draws, int64_t first_image,
                                      int64_t n_images);
/** Writes checksums, seals, syncs and renames into place; frees `file` in any case. */
crd_status crd_prediction_finish(crd_prediction_file *file);
/** Gives up: removes the temporary file, frees. NULL is allowed. */
void crd_prediction_abandon(crd_prediction_file *file);

/** A prediction file of a part of the draws, opened to be joined with others. Borrowed from it:
 * its meta (with facts) and provenance. */
typedef struct crd_part crd_part;

/** Errors: CRD_ERR_INPUT: as crd_posterior_read, or no part of a prediction, or one not
 * complete. Close it. */
crd_status crd_part_open(crd_part **out, const char *path);
const crd_prediction_meta *crd_part_meta(const crd_part *part);
const crd_provenance *crd_part_provenance(const crd_part *part);
/** Checks that `part` is of the run that `first` is of: the same images and fingerprint. Errors:
 * CRD_ERR_INPUT naming what differs. */
crd_status crd_part_match(const crd_part *part, const crd_part *first);
/** Rows [first, first + rows->n_images); `rows` keeps sums. */
crd_status crd_part_read(crd_summary *rows, const crd_part *part, int64_t first);
/** NULL is allowed. */
void crd_part_close(crd_part *part);

/** Writes /constant_data/images (image, channel, height, width) float32. */
crd_status crd_tensors_write(const char *path, const float *images, int64_t n_images,
                             int64_t channels, int64_t height, int64_t width,
                             const char *const *image_names, const crd_provenance *provenance);

/** A score of every image. */
typedef struct crd_score_column {
    const char *name, *units, *long_name;
    const double *values; /**< [n_images] */
} crd_score_column;
/** Writes them: /scores/NAME (image) float64. Errors: CRD_ERR_IO. Nothing is left behind. */
crd_status crd_scores_write(const char *path, const crd_score_column *columns, int n_columns,
                            int64_t n_images, const char *const *image_names,
                            const crd_provenance *provenance);

/** Writes a checkpoint of a training run: its posterior and all else that the state holds. An
 * intact checkpoint that was there stays as "PATH.prev": whatever happens at whatever moment,
 * one of the two is whole from the first success on. `fingerprint` says which run it is of:
 * lines KEY=VALUE of all that must be equal to continue. Errors: CRD_ERR_IO: cannot be written,
 * and the old one stays in its place; CRD_ERR_INPUT: crd_posterior_check. */
crd_status crd_checkpoint_write(const char *path, const crd_train_state *state,
                                const char *fingerprint, const crd_provenance *provenance);
/** Bytes of the numbers that it writes. Errors: as crd_posterior_write. */
crd_status crd_checkpoint_measure(int64_t *bytes, const crd_train_state *state);
/** Removes "PATH.prev", if it is there. Errors: CRD_ERR_IO. */
crd_status crd_checkpoint_remove_old(const char *path);
/** Reads one to the bit: the state as after crd_train_state_init, with as much room for the
 * history as it had. Where PATH is missing or unusable PATH.prev is read instead, with a
 * warning in the log. Neither is there: CRD_OK and *posterior NULL: there is no checkpoint.
 * Errors: CRD_ERR_RESUME: of another run: names the first key that differs and both values
 * (fingerprint NULL: not checked); CRD_ERR_INPUT: neither can be used: names both. Destroy the
 * posterior, clear the state. */
crd_status crd_checkpoint_read(crd_posterior **posterior, crd_train_state *state, const char *path,
                               const char *fingerprint);

/** Can a file be written at `path`? For runs that write it at their end. Errors: CRD_ERR_IO as
 * of writing it, but for the room on the disk. Nothing is left behind. */
crd_status crd_file_check_place(const char *path);

/** 1 if a file that can be read begins as HDF5 files do, ours or not; else 0. */
int crd_file_is_hdf5(const char *path);
/** The same of netCDF's own older format, which is no HDF5. */
int crd_file_is_netcdf3(const char *path);

/** Kinds of our files by their attribute `format`. */
typedef enum crd_file_kind {
    CRD_FILE_POSTERIOR,
    CRD_FILE_PREDICTION,
    CRD_FILE_TENSORS,
    CRD_FILE_CHECKPOINT,
    CRD_FILE_SCORES,
    CRD_FILE_CHAINS /**< checkpoint of a run of chains */
} crd_file_kind;

/** Checks the seal and says what a file is. Errors as crd_posterior_read. */
crd_status crd_file_identify(crd_file_kind *out, const char *path);

/** Makes a sealed copy of a file of ours that another program has changed (FORMATS.md: a changed
 * file has no seal): with the checksums of what it now holds, and a root attribute resealed_at.
 * `path` may be `new_path`. Errors: CRD_ERR_INPUT: not of ours, or no command could read it
 * (all of it is read); CRD_ERR_IO: cannot be written. Nothing is left behind. */
crd_status crd_file_reseal(const char *new_path, const char *path);

/** Bytes of a file's digest as text: 32 hexadecimal digits and a zero. */
#define CRD_FILE_DIGEST_SIZE 33
/** The XXH3-128 that a file's seal records, which depends on all of the file: names it in
 * provenance. Errors as crd_posterior_read. Cost: reads what is sealed. */
crd_status crd_file_digest(char out[CRD_FILE_DIGEST_SIZE], const char *path);

/** Reads eps of one draw for parity checks: HDF5 datasets /eps/<module
 * path>/{eps_weight,eps_kernel,eps_bias}, into eps[network->params.n_floats] by the table's offsets
 * (0 where absent). The file need not be ours. */
crd_status crd_eps_read(float *eps, const char *path, const crd_posterior *posterior);

/** Calls `visit` for every dataset of a file of ours: path, type, shape, its XXH3-64 over the raw
 * values (strings: their bytes with final zeros), and whether it equals the stored checksum. For
 * `inspect`. */
typedef void crd_dataset_visit(const char *path, const char *type, const crd_shape *shape,
                               uint64_t digest, int matches, void *payload);
crd_status crd_file_datasets(const char *path, crd_dataset_visit *visit, void *payload);
/** Same for the attributes of the root group, as text. */
typedef void crd_attribute_visit(const char *name, const char *value, void *payload);
crd_status crd_file_attributes(const char *path, crd_attribute_visit *visit, void *payload);

#ifdef __cplusplus
}
#endif
#endif
