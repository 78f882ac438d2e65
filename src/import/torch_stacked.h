/** The form of torch.save before torch 1.6, and of _use_new_zipfile_serialization=False since: five
 * pickles one after the other, then the storages. */
#ifndef CRD_IMPORT_TORCH_STACKED_H
#define CRD_IMPORT_TORCH_STACKED_H

#include "import/pickle.h"
#include "import/storages.h"

/** 1 if the first n bytes of a file are those of this form. */
int crd_torch_stacked_fits(const uint8_t *bytes, int64_t n);

/** Parses the pickles in bytes[n], the first n of the file's file_bytes; *out is the object,
 * which borrows from `bytes`; *storages those of the open file, borrowed as crd_spans_create
 * does. Errors: CRD_ERR_INPUT; both are empty then. */
crd_status crd_torch_stacked_parse(crd_pickle *out, crd_storages **storages, const char *bytes,
                                   int64_t n, int64_t file_bytes, int fd, const char *path);

#endif
