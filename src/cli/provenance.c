/* What a file says of how it was made: the command line, every option after defaults, versions,
 * compiler, kernels, digests of posterior and data, job. */
#include "cli/provenance.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/batch_job.h"
#include "cli/build_info.h"
#include "credence/version.h"
#include "kernels/kernels.h"

crd_status crd_provenance_make(crd_provenance *out, crd_provenance_store *store, const crd_cli *cli,
                               const char *posterior, crd_dataset *data)
{
    int n = 0;
    const crd_option *table = crd_option_table();
    for (int id = 0; id < CRD_N_OPTIONS; id++) {
        if (!(table[id].commands & crd_command_bit(cli->command)) || id == CRD_OPT_HELP)
            continue;
        const char *value = crd_option_text(store->lists[id], sizeof store->lists[id], cli->options,
                                            (crd_option_id)id);
        if (value == NULL)
            continue;
        char *name = store->names[id];
        snprintf(name, sizeof store->names[id], "option_%s", table[id].name);
        for (char *c = name; *c != '\0'; c++)
            if (*c == '-')
                *c = '_';
        store->keys[n] = name;
        store->values[n++] = value;
    }
    const char *facts[][2] = {{"credence_version", CREDENCE_VERSION},
                              {"credence_git", CRD_GIT_HASH},
                              {"compiler", CRD_COMPILER},
                              {"kernels", crd_kernels_get()->name},
                              {"openblas_core", crd_gemm_core()}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        store->keys[n] = facts[i][0];
        store->values[n++] = facts[i][1];
    }
    if (posterior != NULL) {
        crd_status status = crd_file_digest(store->posterior_digest, posterior);
        if (status != CRD_OK)
            return status;
        store->keys[n] = "posterior_digest";
        store->values[n++] = store->posterior_digest;
        store->keys[n] = "posterior";
        store->values[n++] = posterior;
    }
    const crd_options *given = cli->options;
    if (posterior != NULL && given->n_arguments > 1 && given->arguments[0] == posterior) {
        snprintf(store->data, sizeof store->data, "%s", given->arguments[1]);
        size_t end = strlen(store->data);
        if (given->n_arguments > 2)
            snprintf(store->data + end, sizeof store->data - end, " and %d more",
                     given->n_arguments - 2);
        store->keys[n] = "data";
        store->values[n++] = store->data;
    }
    if (data != NULL) {
        uint64_t pixels;
        crd_status status = crd_dataset_image_digest(&pixels, data);
        if (status != CRD_OK)
            return status;
        snprintf(store->data_digest, sizeof store->data_digest, "%016" PRIx64,
                 crd_dataset_digest(data));
        snprintf(store->image_digest, sizeof store->image_digest, "%016" PRIx64, pixels);
        store->keys[n] = "data_digest";
        store->values[n++] = store->data_digest;
        store->keys[n] = "images_digest";
        store->values[n++] = store->image_digest;
    }
    if (crd_batch_job_id() != NULL) {
        store->keys[n] = "slurm_job_id";
        store->values[n++] = crd_batch_job_id();
    }
    *out = (crd_provenance){.command = cli->command_line,
                            .seed = (uint64_t)cli->options->values[CRD_OPT_SEED].integer,
                            .keys = store->keys,
                            .values = store->values,
                            .n_pairs = n};
    return CRD_OK;
}

void crd_provenance_add_weights(crd_provenance *provenance, crd_provenance_store *store,
                                const crd_posterior *posterior, int antithetic, int mean)
{
    const crd_family *family = posterior->family;
    if (!crd_family_is_ensemble(family))
        return;
    snprintf(store->n_components, sizeof store->n_components, "%" PRId64, posterior->n_components);
    const char *evidence = "every draw is another network";
    if (mean)
        evidence = "every draw is the mean network of another component";
    else if (crd_family_is_random(family))
        evidence = "draws of one component are not independent evidence about components: standard "
                   "errors are those of the mean of the component means";
    const char *facts[][2] = {{"weights_family", crd_family_name(family)},
                              {"n_components", store->n_components},
                              {"component_of_draw", antithetic ? "(draw div 2) mod n_components"
                                                               : "draw mod n_components"},
                              {"evidence", evidence}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        store->keys[provenance->n_pairs] = facts[i][0];
        store->values[provenance->n_pairs++] = facts[i][1];
    }
}
