/* `credence ensemble`: reads posteriors, has them joined (bayes/ensemble.c), and writes what comes
 * of it. */
#include <stdio.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/provenance.h"
#include "credence/files.h"

typedef struct input {
    crd_posterior *posterior;
    char digest[CRD_FILE_DIGEST_SIZE];
} input;

static crd_status say(const crd_posterior *posterior, const char *path, int as_json)
{
    long long n = (long long)posterior->n_components;
    const char *family = crd_family_name(posterior->family);
    if (as_json)
        return crd_json_print(json_pack("{s:o, s:s, s:I, s:s}", "output", crd_json_text(path),
                                        "family", family, "n_components", (json_int_t)n, "arch",
                                        posterior->network->arch));
    crd_print_clean(path);
    printf(": %s of %lld components: %s, %s\n", family, n, crd_family_title(posterior->family),
           posterior->network->arch);
    return CRD_OK;
}

crd_status crd_cmd_ensemble(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    const char *path = given->values[CRD_OPT_OUTPUT].text;
    int n = given->n_arguments;
    input *inputs = NULL;
    crd_component_source *sources = NULL;
    crd_posterior *posterior = NULL;
    crd_provenance_store store;
    crd_provenance provenance;
    CRD_ALLOC(&inputs, n, "posteriors");
    CRD_ALLOC(&sources, n, "posteriors");
    for (int i = 0; i < n; i++) {
        const char *file = given->arguments[i];
        CRD_TRY(crd_posterior_read(&inputs[i].posterior, file));
        CRD_TRY(crd_file_digest(inputs[i].digest, file));
        sources[i] = (crd_component_source){inputs[i].posterior, file, inputs[i].digest};
    }
    CRD_TRY(crd_posterior_join(&posterior, sources, n));
    CRD_TRY(crd_provenance_make(&provenance, &store, cli, NULL, NULL));
    CRD_TRY(crd_posterior_write(path, posterior, &provenance));
    CRD_TRY(say(posterior, path, given->values[CRD_OPT_JSON].integer != 0));
cleanup:
    crd_posterior_destroy(posterior);
    for (int i = 0; inputs != NULL && i < n; i++)
        crd_posterior_destroy(inputs[i].posterior);
    crd_free(sources);
    crd_free(inputs);
    return status;
}
