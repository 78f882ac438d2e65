/** What the tests of io share: a folder of their own, a small posterior, a small prediction. */
#ifndef CRD_TESTS_UNIT_IO_FIXTURE_H
#define CRD_TESTS_UNIT_IO_FIXTURE_H

#include "crd_test.h"

#include "credence/files.h"

/** Group set-up and tear-down: makes and removes the folder. */
int io_setup(void **state);
int io_teardown(void **state);

#define IO_PATH_SIZE 4096
/** Path of a file in the folder; `out` is returned. */
const char *io_path(char out[IO_PATH_SIZE], const char *name);
/** Number of entries of the folder, hidden ones included. */
int io_count_entries(void);

/** Removes the temporary files that killed writers have left in the folder. */
void io_remove_temporary(void);

extern const crd_provenance io_provenance;

/** A posterior of a Conv2d, BatchNorm2d and Linear; bells: also classes, prior means and MOPED. */
crd_posterior *io_posterior(int bells);

#define IO_N_IMAGES 3
#define IO_N_CLASSES 4
#define IO_N_DRAWS 5
#define IO_N_TOP 2
extern crd_reduction io_reduction; /* of the classes; made by io_setup */
extern const crd_prediction_meta io_meta;
/** Writes the whole prediction; images in reverse order if `reverse`. */
crd_status io_prediction_write(const char *path, int reverse);

/** Seals a file anew after the test has changed it through HDF5. */
void io_reseal(const char *path);
void io_copy(const char *to, const char *from);

#endif
