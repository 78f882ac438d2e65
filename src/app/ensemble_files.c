/* An ensemble from posterior files: reads them, has them joined (bayes/ensemble.c), writes what
 * came of it. Which file a component comes from is in the ensemble itself. */
#include "credence/ensemble_files.h"

#include "app/output_claim.h"
#include "app/provenance.h"
#include "base/alloc.h"

/* A file that is read. */
typedef struct part {
    crd_posterior *posterior;
    char digest[CRD_FILE_DIGEST_SIZE];
} part;

static crd_status write(const crd_posterior *ensemble, const char *output, const crd_record *record)
{
    crd_status status = CRD_OK;
    crd_provenance_store *store = NULL;
    crd_provenance provenance;
    const crd_run_inputs inputs = {0};
    CRD_TRY(crd_provenance_make(&provenance, &store, record, 0, &inputs));
    CRD_TRY(crd_posterior_write(output, ensemble, &provenance));
cleanup:
    crd_provenance_store_destroy(store);
    return status;
}

static crd_status join(crd_posterior **out, part *parts, crd_component_source *sources,
                       const char *const *files, int n, bool mean)
{
    crd_status status = CRD_OK;
    for (int i = 0; i < n; i++) {
        CRD_TRY(crd_posterior_read(&parts[i].posterior, files[i]));
        CRD_TRY(crd_file_digest(parts[i].digest, files[i]));
        sources[i] = (crd_component_source){parts[i].posterior, files[i], parts[i].digest};
    }
    CRD_TRY(crd_posterior_join(out, sources, n, mean));
cleanup:
    return status;
}

crd_status crd_ensemble_files(crd_posterior **out, const char *output, const char *const *files,
                              int n, bool mean, const crd_record *record)
{
    crd_status status = CRD_OK;
    part *parts = NULL;
    crd_component_source *sources = NULL;
    const crd_record none = {0};
    crd_output_lock *lock = NULL;
    *out = NULL;
    CRD_TRY(crd_output_claim(&lock, output, &(crd_output_inputs){.data = files, .n_data = n}));
    CRD_ALLOC(&parts, n, "posteriors");
    CRD_ALLOC(&sources, n, "posteriors");
    CRD_TRY(join(out, parts, sources, files, n, mean));
    CRD_TRY(crd_posterior_check(*out));
    CRD_TRY(write(*out, output, record != NULL ? record : &none));
cleanup:
    for (int i = 0; parts != NULL && i < n; i++)
        crd_posterior_destroy(parts[i].posterior);
    crd_free(parts);
    crd_free(sources);
    crd_output_lock_release(lock);
    if (status != CRD_OK) {
        crd_posterior_destroy(*out);
        *out = NULL;
    }
    return status;
}
