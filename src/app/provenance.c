/* What a file says of how it was made: the command, every setting, versions, compiler, kernels,
 * digests of posterior and data, job. */
#include "app/provenance.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/batch_job.h"
#include "app/build_info.h"
#include "base/alloc.h"
#include "credence/version.h"
#include "kernels/kernels.h"

enum { KEY_SIZE = 48, DATA_SIZE = 4200, N_FACTS = 16 };

struct crd_provenance_store {
    char (*names)[KEY_SIZE]; /* [n_settings] */
    char data[DATA_SIZE];    /* the first data set, and how many more */
    char data_digest[17], image_digest[17], n_components[24];
    const char **keys, **values; /* [n] */
    int n;
};

void crd_provenance_store_destroy(crd_provenance_store *store)
{
    if (store == NULL)
        return;
    crd_free(store->names);
    crd_free(store->keys);
    crd_free(store->values);
    crd_free(store);
}

static void add(crd_provenance_store *store, const char *key, const char *value)
{
    store->keys[store->n] = key;
    store->values[store->n++] = value;
}

static void add_settings(crd_provenance_store *store, const crd_record *record)
{
    for (int i = 0; i < record->n_settings; i++) {
        const crd_setting *setting = &record->settings[i];
        if (setting->text == NULL)
            continue;
        char *name = store->names[i];
        snprintf(name, KEY_SIZE, "option_%s", setting->name);
        for (char *c = name; *c != '\0'; c++)
            if (*c == '-')
                *c = '_';
        add(store, name, setting->text);
    }
}

static void add_posterior(crd_provenance_store *store, const crd_run_inputs *inputs)
{
    add(store, "posterior_digest", inputs->posterior_digest);
    add(store, "posterior", inputs->posterior);
    if (inputs->n_data == 0)
        return;
    snprintf(store->data, sizeof store->data, "%s", inputs->data[0]);
    size_t end = strlen(store->data);
    if (inputs->n_data > 1)
        snprintf(store->data + end, sizeof store->data - end, " and %d more", inputs->n_data - 1);
    add(store, "data", store->data);
}

static crd_status add_dataset(crd_provenance_store *store, crd_dataset *data)
{
    uint64_t pixels;
    crd_status status = crd_dataset_image_digest(&pixels, data);
    if (status != CRD_OK)
        return status;
    snprintf(store->data_digest, sizeof store->data_digest, "%016" PRIx64,
             crd_dataset_digest(data));
    snprintf(store->image_digest, sizeof store->image_digest, "%016" PRIx64, pixels);
    add(store, "data_digest", store->data_digest);
    add(store, "images_digest", store->image_digest);
    return CRD_OK;
}

void crd_provenance_add_weights(crd_provenance *provenance, crd_provenance_store *store,
                                const crd_posterior *posterior, const crd_predict_options *options)
{
    const crd_sampler_options *o = &options->sampler;
    if (crd_family_is_normal(posterior->family))
        return;
    add(store, "weights_family", crd_family_name(posterior->family));
    provenance->n_pairs = store->n;
    if (!crd_family_is_ensemble(posterior->family))
        return;
    snprintf(store->n_components, sizeof store->n_components, "%" PRId64, posterior->n_components);
    const char *evidence = "every draw is another network";
    if (posterior->n_chains > 0)
        evidence = "draws of one chain resemble each other and are not independent evidence: "
                   "standard errors are by effective sample sizes";
    else if (o->mean)
        evidence = "every draw is the mean network of another component";
    else if (crd_family_is_random(posterior->family))
        evidence = "draws of one component are not independent evidence about components: standard "
                   "errors are those of the mean of the component means";
    add(store, "n_components", store->n_components);
    add(store, "component_of_draw",
        o->antithetic ? "(draw div 2) mod n_components" : "draw mod n_components");
    add(store, "evidence", evidence);
    provenance->n_pairs = store->n;
}

crd_status crd_provenance_make(crd_provenance *out, crd_provenance_store **store,
                               const crd_record *record, uint64_t seed,
                               const crd_run_inputs *inputs)
{
    crd_status status = CRD_OK;
    crd_provenance_store *s = NULL;
    CRD_ALLOC(&s, 1, "provenance");
    CRD_ALLOC(&s->names, record->n_settings, "provenance");
    CRD_ALLOC(&s->keys, record->n_settings + N_FACTS, "provenance");
    CRD_ALLOC(&s->values, record->n_settings + N_FACTS, "provenance");
    add_settings(s, record);
    add(s, "credence_version", CREDENCE_VERSION);
    add(s, "credence_git", CRD_GIT_HASH);
    add(s, "compiler", CRD_COMPILER);
    add(s, "kernels", crd_kernels_get()->name);
    add(s, "openblas_core", crd_gemm_core());
    if (inputs->posterior != NULL)
        add_posterior(s, inputs);
    if (inputs->dataset != NULL)
        CRD_TRY(add_dataset(s, inputs->dataset));
    if (crd_batch_job_id() != NULL)
        add(s, "slurm_job_id", crd_batch_job_id());
    *out = (crd_provenance){.command = record->command != NULL ? record->command : "libcredence",
                            .seed = seed,
                            .keys = s->keys,
                            .values = s->values,
                            .n_pairs = s->n};
cleanup:
    if (status != CRD_OK) {
        crd_provenance_store_destroy(s);
        s = NULL;
    }
    *store = s;
    return status;
}
