/* Joins the parts of a prediction. Sums are added as integers and rows made of them anew, so the
 * file is the one that a single run would have written. */
#include "credence/merge_files.h"

#include <inttypes.h>
#include <stdlib.h>

#include "app/output_claim.h"
#include "base/alloc.h"
#include "credence/files.h"

/* Bytes of rows that are added up at a time. */
enum { CHUNK_BYTES = 32 << 20 };

typedef struct source {
    const char *path;
    crd_part *part;
} source;

static const crd_part_facts *facts_of(const source *s)
{
    return crd_part_meta(s->part)->part;
}

static int by_first_draw(const void *a, const void *b)
{
    int64_t x = facts_of(a)->first_draw, y = facts_of(b)->first_draw;
    return (x > y) - (x < y);
}

/** All of one run, and each draw of it once. Sorts them by draws. */
static crd_status check_parts(source *sources, int n)
{
    crd_status status = CRD_OK;
    int64_t next = 0, all = facts_of(&sources[0])->all_draws;
    for (int i = 1; i < n; i++)
        CRD_TRY(crd_part_match(sources[i].part, sources[0].part));
    qsort(sources, (size_t)n, sizeof *sources, by_first_draw);
    for (int i = 0; i < n; i++) {
        const crd_part_facts *f = facts_of(&sources[i]);
        CRD_REQUIRE(f->first_draw >= next, CRD_ERR_INPUT,
                    "%s: draws %" PRId64 " to %" PRId64 " are in %s too", sources[i].path,
                    f->first_draw, (next < f->end_draw ? next : f->end_draw) - 1,
                    sources[i - 1].path);
        CRD_REQUIRE(f->first_draw == next, CRD_ERR_INPUT,
                    "draws %" PRId64 " to %" PRId64 " of %" PRId64
                    " are missing, before those of %s",
                    next, f->first_draw - 1, all, sources[i].path);
        next = f->end_draw;
    }
    CRD_REQUIRE(next == all, CRD_ERR_INPUT,
                "draws %" PRId64 " to %" PRId64 " of %" PRId64 " are missing, after those of %s",
                next, all - 1, all, sources[n - 1].path);
cleanup:
    return status;
}

/** sums += those of another part; maxima likewise. */
static crd_status add_rows(crd_summary *sum, const crd_summary *more, int64_t first,
                           const char *path)
{
    crd_status status = CRD_OK;
    for (int64_t i = 0; i < sum->n_images; i++)
        CRD_REQUIRE(sum->skipped[i] == more->skipped[i], CRD_ERR_INPUT,
                    "%s: image %" PRId64 " was read in one part and not in another", path,
                    first + i);
    for (int64_t i = 0; i < sum->n_images * crd_reduction_n_sums(&sum->reduction); i++)
        sum->sums[i] += more->sums[i];
    for (int64_t i = 0; i < sum->n_images * crd_reduction_n_maxima(&sum->reduction); i++)
        if (more->maxima[i] > sum->maxima[i])
            sum->maxima[i] = more->maxima[i];
cleanup:
    return status;
}

/** Rows of the whole, from rows with added sums. */
static void finish_rows(crd_summary *rows, const crd_summary *sum)
{
    int64_t n_sums = crd_reduction_n_sums(&sum->reduction);
    int64_t n_maxima = crd_reduction_n_maxima(&sum->reduction);
    rows->n_images = sum->n_images;
    for (int64_t i = 0; i < sum->n_images; i++)
        if (sum->skipped[i])
            crd_summary_mark_skipped(rows, i);
        else
            crd_summary_finish(rows, i, sum->sums + i * n_sums, sum->maxima + i * n_maxima);
}

static crd_status join(crd_prediction_file *file, const source *sources, int n)
{
    crd_status status = CRD_OK;
    const crd_prediction_meta *meta = crd_part_meta(sources[0].part);
    crd_summary sum = {0}, more = {0}, rows = {0};
    int64_t image_bytes = 8 * crd_reduction_n_sums(meta->reduction);
    int64_t chunk = CHUNK_BYTES / image_bytes + 1;
    CRD_TRY(crd_summary_init(&sum, meta->reduction, chunk));
    CRD_TRY(crd_summary_init(&more, meta->reduction, chunk));
    CRD_TRY(crd_summary_init(&rows, meta->reduction, chunk));
    CRD_TRY(crd_summary_keep_sums(&sum));
    CRD_TRY(crd_summary_keep_sums(&more));
    for (int64_t first = 0; first < meta->n_images; first += chunk) {
        int64_t n_left = meta->n_images - first;
        sum.n_images = more.n_images = n_left < chunk ? n_left : chunk;
        CRD_TRY(crd_part_read(&sum, sources[0].part, first));
        for (int i = 1; i < n; i++) {
            CRD_TRY(crd_part_read(&more, sources[i].part, first));
            CRD_TRY(add_rows(&sum, &more, first, sources[i].path));
        }
        finish_rows(&rows, &sum);
        CRD_TRY(crd_prediction_write_summary(file, &rows, first));
    }
cleanup:
    crd_summary_clear(&rows);
    crd_summary_clear(&more);
    crd_summary_clear(&sum);
    return status;
}

crd_status crd_merge_files(crd_merge_report *out, const char *output, const char *const *parts,
                           int n, const char *command)
{
    crd_status status = CRD_OK;
    source *sources = NULL;
    crd_prediction_file *file = NULL;
    crd_output_lock *lock = NULL;
    CRD_REQUIRE(n > 0, CRD_ERR_USAGE, "no parts are given");
    CRD_TRY(crd_output_claim(&lock, output, &(crd_output_inputs){.data = parts, .n_data = n}));
    CRD_ALLOC(&sources, n, "parts");
    for (int i = 0; i < n; i++) {
        sources[i].path = parts[i];
        CRD_TRY(crd_part_open(&sources[i].part, sources[i].path));
    }
    CRD_TRY(check_parts(sources, n));
    crd_prediction_meta meta = *crd_part_meta(sources[0].part);
    meta.n_draws = meta.part->all_draws;
    meta.part = NULL;
    crd_provenance provenance = *crd_part_provenance(sources[0].part);
    if (command != NULL)
        provenance.command = command;
    CRD_TRY(crd_prediction_create(&file, output, &meta, &provenance));
    CRD_TRY(join(file, sources, n));
    status = crd_prediction_finish(file);
    file = NULL;
    *out = (crd_merge_report){.n_draws = meta.n_draws, .n_images = meta.n_images};
cleanup:
    crd_prediction_abandon(file);
    for (int i = 0; sources != NULL && i < n; i++)
        crd_part_close(sources[i].part);
    crd_free(sources);
    crd_output_lock_release(lock);
    return status;
}
