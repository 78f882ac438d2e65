/* The checkpoint of a run of chains: vectors and numbers of every chain, the figures of the draws
 * so far, and the fingerprint of the run. Written through checkpoint_rotation.c, so one good
 * checkpoint is always there. The draws themselves are in a file of their own (draws_file.c). */
#include "io/chains_file.h"

#include <inttypes.h>

#include "io/checkpoint_rotation.h"

static const char progress[] = "/progress", fingerprint_path[] = "/progress/fingerprint",
                  chains[] = "/chains", vectors_path[] = "/chains/vectors",
                  numbers_path[] = "/chains/numbers", figures_path[] = "/chains/figures";

static crd_shape vectors_shape(const crd_sample_state *s)
{
    return crd_shape_make(3, s->n_chains, s->n_vectors, s->n);
}

static crd_shape numbers_shape(const crd_sample_state *s)
{
    return crd_shape_make(2, s->n_chains, s->n_numbers);
}

static crd_shape figures_shape(const crd_sample_state *s)
{
    return crd_shape_make(3, s->n_chains, s->n_draws, (int64_t)CRD_DRAW_FIGURES);
}

int64_t crd_chains_bytes(const crd_sample_state *s)
{
    return s->n_chains * (s->n_vectors * s->n * (int64_t)sizeof(float) +
                          (s->n_numbers + s->n_draws * CRD_DRAW_FIGURES) * (int64_t)sizeof(double));
}

static crd_status create(crd_h5 *h5, const crd_sample_state *s, const char *fingerprint)
{
    crd_status status = CRD_OK;
    const crd_shape vectors = vectors_shape(s), numbers = numbers_shape(s),
                    figures = figures_shape(s);
    CRD_TRY(crd_h5_group_create(h5, progress));
    CRD_TRY(crd_h5_attr_put(h5, progress, "n_gradients", CRD_H5_INT64, &s->n_gradients, 1));
    CRD_TRY(crd_h5_strings_write(h5, fingerprint_path, &fingerprint, 0));
    CRD_TRY(crd_h5_group_create(h5, chains));
    CRD_TRY(crd_h5_dataset_create(h5, vectors_path, CRD_H5_FLOAT32, &vectors));
    CRD_TRY(crd_h5_dataset_create(h5, numbers_path, CRD_H5_FLOAT64, &numbers));
    CRD_TRY(crd_h5_dataset_create(h5, figures_path, CRD_H5_FLOAT64, &figures));
cleanup:
    return status;
}

static crd_status write(crd_h5 *h5, const crd_sample_state *s)
{
    crd_status status = CRD_OK;
    for (int64_t c = 0; c < s->n_chains; c++)
        CRD_TRY(crd_h5_write(h5, vectors_path, CRD_H5_FLOAT32, s->vectors[c],
                             (const int64_t[]){c, 0, 0}, (const int64_t[]){1, s->n_vectors, s->n}));
    CRD_TRY(crd_h5_write(h5, numbers_path, CRD_H5_FLOAT64, s->numbers, NULL, NULL));
    CRD_TRY(crd_h5_write(h5, figures_path, CRD_H5_FLOAT64, s->figures, NULL, NULL));
cleanup:
    return status;
}

crd_status crd_chains_write(const char *path, const crd_sample_state *state,
                            const char *fingerprint, const crd_provenance *provenance)
{
    crd_status status = CRD_OK;
    crd_writer writer = {.h5 = NULL};
    CRD_TRY(crd_writer_begin(&writer, path, CRD_FILE_CHAINS, crd_chains_bytes(state), provenance));
    CRD_TRY(create(writer.h5, state, fingerprint));
    CRD_TRY(crd_writer_end_metadata(&writer));
    CRD_TRY(write(writer.h5, state));
    CRD_TRY(crd_rotation_publish(&writer));
cleanup:
    crd_writer_abandon(&writer);
    return status;
}

static crd_status read(crd_sample_state *s, crd_h5 *h5, int64_t most_gradients)
{
    crd_status status = CRD_OK;
    const crd_shape vectors = vectors_shape(s), numbers = numbers_shape(s),
                    figures = figures_shape(s);
    int64_t n_gradients;
    CRD_TRY(crd_h5_attr_get(&n_gradients, h5, progress, "n_gradients", CRD_H5_INT64, 1));
    CRD_REQUIRE(n_gradients >= 1 && n_gradients <= most_gradients, CRD_ERR_INPUT,
                "%s: %s: n_gradients is %" PRId64 "; it must be 1 to %" PRId64, crd_h5_name(h5),
                progress, n_gradients, most_gradients);
    CRD_TRY(crd_reader_expect(h5, vectors_path, CRD_H5_FLOAT32, &vectors));
    CRD_TRY(crd_reader_check(h5, vectors_path));
    for (int64_t c = 0; c < s->n_chains; c++)
        CRD_TRY(crd_h5_read(s->vectors[c], h5, vectors_path, CRD_H5_FLOAT32,
                            (const int64_t[]){c, 0, 0}, (const int64_t[]){1, s->n_vectors, s->n}));
    CRD_TRY(crd_reader_numbers(s->numbers, h5, numbers_path, CRD_H5_FLOAT64, &numbers));
    CRD_TRY(crd_reader_numbers(s->figures, h5, figures_path, CRD_H5_FLOAT64, &figures));
    s->n_gradients = n_gradients;
cleanup:
    return status;
}

/* What is read, and into what. */
typedef struct reading {
    crd_sample_state *state;
    const char *fingerprint;
    int64_t most_gradients;
} reading;

static crd_status read_generation(const char *path, void *payload)
{
    crd_status status = CRD_OK;
    const reading *r = payload;
    crd_h5 *h5 = NULL;
    crd_file_kind kind;
    CRD_TRY(crd_reader_open(&h5, &kind, path));
    CRD_REQUIRE(kind == CRD_FILE_CHAINS, CRD_ERR_INPUT, "%s: is a %s, not a checkpoint of chains",
                path, crd_kind_name(kind));
    CRD_TRY(crd_rotation_check_fingerprint(h5, fingerprint_path, r->fingerprint));
    CRD_TRY(read(r->state, h5, r->most_gradients));
cleanup:
    crd_h5_discard(h5);
    return status;
}

crd_status crd_chains_read(int *found, crd_sample_state *state, const char *path,
                           const char *fingerprint, int64_t most_gradients)
{
    reading r = {state, fingerprint, most_gradients};
    return crd_rotation_read(found, path, read_generation, &r);
}

crd_status crd_chains_forget(const char *path)
{
    return crd_rotation_remove(path);
}
