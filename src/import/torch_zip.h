/** The zip container of torch.save (torch 1.6 and later): <stem>/data.pkl, <stem>/data/<key>. */
#ifndef CRD_IMPORT_TORCH_ZIP_H
#define CRD_IMPORT_TORCH_ZIP_H

#include "import/storages.h"

/** Opens and checks the archive in the open file `fd`, which stays the caller's: one data.pkl,
 * members stored as they are, all sizes together not above the file's, no name twice, byte order
 * little. A member without a CRC (torch writes them on request) is read unchecked, and that is
 * logged once. Errors: CRD_ERR_INPUT, *out NULL. Close with crd_storages_close. */
crd_status crd_torch_zip_open(crd_storages **out, int fd, int64_t file_bytes);

/** Reads <stem>/data.pkl whole, at most max_bytes. Free *bytes with crd_free. */
crd_status crd_torch_zip_load_pickle(char **bytes, int64_t *n_bytes, crd_storages *storages,
                                     int64_t max_bytes);

#endif
