/** Probabilities of classes that any method gave, image by image: CSV, HDF5, or a prediction of
 * ours. For other rooms. */
#ifndef CRD_IO_PROBS_TABLE_H
#define CRD_IO_PROBS_TABLE_H

#include <stdint.h>

#include "credence/status.h"

typedef struct crd_probs_table {
    int64_t n_images, n_classes;
    double *probs; /**< [n_images][n_classes] in [0, 1], a row sums to 1 within 1e-3; owned */
} crd_probs_table;

/** Reads one. HDF5: of a prediction of ours probs_mean, else the dataset /probs, or the only one of
 * two dimensions. Else text: an image a line, its numbers parted by commas, semicolons or blanks;
 * lines that are empty or begin with '#' do not count, and the first one may hold names. Rows are
 * taken as they are. Errors: CRD_ERR_INPUT naming file, row and column; CRD_ERR_IO. *out is clear
 * then. Collective: no. */
crd_status crd_probs_table_read(crd_probs_table *out, const char *path);
void crd_probs_table_clear(crd_probs_table *table);

#endif
