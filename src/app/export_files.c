/* A posterior as a state dict of bayesian-torch, in a container that torch or numpy loads. What is
 * in it is said by import. */
#include "credence/export_files.h"

#include "app/output_claim.h"
#include "credence/files.h"
#include "io/atomic.h"

/** Writes all, or leaves nothing. */
static crd_status write(const char *path, const crd_posterior *posterior, crd_state_format format)
{
    crd_atomic_file file;
    crd_status status = crd_atomic_begin(&file, path);
    if (status != CRD_OK)
        return status;
    CRD_TRY(crd_state_dict_export(file.fd, posterior, format, path));
    CRD_TRY(crd_atomic_sync(&file));
    return crd_atomic_publish(&file);
cleanup:
    crd_atomic_abandon(&file);
    return status;
}

crd_status crd_export_files(crd_posterior **out, const char *output, const char *posterior,
                            crd_state_format format)
{
    crd_status status = CRD_OK;
    crd_output_lock *lock = NULL;
    *out = NULL;
    CRD_TRY(crd_output_claim(&lock, output, &(crd_output_inputs){.posterior = posterior}));
    CRD_TRY(crd_posterior_read(out, posterior));
    CRD_TRY(crd_posterior_check_normal(*out, posterior, "export"));
    CRD_TRY(write(output, *out, format));
cleanup:
    crd_output_lock_release(lock);
    if (status != CRD_OK) {
        crd_posterior_destroy(*out);
        *out = NULL;
    }
    return status;
}
