/* Posteriors joined into an ensemble (bayes/ensemble.c), from files to a file. */
#include "credence/ensemble_files.h"

#include "app/provenance.h"
#include "base/alloc.h"

typedef struct input {
    crd_posterior *posterior;
    char digest[CRD_FILE_DIGEST_SIZE];
} input;

static crd_status join(crd_posterior **out, input *inputs, const char *const *files, int n)
{
    crd_status status = CRD_OK;
    crd_component_source *sources = NULL;
    CRD_ALLOC(&sources, n, "posteriors");
    for (int i = 0; i < n; i++) {
        CRD_TRY(crd_posterior_read(&inputs[i].posterior, files[i]));
        CRD_TRY(crd_file_digest(inputs[i].digest, files[i]));
        sources[i] = (crd_component_source){inputs[i].posterior, files[i], inputs[i].digest};
    }
    CRD_TRY(crd_posterior_join(out, sources, n));
cleanup:
    crd_free(sources);
    return status;
}

crd_status crd_ensemble_files(crd_posterior **out, const crd_ensemble_files_options *options)
{
    crd_status status = CRD_OK;
    int n = options->n_posteriors;
    input *inputs = NULL;
    crd_posterior *posterior = NULL;
    crd_provenance_store *store = NULL;
    crd_provenance provenance;
    const crd_run_inputs none = {0};
    CRD_ALLOC(&inputs, n, "posteriors");
    CRD_TRY(join(&posterior, inputs, options->posteriors, n));
    CRD_TRY(crd_provenance_make(&provenance, &store, &options->record, 0, &none));
    CRD_TRY(crd_posterior_write(options->output, posterior, &provenance));
    if (out != NULL) {
        *out = posterior;
        posterior = NULL;
    }
cleanup:
    crd_provenance_store_destroy(store);
    crd_posterior_destroy(posterior);
    for (int i = 0; inputs != NULL && i < n; i++)
        crd_posterior_destroy(inputs[i].posterior);
    crd_free(inputs);
    return status;
}
