/* What kind of file a path is, and all its datasets and attributes, for `inspect`. It interprets
 * nothing. */
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "io/writer.h"

/* Whether a regular file holds `n` bytes at `offset`. */
static int holds(const char *path, const char *bytes, size_t n, int64_t offset)
{
    char found[16];
    int64_t n_bytes;
    int fd;
    if (crd_file_open(&fd, &n_bytes, path, INT64_MAX) != CRD_OK)
        return 0;
    int is = n <= sizeof found && n_bytes - offset >= (int64_t)n &&
             crd_file_read(found, fd, (int64_t)n, offset, path) == CRD_OK &&
             memcmp(found, bytes, n) == 0;
    close(fd);
    return is;
}

int crd_file_is_hdf5(const char *path)
{
    /* A block of the user's may lie before it, of 512 bytes (MATLAB) or that doubled so many
     * times. */
    enum { FIRST = 512, LAST = 1 << 16 };
    static const char signature[] = "\x89HDF\r\n\x1a\n";
    for (int64_t at = 0; at <= LAST; at = at == 0 ? FIRST : 2 * at)
        if (holds(path, signature, sizeof signature - 1, at))
            return 1;
    return 0;
}

int crd_file_is_netcdf3(const char *path)
{
    return holds(path, "CDF\x01", 4, 0) || holds(path, "CDF\x02", 4, 0) ||
           holds(path, "CDF\x05", 4, 0);
}

crd_status crd_file_identify(crd_file_kind *out, const char *path)
{
    crd_h5 *h5;
    crd_status status = crd_reader_open(&h5, out, path);
    crd_h5_discard(h5);
    return status;
}

typedef struct visit_state {
    crd_h5 *h5;
    crd_dataset_visit *visit;
    void *payload;
} visit_state;

static crd_status visit_dataset(const char *path, void *payload)
{
    crd_status status = CRD_OK;
    const visit_state *state = payload;
    crd_h5_type type;
    crd_shape shape;
    uint64_t digest;
    char *stored = NULL, computed[CRD_CHECKSUM_SIZE];
    CRD_TRY(crd_h5_dataset_info(&type, &shape, state->h5, path));
    CRD_TRY(crd_h5_digest(&digest, state->h5, path));
    CRD_TRY(crd_h5_attr_get_text(&stored, state->h5, path, CRD_CHECKSUM_KEY));
    crd_checksum_text(computed, digest);
    state->visit(path, crd_h5_type_name(type), &shape, digest, strcmp(stored, computed) == 0,
                 state->payload);
cleanup:
    crd_free(stored);
    return status;
}

crd_status crd_file_datasets(const char *path, crd_dataset_visit *visit, void *payload)
{
    crd_status status = CRD_OK;
    crd_file_kind kind;
    visit_state state = {.visit = visit, .payload = payload};
    CRD_TRY(crd_reader_open(&state.h5, &kind, path));
    CRD_TRY(crd_h5_visit_datasets(state.h5, "/", visit_dataset, &state));
cleanup:
    crd_h5_discard(state.h5);
    return status;
}

crd_status crd_file_attributes(const char *path, crd_attribute_visit *visit, void *payload)
{
    crd_status status = CRD_OK;
    crd_file_kind kind;
    crd_h5 *h5 = NULL;
    CRD_TRY(crd_reader_open(&h5, &kind, path));
    CRD_TRY(crd_h5_visit_attributes(h5, "/", visit, payload));
cleanup:
    crd_h5_discard(h5);
    return status;
}
