/* Numbers of a posterior's file by components: HDF5, in its own process, says once where every
 * dataset lies; then rows, a component's share of a dataset, are read from there, several
 * components of a dataset with one call. Checksums are made on the way. */
#define _DEFAULT_SOURCE /* preadv */
#include "io/components.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/integers.h"
#include "io/h5_file.h"

/* FINISH_BYTES: of rows whose checksum only is wanted, at once, and in a call. */
enum { ROWS_A_CALL = 64, FINISH_BYTES = 8 << 20, FINISH_CALL_BYTES = 256 << 20 };

/* A dataset: a row for each component, or as many as it has deviations. */
typedef struct span {
    char *path;
    crd_number_kind kind;
    int n_axes; /* before a row's own */
    int64_t param, offset, row_bytes;
    int64_t n_rows, n_own; /* in all, of a component */
    crd_shape shape;
    char recorded[CRD_CHECKSUM_SIZE];
    bool is_used;         /* rows of it have been given out */
    XXH3_state_t *digest; /* of the rows before next_row */
    int64_t next_row;
} span;

struct crd_components {
    crd_h5 *h5;
    struct stat seen; /* of the file as it was opened */
    crd_known_datasets known;
    span *spans;
    int64_t n_spans, capacity;
};

crd_status crd_components_create(crd_components **out, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    crd_components *c = NULL;
    *out = NULL;
    CRD_ALLOC(&c, 1, "numbers of a file");
    c->h5 = h5;
    CRD_REQUIRE(fstat(crd_h5_descriptor(h5), &c->seen) == 0, CRD_ERR_IO, "%s: cannot be read: %s",
                crd_h5_name(h5), strerror(errno));
    *out = c;
    c = NULL;
cleanup:
    crd_components_destroy(c);
    return status;
}

void crd_components_destroy(crd_components *c)
{
    if (c == NULL)
        return;
    for (int64_t i = 0; i < c->n_spans; i++) {
        crd_free(c->spans[i].path);
        XXH3_freeState(c->spans[i].digest);
    }
    crd_free(c->spans);
    crd_known_datasets_clear(&c->known);
    crd_free(c);
}

crd_status crd_components_know(crd_components *c, const char *path)
{
    return crd_known_datasets_add(&c->known, path);
}

crd_status crd_components_check_names(crd_components *c)
{
    return crd_known_datasets_check(&c->known, c->h5, "/");
}

static crd_status read_recorded(span *s, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    char *text = NULL;
    CRD_TRY(crd_h5_attr_get_text(&text, h5, s->path, CRD_CHECKSUM_KEY));
    CRD_REQUIRE(strlen(text) < sizeof s->recorded, CRD_ERR_INPUT,
                "%s: %s: " CRD_CHECKSUM_KEY " is '%s', which is no checksum", crd_h5_name(h5),
                s->path, text);
    memcpy(s->recorded, text, strlen(text) + 1);
cleanup:
    crd_free(text);
    return status;
}

crd_status crd_components_add(crd_components *c, const char *path, const crd_shape *shape,
                              int n_axes, int64_t param, crd_number_kind kind)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_reader_expect(c->h5, path, CRD_H5_FLOAT32, shape));
    if (c->n_spans == c->capacity) {
        int64_t capacity = c->capacity == 0 ? 64 : 2 * c->capacity;
        CRD_TRY(crd_alloc_grow((void **)&c->spans, c->capacity, capacity, sizeof *c->spans,
                               "numbers of a file"));
        c->capacity = capacity;
    }
    span *s = &c->spans[c->n_spans];
    int64_t n_own = n_axes > 1 ? shape->dims[1] : 1;
    int64_t n_rows = n_axes > 0 ? shape->dims[0] * n_own : 1;
    *s = (span){.kind = kind,
                .n_axes = n_axes,
                .param = param,
                .row_bytes = crd_shape_count(shape) / n_rows * (int64_t)sizeof(float),
                .n_rows = n_rows,
                .n_own = n_own,
                .shape = *shape};
    CRD_TRY(crd_alloc_string(&s->path, path));
    c->n_spans++;
    s->digest = XXH3_createState();
    CRD_REQUIRE(s->digest != NULL, CRD_ERR_INTERNAL, "%s: out of memory", path);
    XXH3_64bits_reset(s->digest);
    CRD_TRY(read_recorded(s, c->h5));
    CRD_TRY(crd_h5_offset(&s->offset, c->h5, path));
    CRD_REQUIRE(s->offset >= 0, CRD_ERR_INPUT, "%s: %s: is not stored contiguously",
                crd_h5_name(c->h5), path);
    CRD_TRY(crd_components_know(c, path));
cleanup:
    return status;
}

/* Whether the file is what it was: a program that writes into it changes its time or its size. Else
 * `status`, whose message stays. */
static crd_status check_unchanged(const crd_components *c, crd_status status)
{
    struct stat now;
    const char *name = crd_h5_name(c->h5);
    if (fstat(crd_h5_descriptor(c->h5), &now) != 0)
        return CRD_FAIL(CRD_ERR_IO, "%s: cannot be read: %s", name, strerror(errno));
    if (now.st_size < c->seen.st_size)
        return CRD_FAIL(CRD_ERR_IO, "%s: became shorter while it was read", name);
    if (now.st_size != c->seen.st_size || now.st_mtim.tv_sec != c->seen.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != c->seen.st_mtim.tv_nsec)
        return CRD_FAIL(CRD_ERR_IO, "%s: was changed while it was read", name);
    return status;
}

/* Fills n pieces, one after the other in the file. Uses them up. */
static crd_status read_pieces(struct iovec *pieces, int n, const crd_components *c, const span *s,
                              int64_t offset)
{
    while (n > 0) {
        ssize_t got = preadv(crd_h5_descriptor(c->h5), pieces, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return CRD_FAIL(CRD_ERR_IO, "%s: cannot be read: %s", crd_h5_name(c->h5),
                            strerror(errno));
        if (got == 0)
            return CRD_FAIL(CRD_ERR_INPUT,
                            "%s: %s: truncated: it reaches beyond the end of the file",
                            crd_h5_name(c->h5), s->path);
        offset += got;
        for (; n > 0 && (size_t)got >= pieces->iov_len; pieces++, n--)
            got -= (ssize_t)pieces->iov_len;
        if (n > 0) {
            pieces->iov_base = (char *)pieces->iov_base + got;
            pieces->iov_len -= (size_t)got;
        }
    }
    return CRD_OK;
}

/* Rows [first, first + n) of a dataset into rows[n], each at element `at`. */
static crd_status read_rows(float *const *rows, int64_t at, const crd_components *c, const span *s,
                            int64_t first, int64_t n)
{
    crd_status status = CRD_OK;
    struct iovec pieces[ROWS_A_CALL];
    for (int64_t done = 0, some; done < n; done += some) {
        some = n - done < ROWS_A_CALL ? n - done : ROWS_A_CALL;
        if (CRD_IS_LITTLE_ENDIAN) {
            for (int64_t i = 0; i < some; i++)
                pieces[i] = (struct iovec){rows[done + i] + at, (size_t)s->row_bytes};
            CRD_TRY(
                read_pieces(pieces, (int)some, c, s, s->offset + (first + done) * s->row_bytes));
            continue;
        }
        for (int64_t i = 0; i < some; i++) {
            int64_t row = first + done + i, start[CRD_MAX_DIMS] = {row / s->n_own};
            int64_t count[CRD_MAX_DIMS];
            memcpy(count, s->shape.dims, sizeof count);
            count[0] = 1;
            if (s->n_axes > 1) {
                start[1] = row % s->n_own;
                count[1] = 1;
            }
            CRD_TRY(crd_h5_read(rows[done + i] + at, c->h5, s->path, CRD_H5_FLOAT32,
                                s->n_axes > 0 ? start : NULL, s->n_axes > 0 ? count : NULL));
        }
    }
cleanup:
    return status;
}

/* The system reads a dataset's rows ahead while those before are looked at. */
static void announce(const crd_components *c, const span *s, int64_t first, int64_t n)
{
    (void)posix_fadvise(crd_h5_descriptor(c->h5), (off_t)(s->offset + first * s->row_bytes),
                        (off_t)(n * s->row_bytes), POSIX_FADV_WILLNEED);
}

/* Rows that come in order are part of the dataset's checksum, whose last row shows whether it is
 * right. */
static crd_status digest_rows(float *const *rows, int64_t at, const crd_components *c, span *s,
                              int64_t first, int64_t n)
{
    crd_status status = CRD_OK;
    char computed[CRD_CHECKSUM_SIZE];
    s->is_used = true;
    if (first != s->next_row || !CRD_IS_LITTLE_ENDIAN)
        return CRD_OK;
    for (int64_t i = 0; i < n; i++)
        XXH3_64bits_update(s->digest, rows[i] + at, (size_t)s->row_bytes);
    s->next_row += n;
    if (s->next_row < s->n_rows)
        return CRD_OK;
    crd_checksum_text(computed, XXH3_64bits_digest(s->digest));
    CRD_REQUIRE(strcmp(s->recorded, computed) == 0, CRD_ERR_INPUT,
                "%s: %s: damaged (checksum %s, recorded %s)", crd_h5_name(c->h5), s->path, computed,
                s->recorded);
cleanup:
    return status;
}

crd_status crd_components_find_fixed(crd_components *c, crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    int64_t n_params = posterior->network->params.n_params;
    for (int64_t i = 0; i < c->n_spans; i++) {
        const span *s = &c->spans[i];
        for (int64_t k = 0; s->kind == CRD_NUMBER_RHO && s->n_axes > 0 && k < s->n_rows; k++) {
            float rho;
            struct iovec piece = {&rho, sizeof rho};
            if (s->row_bytes > 0)
                CRD_TRY(read_pieces(&piece, 1, c, s, s->offset + k * s->row_bytes));
            if (s->row_bytes > 0 && isinf(rho) && rho < 0)
                posterior->bayesian[k * n_params + s->param] = 0;
        }
    }
cleanup:
    return status;
}

/* What is fixed has rho -inf in the file, throughout. */
static crd_status check_fixed(const float *rho, int64_t component, const crd_components *c,
                              const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_params *params = &posterior->network->params;
    const uint8_t *bayesian = posterior->bayesian + component * params->n_params;
    for (int64_t i = 0; i < c->n_spans; i++) {
        const span *s = &c->spans[i];
        const float *values = rho + params->entries[s->param].offset;
        for (int64_t k = 0; s->kind == CRD_NUMBER_RHO && !bayesian[s->param] &&
                            k < params->entries[s->param].count;
             k++)
            CRD_REQUIRE(isinf(values[k]) && values[k] < 0, CRD_ERR_INPUT,
                        "%s: %s: component %lld: element %lld is %g, but the first is -inf",
                        crd_h5_name(c->h5), s->path, (long long)component, (long long)k,
                        (double)values[k]);
    }
cleanup:
    return status;
}

/* n_rows blocks: what is not Bayesian in them is 0. */
static void zero_fixed(float *blocks, int64_t n_rows, int64_t component,
                       const crd_posterior *posterior)
{
    const crd_params *params = &posterior->network->params;
    for (int64_t p = 0; p < params->n_params; p++)
        for (int64_t k = 0; k < n_rows && !posterior->bayesian[component * params->n_params + p];
             k++)
            memset(blocks + k * params->n_floats + params->entries[p].offset, 0,
                   (size_t)params->entries[p].count * sizeof *blocks);
}

/* Where row k of a component goes. NULL: it is not wanted. */
static float *row_of(const crd_component_numbers *to, const span *s, int64_t k, int64_t n_floats)
{
    switch (s->kind) {
    case CRD_NUMBER_MU:
        return to->mu;
    case CRD_NUMBER_RHO:
    case CRD_NUMBER_VARIANCE:
        return to->rho;
    case CRD_NUMBER_DEVIATIONS:
        return to->deviations == NULL ? NULL : to->deviations + k * n_floats;
    case CRD_NUMBER_PRIOR_MU:
        break;
    }
    return NULL;
}

static crd_status read_spans(const crd_component_numbers *to, int64_t first, int64_t n,
                             crd_components *c, const crd_params *params)
{
    crd_status status = CRD_OK;
    float **rows = NULL;
    int64_t most = 1;
    for (int64_t i = 0; i < c->n_spans; i++)
        most = c->spans[i].n_own > most ? c->spans[i].n_own : most;
    CRD_ALLOC(&rows, n * most, "rows of components");
    for (int64_t i = 0, next = 0; i < c->n_spans; i++) {
        span *s = &c->spans[i];
        if (row_of(to, s, 0, 0) == NULL)
            continue;
        for (next = i + 1; next < c->n_spans && row_of(to, &c->spans[next], 0, 0) == NULL;)
            next++;
        if (next < c->n_spans)
            announce(c, &c->spans[next], first * c->spans[next].n_own, n * c->spans[next].n_own);
        for (int64_t k = 0; k < n * s->n_own; k++)
            rows[k] = row_of(&to[k / s->n_own], s, k % s->n_own, params->n_floats);
        int64_t at = params->entries[s->param].offset;
        CRD_TRY(read_rows(rows, at, c, s, first * s->n_own, n * s->n_own));
        CRD_TRY(digest_rows(rows, at, c, s, first * s->n_own, n * s->n_own));
    }
cleanup:
    crd_free(rows);
    return status;
}

crd_status crd_components_read(const crd_component_numbers *to, int64_t first, int64_t n,
                               crd_components *c, const crd_posterior *posterior)
{
    crd_status status = read_spans(to, first, n, c, &posterior->network->params);
    /* What was read counts only if the file stayed as it was; and if not, that is what is wrong. */
    crd_status unchanged = check_unchanged(c, status);
    if (unchanged != CRD_OK)
        return unchanged;
    for (int64_t i = 0; i < n; i++) {
        if (to[i].rho != NULL) {
            CRD_TRY(check_fixed(to[i].rho, first + i, c, posterior));
            zero_fixed(to[i].rho, 1, first + i, posterior);
        }
        if (to[i].deviations != NULL)
            zero_fixed(to[i].deviations, posterior->rank, first + i, posterior);
        if (crd_posterior_check_numbers(posterior, first + i, &to[i]) != CRD_OK)
            CRD_TRY(CRD_FAIL(CRD_ERR_INPUT, "%s: %s", crd_h5_name(c->h5), crd_status_message()));
    }
cleanup:
    return status;
}

/* The rows after those whose digest is known, as long as *left_bytes allow. */
static crd_status finish_span(int64_t *left_bytes, crd_components *c, span *s, float *values)
{
    crd_status status = CRD_OK;
    float *rows[ROWS_A_CALL];
    int64_t most =
        crd_smaller(ROWS_A_CALL, crd_larger(FINISH_BYTES / crd_larger(s->row_bytes, 1), 1));
    while (*left_bytes > 0 && s->next_row < s->n_rows) {
        int64_t n = crd_smaller(most, s->n_rows - s->next_row);
        for (int64_t i = 0; i < n; i++)
            rows[i] = values + i * (s->row_bytes / (int64_t)sizeof(float));
        announce(c, s, s->next_row, 2 * n);
        CRD_TRY(read_rows(rows, 0, c, s, s->next_row, n));
        CRD_TRY(digest_rows(rows, 0, c, s, s->next_row, n));
        *left_bytes -= n * s->row_bytes;
    }
cleanup:
    return status;
}

crd_status crd_components_finish(bool *done, crd_components *c)
{
    crd_status status = CRD_OK;
    int64_t most = FINISH_BYTES, left_bytes = FINISH_CALL_BYTES;
    float *values = NULL;
    for (int64_t i = 0; i < c->n_spans; i++)
        most = crd_larger(most, c->spans[i].row_bytes);
    CRD_ALLOC(&values, most / (int64_t)sizeof *values, "rows of components");
    for (int64_t i = 0; i < c->n_spans; i++)
        if (c->spans[i].is_used)
            CRD_TRY(CRD_IS_LITTLE_ENDIAN ? finish_span(&left_bytes, c, &c->spans[i], values)
                                         : crd_reader_check(c->h5, c->spans[i].path));
cleanup:
    crd_free(values);
    *done = left_bytes > 0;
    return check_unchanged(c, status);
}

crd_status crd_components_read_prior(float *prior_mu, crd_components *c,
                                     const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    for (int64_t i = 0; i < c->n_spans; i++) {
        span *s = &c->spans[i];
        int64_t at = posterior->network->params.entries[s->param].offset;
        if (s->kind != CRD_NUMBER_PRIOR_MU)
            continue;
        CRD_TRY(read_rows(&prior_mu, at, c, s, 0, 1));
        CRD_TRY(digest_rows(&prior_mu, at, c, s, 0, 1));
    }
    CRD_TRY(check_unchanged(c, CRD_OK));
cleanup:
    return status;
}

static crd_status compare_rows(uint8_t *differs, float *const rows[2], const crd_components *c,
                               const span *s)
{
    crd_status status = CRD_OK;
    CRD_TRY(read_rows(&rows[0], 0, c, s, 0, 1));
    for (int64_t k = 1; !*differs && k < s->shape.dims[0]; k++) {
        CRD_TRY(read_rows(&rows[1], 0, c, s, k, 1));
        *differs = memcmp(rows[0], rows[1], (size_t)s->row_bytes) != 0;
    }
cleanup:
    return status;
}

crd_status crd_components_compare(uint8_t *differs, crd_components *c,
                                  const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    float *rows[2] = {NULL, NULL};
    int64_t most = 0;
    memset(differs, 0, (size_t)posterior->network->params.n_params);
    for (int64_t i = 0; i < c->n_spans; i++)
        most = c->spans[i].row_bytes > most ? c->spans[i].row_bytes : most;
    for (int k = 0; k < 2; k++)
        CRD_ALLOC(&rows[k], most / (int64_t)sizeof(float), "values of a parameter");
    for (int64_t i = 0; i < c->n_spans; i++)
        if (c->spans[i].kind == CRD_NUMBER_MU && c->spans[i].n_axes > 0)
            CRD_TRY(compare_rows(&differs[c->spans[i].param], rows, c, &c->spans[i]));
    CRD_TRY(check_unchanged(c, CRD_OK));
cleanup:
    crd_free(rows[1]);
    crd_free(rows[0]);
    return status;
}
