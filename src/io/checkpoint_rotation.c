/* A file that is renewed, and the one before it (.prev). A damaged file never takes the place of a
 * good one; reading falls back to the older one, and says so. */
#include "io/checkpoint_rotation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "credence/log.h"
#include "io/fingerprint.h"
#include "io/seal.h"
#include "io/utf8.h"

crd_status crd_rotation_publish(crd_writer *writer)
{
    crd_status status = crd_seal_verify(writer->atomic.path);
    /* Out of memory says nothing of the file: it must not be taken for a damaged one. */
    if (status == CRD_ERR_INTERNAL)
        return status;
    writer->atomic.keeps_old = status == CRD_OK;
    return crd_writer_publish(writer);
}

/* The old generation lies beside the file itself, not beside a link to it. */
static crd_status old_path(char **out, const char *path)
{
    crd_status status = CRD_OK;
    char *target = realpath(path, NULL);
    const char *place = target != NULL ? target : path;
    size_t size = strlen(place) + sizeof CRD_ATOMIC_OLD;
    CRD_ALLOC(out, size, "name of the old checkpoint");
    snprintf(*out, size, "%s%s", place, CRD_ATOMIC_OLD);
cleanup:
    free(target);
    return status;
}

static int is_missing(const char *path)
{
    return access(path, F_OK) != 0 && errno == ENOENT;
}

crd_status crd_rotation_remove_previous(const char *path)
{
    crd_status status = CRD_OK;
    char *old = NULL;
    CRD_TRY(old_path(&old, path));
    CRD_REQUIRE(unlink(old) == 0 || errno == ENOENT, CRD_ERR_IO, "%s: cannot be removed: %s", old,
                strerror(errno));
cleanup:
    crd_free(old);
    return status;
}

crd_status crd_rotation_read(int *found, const char *path, crd_rotation_reader *read, void *payload)
{
    crd_status status = CRD_OK;
    char *old = NULL, reason[CRD_MESSAGE_SIZE];
    CRD_TRY(old_path(&old, path));
    *found = !is_missing(path) || !is_missing(old);
    if (!*found)
        goto cleanup;
    status = read(path, payload);
    if (status != CRD_ERR_INPUT && status != CRD_ERR_IO)
        goto cleanup;
    snprintf(reason, sizeof reason, "%s", crd_status_message());
    status = read(old, payload);
    if (status == CRD_OK)
        crd_log(CRD_LOG_WARN, "%s; continuing from the checkpoint before it, %s", reason, old);
    else if (status == CRD_ERR_INPUT || status == CRD_ERR_IO)
        status = CRD_FAIL(CRD_ERR_INPUT, "%s; and the checkpoint before it: %s", reason,
                          crd_status_message());
cleanup:
    crd_free(old);
    return status;
}

crd_status crd_rotation_remove(const char *path)
{
    crd_status status = CRD_OK;
    /* The older one first: it must never pass for the newest. */
    CRD_TRY(crd_rotation_remove_previous(path));
    CRD_REQUIRE(unlink(path) == 0 || errno == ENOENT, CRD_ERR_IO, "%s: cannot be removed: %s", path,
                strerror(errno));
    crd_atomic_remove_stale(path);
cleanup:
    return status;
}

crd_status crd_rotation_check_fingerprint(crd_h5 *h5, const char *dataset, const char *fingerprint)
{
    crd_status status = CRD_OK;
    char **stored = NULL, *run = NULL;
    int64_t n = 0;
    CRD_TRY(crd_reader_check(h5, dataset));
    CRD_TRY(crd_h5_strings_read(&stored, &n, h5, dataset));
    CRD_REQUIRE(n == 1, CRD_ERR_INPUT, "%s: %s: is not one text", crd_h5_name(h5), dataset);
    CRD_TRY(crd_utf8_copy(&run, fingerprint)); /* as it was written */
    CRD_TRY(crd_fingerprint_check(crd_h5_name(h5), stored[0], run, "the checkpoint", "this run"));
cleanup:
    crd_free(run);
    crd_h5_strings_free(stored, n);
    return status;
}
