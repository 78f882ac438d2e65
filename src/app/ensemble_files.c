/* An ensemble from posterior files: what they have in common is joined (bayes/ensemble.c), then
 * each is read once more, component by component, into the ensemble's file. Which file a component
 * comes from is in the ensemble itself. */
#include "credence/ensemble_files.h"

#include <string.h>

#include "app/output_claim.h"
#include "app/provenance.h"
#include "base/alloc.h"
#include "base/integers.h"
#include "credence/files.h"

/* The files, of which one is open at a time; what is written of a component comes from its own. */
typedef struct parts {
    const char *const *files; /* [n] */
    int n;
    int64_t *n_before;                     /* [n + 1] components of the files before */
    char (*digests)[CRD_FILE_DIGEST_SIZE]; /* [n] */
    int current;                           /* that is open */
    crd_posterior_file *file;              /* NULL: none is */
} parts;

/* Opens file i, unless it is open. */
static crd_status open_part(parts *p, int i)
{
    crd_status status = CRD_OK;
    int is_open = p->file != NULL && strcmp(p->files[p->current], p->files[i]) == 0;
    if (!is_open) {
        crd_posterior_file_close(p->file);
        p->file = NULL;
        CRD_TRY(crd_posterior_open(&p->file, p->files[i]));
    }
    p->current = i;
cleanup:
    return status;
}

/* crd_numbers_source.read */
static crd_status read_components(float *const *mu, float *const *rho, int64_t first, int64_t n,
                                  void *payload)
{
    crd_status status = CRD_OK;
    parts *p = payload;
    int i = p->file == NULL || first < p->n_before[p->current] ? 0 : p->current;
    for (int64_t done = 0, some; done < n; done += some) {
        while (first + done >= p->n_before[i + 1])
            i++;
        some = crd_smaller(n - done, p->n_before[i + 1] - first - done);
        CRD_TRY(open_part(p, i));
        CRD_REQUIRE(strcmp(crd_posterior_file_digest(p->file), p->digests[i]) == 0, CRD_ERR_IO,
                    "%s: was changed while it was read", p->files[i]);
        const crd_numbers_source own = crd_posterior_file_source(p->file);
        CRD_TRY(own.read(mu + done, rho == NULL ? NULL : rho + done, first + done - p->n_before[i],
                         some, own.payload));
    }
cleanup:
    return status;
}

static crd_status write(const crd_posterior *ensemble, const char *output,
                        const crd_numbers_source *source, const crd_record *record)
{
    crd_status status = CRD_OK;
    crd_provenance_store *store = NULL;
    crd_provenance provenance;
    const crd_run_inputs inputs = {0};
    CRD_TRY(crd_provenance_make(&provenance, &store, record, 0, &inputs));
    CRD_TRY(crd_ensemble_write_file(output, ensemble, source, &provenance));
cleanup:
    crd_provenance_store_destroy(store);
    return status;
}

/* The first file stays open: the others are compared with it. */
static crd_status join(crd_posterior **out, parts *p, bool mean)
{
    crd_status status = CRD_OK;
    crd_posterior_file *first = NULL;
    crd_join *join = NULL;
    CRD_TRY(crd_join_create(&join, mean));
    CRD_TRY(crd_posterior_open(&first, p->files[0]));
    for (int i = 0; i < p->n; i++) {
        CRD_TRY(open_part(p, i));
        const crd_posterior *own = crd_posterior_file_view(i == 0 ? first : p->file);
        memcpy(p->digests[i], crd_posterior_file_digest(p->file), sizeof p->digests[i]);
        p->n_before[i + 1] = p->n_before[i] + own->n_components;
        CRD_TRY(crd_join_add(join, &(crd_component_source){own, p->files[i], p->digests[i]}));
    }
    CRD_TRY(crd_join_finish(out, join));
cleanup:
    crd_join_destroy(join);
    crd_posterior_file_close(first);
    return status;
}

crd_status crd_ensemble_files(crd_posterior **out, const char *output, const char *const *files,
                              int n, bool mean, const crd_record *record)
{
    crd_status status = CRD_OK;
    parts p = {.files = files, .n = n};
    const crd_record none = {0};
    const crd_numbers_source source = {.read = read_components, .payload = &p};
    crd_output_lock *lock = NULL;
    *out = NULL;
    CRD_REQUIRE(n >= 2, CRD_ERR_USAGE, "an ensemble has at least two components, not %d", n);
    CRD_TRY(crd_output_claim(&lock, output, &(crd_output_inputs){.data = files, .n_data = n}));
    CRD_ALLOC(&p.n_before, (int64_t)n + 1, "posteriors");
    CRD_ALLOC(&p.digests, n, "posteriors");
    CRD_TRY(join(out, &p, mean));
    CRD_TRY(write(*out, output, &source, record != NULL ? record : &none));
cleanup:
    crd_posterior_file_close(p.file);
    crd_free(p.digests);
    crd_free(p.n_before);
    crd_output_lock_release(lock);
    if (status != CRD_OK) {
        crd_posterior_destroy(*out);
        *out = NULL;
    }
    return status;
}
