/* An ensemble from posterior files: what they have in common is joined (bayes/ensemble.c), then
 * each is read once more, component by component, into the ensemble's file. Which file a component
 * comes from is in the ensemble itself. */
#include "credence/ensemble_files.h"

#include <string.h>

#include "app/output_claim.h"
#include "app/provenance.h"
#include "base/alloc.h"
#include "credence/files.h"

/* The files; what is written of a component comes from its own. One is open at a time, but of
 * chains, whose draws come in turn, all. */
typedef struct parts {
    const char *const *files; /* [n] */
    int n;
    crd_join *join;
    char (*digests)[CRD_FILE_DIGEST_SIZE]; /* [n] */
    crd_posterior_file **open;             /* [n] NULL: is not open */
    bool keeps_open;
    int64_t rank; /* of the ensemble */
} parts;

static void close_part(parts *p, int i)
{
    crd_posterior_file_close(p->open[i]);
    p->open[i] = NULL;
}

/* Nothing more is read of it. */
static crd_status finish_part(const parts *p, int i)
{
    crd_status status = CRD_OK;
    if (p->open[i] == NULL)
        return CRD_OK;
    const crd_numbers_source source = crd_posterior_file_source(p->open[i]);
    for (bool done = false; !done;)
        CRD_TRY(source.finish(&done, source.payload));
cleanup:
    return status;
}

/* Opens file i, unless it is open: then it may be as another one of the same name. */
static crd_status open_part(parts *p, int64_t i)
{
    crd_status status = CRD_OK;
    for (int k = 0; k < p->n && p->open[i] == NULL; k++)
        if (p->open[k] != NULL && strcmp(p->files[k], p->files[i]) == 0) {
            p->open[i] = p->open[k];
            p->open[k] = NULL;
        }
    for (int k = 0; k < p->n && !p->keeps_open; k++)
        if (k != i) {
            CRD_TRY(finish_part(p, k));
            close_part(p, k);
        }
    if (p->open[i] == NULL)
        CRD_TRY(crd_posterior_open(&p->open[i], p->files[i]));
cleanup:
    return status;
}

/* Component `own` of file i; deviations that a network without them has in the ensemble are 0. */
static crd_status read_component(const crd_component_numbers *to, parts *p, int64_t i, int64_t own)
{
    crd_status status = CRD_OK;
    crd_component_numbers wanted = *to;
    CRD_TRY(open_part(p, i));
    CRD_REQUIRE(strcmp(crd_posterior_file_digest(p->open[i]), p->digests[i]) == 0, CRD_ERR_IO,
                "%s: was changed while it was read", p->files[i]);
    const crd_posterior *view = crd_posterior_file_view(p->open[i]);
    if (view->rank == 0 && wanted.deviations != NULL) {
        memset(wanted.deviations, 0,
               (size_t)(p->rank * view->network->params.n_floats) * sizeof *wanted.deviations);
        wanted.deviations = NULL;
    }
    const crd_numbers_source source = crd_posterior_file_source(p->open[i]);
    CRD_TRY(source.read(&wanted, own, 1, source.payload));
cleanup:
    return status;
}

/* crd_numbers_source.read */
static crd_status read_components(const crd_component_numbers *to, int64_t first, int64_t n,
                                  void *payload)
{
    crd_status status = CRD_OK;
    parts *p = payload;
    for (int64_t k = 0; k < n; k++) {
        int64_t i, own;
        crd_join_locate(&i, &own, p->join, first + k);
        CRD_TRY(read_component(&to[k], p, i, own));
    }
cleanup:
    return status;
}

/* crd_numbers_source.finish */
static crd_status finish_components(bool *done, void *payload)
{
    crd_status status = CRD_OK;
    const parts *p = payload;
    for (int i = 0; i < p->n; i++)
        CRD_TRY(finish_part(p, i));
    *done = true;
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
    CRD_TRY(crd_join_create(&p->join, mean));
    CRD_TRY(crd_posterior_open(&first, p->files[0]));
    for (int i = 0; i < p->n; i++) {
        CRD_TRY(open_part(p, i));
        const crd_posterior *own = crd_posterior_file_view(i == 0 ? first : p->open[i]);
        memcpy(p->digests[i], crd_posterior_file_digest(p->open[i]), sizeof p->digests[i]);
        CRD_TRY(crd_join_add(p->join, &(crd_component_source){own, p->files[i], p->digests[i]}));
    }
    CRD_TRY(crd_join_finish(out, p->join));
    p->keeps_open = (*out)->n_chains > 0;
    p->rank = (*out)->rank;
cleanup:
    crd_posterior_file_close(first);
    return status;
}

crd_status crd_ensemble_files(crd_posterior **out, const char *output, const char *const *files,
                              int n, bool mean, const crd_record *record)
{
    crd_status status = CRD_OK;
    parts p = {.files = files, .n = n};
    const crd_record none = {0};
    const crd_numbers_source source = {
        .read = read_components, .finish = finish_components, .payload = &p};
    crd_output_lock *lock = NULL;
    *out = NULL;
    CRD_REQUIRE(n >= 2, CRD_ERR_USAGE, "an ensemble has at least two components, not %d", n);
    CRD_TRY(crd_output_claim(&lock, output, &(crd_output_inputs){.data = files, .n_data = n}));
    CRD_ALLOC(&p.open, n, "posteriors");
    CRD_ALLOC(&p.digests, n, "posteriors");
    CRD_TRY(join(out, &p, mean));
    CRD_TRY(write(*out, output, &source, record != NULL ? record : &none));
cleanup:
    for (int i = 0; p.open != NULL && i < n; i++)
        close_part(&p, i);
    crd_join_destroy(p.join);
    crd_free(p.digests);
    crd_free(p.open);
    crd_output_lock_release(lock);
    if (status != CRD_OK) {
        crd_posterior_destroy(*out);
        *out = NULL;
    }
    return status;
}
