/** The history of a training run in a file: /history, one labelled array for each figure, over
 * the dimension `epoch`, with the best epoch and its score as attributes. A run without an
 * epoch after it has no such group. */
#ifndef CRD_IO_HISTORY_H
#define CRD_IO_HISTORY_H

#include <stdbool.h>

#include "credence/train_state.h"
#include "io/writer.h"

/** Bytes that the figures of `n` epochs take. */
int64_t crd_history_bytes(int64_t n);
/** with_times: the seconds too, which differ from run to run. */
crd_status crd_history_create(crd_writer *writer, const crd_epoch *epochs, int64_t n,
                              bool with_times);
/** Writes the figures; after crd_writer_end_metadata. */
crd_status crd_history_write(crd_writer *writer, const crd_epoch *epochs, int64_t n,
                             bool with_times);
/** Number of epochs that a file has; 0 without a history. */
crd_status crd_history_count(int64_t *n, crd_h5 *h5);
/** Reads into epochs[n]; times that the file has not got are NaN. */
crd_status crd_history_read(crd_epoch *epochs, int64_t n, crd_h5 *h5);

#endif
