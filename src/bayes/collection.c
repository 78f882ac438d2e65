/* Networks of one training as they come. SWAG: mean and squares by Welford's update in double,
 * which never makes a negative variance; deviations from the mean so far, of the last `rank`
 * networks, as in the authors' code: Maddox et al., NeurIPS 2019, algorithm 1. Members are copied
 * as they are. It does not know how the networks are trained. */
#include "bayes/collection.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "weights/family.h"

enum { FILE_SIZE = 4400 };

int crd_collect_is_due(const crd_collect_options *o, int64_t step, int64_t per_epoch)
{
    int64_t length = o->every > 0 ? o->every * per_epoch : o->steps;
    int64_t done = step - o->start * per_epoch;
    return o->kind != CRD_COLLECT_NOTHING && done > 0 && done % length == o->phase * per_epoch;
}

int64_t crd_collect_count(const crd_collect_options *o, int64_t n_epochs, int64_t per_epoch)
{
    int64_t length = o->every > 0 ? o->every * per_epoch : o->steps;
    int64_t done = (n_epochs - o->start) * per_epoch - o->phase * per_epoch;
    if (o->kind == CRD_COLLECT_NOTHING || done < 0)
        return 0;
    return done / length + (o->phase > 0);
}

crd_status crd_collect_check(const crd_collect_options *o, int64_t n_epochs, int64_t per_epoch)
{
    crd_status status = CRD_OK;
    if (o->kind == CRD_COLLECT_NOTHING)
        return CRD_OK;
    CRD_REQUIRE(o->start >= 0 && o->every >= 0 && (o->every > 0) != (o->steps > 0), CRD_ERR_USAGE,
                "collect: start %lld, every %lld epochs or %lld steps: one of the two, at least 1",
                (long long)o->start, (long long)o->every, (long long)o->steps);
    CRD_REQUIRE(o->phase >= 0 && (o->phase == 0 || o->phase < o->every), CRD_ERR_USAGE,
                "collect: phase %lld of %lld epochs", (long long)o->phase, (long long)o->every);
    int64_t n = crd_collect_count(o, n_epochs, per_epoch);
    int64_t least = o->kind == CRD_COLLECT_SWAG && o->rank > 2 ? o->rank : 2;
    CRD_REQUIRE(
        n >= least, CRD_ERR_USAGE,
        "%lld networks would be collected, of which %s: more --epochs, or collect more often",
        (long long)n,
        n < 2 ? "there must be at least 2" : "there must be as many as deviations (--rank)");
cleanup:
    return status;
}

crd_status crd_collection_create(crd_collection **out, const crd_collect_options *options,
                                 int64_t n_floats)
{
    crd_status status = CRD_OK;
    crd_collection *c = NULL;
    int64_t rank = options->rank;
    *out = NULL;
    CRD_REQUIRE(options->kind == CRD_COLLECT_MEMBERS || rank == 0 ||
                    (rank >= 2 && rank <= CRD_MAX_RANK),
                CRD_ERR_USAGE, "rank: %lld; it must be 0 (the diagonal only) or 2 to %d",
                (long long)rank, CRD_MAX_RANK);
    CRD_ALLOC(&c, 1, "networks that are collected");
    c->kind = options->kind;
    c->n_floats = n_floats;
    if (c->kind == CRD_COLLECT_SWAG) {
        c->rank = c->capacity = rank;
        CRD_ALLOC(&c->mean, n_floats, "mean");
        CRD_ALLOC(&c->squares, n_floats, "squares");
        CRD_ALLOC(&c->rows, rank * n_floats, "deviations");
    }
    *out = c;
    return CRD_OK;
cleanup:
    crd_collection_destroy(c);
    return status;
}

void crd_collection_destroy(crd_collection *collection)
{
    if (collection == NULL)
        return;
    crd_free(collection->steps);
    crd_free(collection->rows);
    crd_free(collection->squares);
    crd_free(collection->mean);
    crd_free(collection);
}

crd_status crd_collection_reserve(crd_collection *c, int64_t n)
{
    crd_status status = CRD_OK;
    if (n <= c->capacity)
        return CRD_OK;
    CRD_TRY(crd_alloc_grow((void **)&c->rows, c->capacity * c->n_floats, n * c->n_floats,
                           sizeof *c->rows, "members"));
    CRD_TRY(crd_alloc_grow((void **)&c->steps, c->capacity, n, sizeof *c->steps, "members"));
    c->capacity = n;
cleanup:
    return status;
}

int64_t crd_collection_n_rows(const crd_collection *c)
{
    return c->kind == CRD_COLLECT_SWAG && c->n > c->rank ? c->rank : c->n;
}

static void add_moments(crd_collection *c, const float *values)
{
    float *row = c->rank > 0 ? c->rows + c->n % c->rank * c->n_floats : NULL;
    double n = (double)(c->n + 1);
    for (int64_t i = 0; i < c->n_floats; i++) {
        double value = (double)values[i], from = value - c->mean[i];
        c->mean[i] += from / n;
        double to = value - c->mean[i];
        c->squares[i] += from * to;
        if (row != NULL)
            row[i] = (float)to;
    }
}

crd_status crd_collection_add(crd_collection *c, const float *values, int64_t step)
{
    crd_status status = CRD_OK;
    if (c->kind == CRD_COLLECT_SWAG) {
        add_moments(c, values);
    } else {
        CRD_TRY(crd_collection_reserve(c, c->n + 1));
        memcpy(c->rows + c->n * c->n_floats, values, (size_t)c->n_floats * sizeof *values);
        c->steps[c->n] = step;
    }
    c->n++;
cleanup:
    return status;
}

/* Deviations from the oldest to the newest. */
static crd_status make_swag(crd_posterior *out, const crd_collection *c)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_posterior_set_rank(out, c->rank));
    crd_posterior_set_trained(out);
    for (int64_t i = 0; i < c->n_floats; i++) {
        out->mu[i] = (float)c->mean[i];
        out->variance[i] = (float)(c->squares[i] / (double)c->n);
    }
    for (int64_t k = 0; k < c->rank; k++)
        memcpy(out->deviations + k * c->n_floats, c->rows + (c->n + k) % c->rank * c->n_floats,
               (size_t)c->n_floats * sizeof *c->rows);
cleanup:
    return status;
}

static crd_status make_members(crd_posterior *out, const crd_collection *c, const char *file,
                               const char *digest)
{
    crd_status status = CRD_OK;
    char name[FILE_SIZE];
    memcpy(out->mu, c->rows, (size_t)(c->n * c->n_floats) * sizeof *c->rows);
    for (int64_t i = 0; i < c->n; i++) {
        snprintf(name, sizeof name, "%s, step %lld", file, (long long)c->steps[i]);
        CRD_TRY(crd_alloc_string(&out->origins[i].file, name));
        CRD_TRY(crd_alloc_string(&out->origins[i].digest, digest));
    }
cleanup:
    return status;
}

crd_status crd_collection_make_posterior(crd_posterior **out, const crd_collection *collection,
                                         const crd_posterior *like, const char *file,
                                         const char *digest)
{
    crd_status status = CRD_OK;
    int is_swag = collection->kind == CRD_COLLECT_SWAG;
    const crd_family *family = is_swag                                    ? &crd_family_swag
                               : crd_network_is_stochastic(like->network) ? &crd_family_mixture
                                                                          : &crd_family_members;
    CRD_TRY(crd_posterior_create_like(out, like, family, is_swag ? 1 : collection->n));
    CRD_TRY(crd_posterior_allocate(*out));
    CRD_TRY(is_swag ? make_swag(*out, collection) : make_members(*out, collection, file, digest));
cleanup:
    if (status != CRD_OK) {
        crd_posterior_destroy(*out);
        *out = NULL;
    }
    return status;
}
