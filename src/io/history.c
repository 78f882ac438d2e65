/* The group /history of a posterior or a checkpoint: an array for each figure of an epoch, by one
 * table for writing and reading. Times are in checkpoints only: a posterior is a function of data,
 * options and seed, and they are not. */
#include "io/history.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "io/labelled.h"

static const char group[] = "/history";

/* Every member of crd_epoch, all of them 8 bytes wide: one table for writing and reading. */
enum { MEMBER_SIZE = 8 };
static const struct member {
    const char *name;
    crd_h5_type type;
    size_t offset;
    const char *units, *long_name;
} members[] = {
    {"epoch", CRD_H5_INT64, offsetof(crd_epoch, epoch), NULL, NULL}, /* the coordinate: first */
    {"step", CRD_H5_INT64, offsetof(crd_epoch, step), "1", "steps done at the end of the epoch"},
    {"loss", CRD_H5_FLOAT64, offsetof(crd_epoch, loss), "nat",
     "data term and weighted KL divergence, mean over the steps"},
    {"data_term", CRD_H5_FLOAT64, offsetof(crd_epoch, data_term), "nat",
     "data term of the loss, mean over images and draws"},
    {"kl_sum", CRD_H5_FLOAT64, offsetof(crd_epoch, kl_sum), "nat",
     "KL divergence from the prior at the end of the epoch"},
    {"kl_mean", CRD_H5_FLOAT64, offsetof(crd_epoch, kl_mean), "nat",
     "sum over tensors of their mean KL divergence"},
    {"temperature", CRD_H5_FLOAT64, offsetof(crd_epoch, temperature), "1",
     "weight of the KL divergence relative to the ELBO"},
    {"lr", CRD_H5_FLOAT64, offsetof(crd_epoch, lr), "1", "learning rate"},
    {"accuracy", CRD_H5_FLOAT64, offsetof(crd_epoch, accuracy), "1",
     "share of right draws on the training images"},
    {"seconds", CRD_H5_FLOAT64, offsetof(crd_epoch, seconds), "s", "duration of the epoch's steps"},
    {"validation_accuracy", CRD_H5_FLOAT64, offsetof(crd_epoch, validation), "1",
     "accuracy on the validation set"},
    {"validation_nll", CRD_H5_FLOAT64, offsetof(crd_epoch, validation) + MEMBER_SIZE, "nat",
     "negative log-likelihood on the validation set"},
    {"validation_ece", CRD_H5_FLOAT64, offsetof(crd_epoch, validation) + 2 * MEMBER_SIZE, "1",
     "expected calibration error on the validation set"},
    {"validation_mse", CRD_H5_FLOAT64, offsetof(crd_epoch, validation) + 3 * MEMBER_SIZE, "1",
     "mean squared error of regression on the validation set"},
    {"validation_seconds", CRD_H5_FLOAT64, offsetof(crd_epoch, validation_seconds), "s",
     "duration of the validation"},
};
enum { N_MEMBERS = sizeof members / sizeof members[0] };
_Static_assert(sizeof(crd_epoch) == N_MEMBERS * MEMBER_SIZE, "a member has no place in the file");

/* What a clock says. */
static bool is_time(const struct member *member)
{
    return member->units != NULL && strcmp(member->units, "s") == 0;
}

int64_t crd_history_bytes(int64_t n)
{
    return n * N_MEMBERS * MEMBER_SIZE;
}

/* The epoch that NEW.best.h5 is of, and its score. */
static crd_status put_best(crd_writer *writer, const crd_epoch *epochs, int64_t n)
{
    const crd_epoch *best = crd_epoch_best(epochs, n);
    if (best == NULL)
        return CRD_OK;
    double score = crd_epoch_score(best);
    crd_status status =
        crd_h5_attr_put(writer->h5, group, "best_epoch", CRD_H5_INT64, &best->epoch, 1);
    return status == CRD_OK
               ? crd_h5_attr_put(writer->h5, group, "best_score", CRD_H5_FLOAT64, &score, 1)
               : status;
}

/* Copies one member of all epochs into `column`, or back out of it; bytes, so that NaNs keep
 * theirs. */
static void gather(char *column, const crd_epoch *epochs, int64_t n, const struct member *member)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(column + i * MEMBER_SIZE, (const char *)&epochs[i] + member->offset, MEMBER_SIZE);
}

static void scatter(crd_epoch *epochs, int64_t n, const struct member *member, const char *column)
{
    for (int64_t i = 0; i < n; i++)
        memcpy((char *)&epochs[i] + member->offset, column + i * MEMBER_SIZE, MEMBER_SIZE);
}

crd_status crd_history_create(crd_writer *writer, const crd_epoch *epochs, int64_t n,
                              bool with_times)
{
    crd_status status = CRD_OK;
    const crd_axis epoch = {.name = members[0].name, .extent = n};
    const crd_axis *const axes[] = {&epoch};
    if (n == 0)
        return CRD_OK;
    CRD_TRY(crd_labelled_group(writer, group, axes, 1));
    for (int i = 1; i < N_MEMBERS; i++)
        if (with_times || !is_time(&members[i]))
            CRD_TRY(crd_labelled_array(writer, group, members[i].name, members[i].type, axes, 1,
                                       members[i].units, members[i].long_name));
    CRD_TRY(put_best(writer, epochs, n));
cleanup:
    return status;
}

crd_status crd_history_write(crd_writer *writer, const crd_epoch *epochs, int64_t n,
                             bool with_times)
{
    crd_status status = CRD_OK;
    char *column = NULL;
    if (n == 0)
        return CRD_OK;
    CRD_ALLOC(&column, n * MEMBER_SIZE, "history");
    for (int i = 0; i < N_MEMBERS; i++) {
        if (is_time(&members[i]) && !with_times)
            continue;
        gather(column, epochs, n, &members[i]);
        CRD_TRY(crd_labelled_write(writer, group, members[i].name, members[i].type, column, NULL,
                                   NULL));
    }
cleanup:
    crd_free(column);
    return status;
}

static void fill_nan(char *column, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(column + i * MEMBER_SIZE, &(double){NAN}, MEMBER_SIZE);
}

crd_status crd_history_count(int64_t *n, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    char path[CRD_H5_PATH_SIZE];
    int there;
    crd_h5_type type;
    crd_shape shape;
    *n = 0;
    CRD_TRY(crd_h5_join(path, group, members[0].name));
    CRD_TRY(crd_h5_exists(&there, h5, path));
    if (!there)
        return CRD_OK;
    CRD_TRY(crd_h5_dataset_info(&type, &shape, h5, path));
    CRD_REQUIRE(shape.n_dims == 1, CRD_ERR_INPUT, "%s: %s: has %d dimensions, but must have one",
                crd_h5_name(h5), path, shape.n_dims);
    *n = shape.dims[0];
cleanup:
    return status;
}

crd_status crd_history_read(crd_epoch *epochs, int64_t n, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    crd_shape shape = crd_shape_make(1, n);
    char *column = NULL, path[CRD_H5_PATH_SIZE];
    if (n == 0)
        return CRD_OK;
    CRD_ALLOC(&column, n * MEMBER_SIZE, "history");
    for (int i = 0; i < N_MEMBERS; i++) {
        int there;
        CRD_TRY(crd_h5_join(path, group, members[i].name));
        CRD_TRY(crd_h5_exists(&there, h5, path));
        if (!there && is_time(&members[i]))
            fill_nan(column, n); /* a posterior, or a checkpoint from before it was counted */
        else
            CRD_TRY(crd_reader_numbers(column, h5, path, members[i].type, &shape));
        scatter(epochs, n, &members[i], column);
    }
cleanup:
    crd_free(column);
    return status;
}

crd_status crd_posterior_read_history(crd_epoch **out, int64_t *n, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = NULL;
    crd_file_kind kind;
    crd_epoch *epochs = NULL;
    *out = NULL;
    *n = 0;
    CRD_TRY(crd_reader_open(&h5, &kind, path));
    CRD_TRY(crd_history_count(n, h5));
    CRD_ALLOC(&epochs, *n, "history");
    CRD_TRY(crd_history_read(epochs, *n, h5));
    *out = epochs;
    epochs = NULL;
cleanup:
    crd_free(epochs);
    crd_h5_discard(h5);
    return status;
}

void crd_history_free(crd_epoch *epochs)
{
    crd_free(epochs);
}
