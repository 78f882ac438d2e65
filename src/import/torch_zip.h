/** The zip container of torch.save (torch 1.6 and later): <stem>/data.pkl, <stem>/data/<key>. */
#ifndef CRD_IMPORT_TORCH_ZIP_H
#define CRD_IMPORT_TORCH_ZIP_H

#include <stdint.h>

#include "credence/status.h"

typedef struct crd_torch_zip crd_torch_zip;

/** Opens and checks the archive: one data.pkl, members stored as they are, all sizes together not
 * above the file's, no name twice, byte order little. Errors: CRD_ERR_INPUT, *out NULL. Close with
 * crd_torch_zip_close. */
crd_status crd_torch_zip_open(crd_torch_zip **out, const char *path, int64_t file_bytes);

/** Frees the archive and an open member; NULL is allowed. */
void crd_torch_zip_close(crd_torch_zip *archive);

/** Reads <stem>/data.pkl whole, at most max_bytes. Free *bytes with crd_free. */
crd_status crd_torch_zip_load_pickle(char **bytes, int64_t *n_bytes, crd_torch_zip *archive,
                                     int64_t max_bytes);

/** Finds <stem>/data/<key>: its number and size in bytes. Errors: CRD_ERR_INPUT: no such member. */
crd_status crd_torch_zip_find_storage(int64_t *member, int64_t *n_bytes, crd_torch_zip *archive,
                                      const char *key);

/** Opens a member for reading from its start; one at a time. */
crd_status crd_torch_zip_begin(crd_torch_zip *archive, int64_t member);
/** Reads the next n bytes of the open member, all of them. */
crd_status crd_torch_zip_read(void *out, crd_torch_zip *archive, int64_t n);
/** Closes the open member, which must end here with the right CRC. Until this has succeeded, what
 * was read may be damaged. */
crd_status crd_torch_zip_end(crd_torch_zip *archive);

#endif
