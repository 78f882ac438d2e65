/* A table of predictive probabilities: text that is parsed strictly, or a dataset of two
 * dimensions. Rows must be probabilities: no softmax is taken of what is none. */
#include "io/probs_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "io/writer.h"

/* Of text; and how far a row's sum may be from 1. */
enum { MAX_TEXT_BYTES = INT32_MAX };
static const double sum_tolerance = 1e-3;

static const char own_path[] = "/predictive/probs_mean", usual_path[] = "/probs";

/* Every row is a distribution? */
static crd_status check_rows(const crd_probs_table *t, const char *path)
{
    crd_status status = CRD_OK;
    for (int64_t i = 0; i < t->n_images; i++) {
        double sum = 0;
        for (int64_t c = 0; c < t->n_classes; c++) {
            double p = t->probs[i * t->n_classes + c];
            CRD_REQUIRE(p >= 0 && p <= 1 + sum_tolerance, CRD_ERR_INPUT,
                        "%s: row %lld, class %lld (both from 0): %g; probabilities from 0 to 1 are "
                        "needed (no softmax is taken of logits)",
                        path, (long long)i, (long long)c, p);
            sum += p;
        }
        CRD_REQUIRE(fabs(sum - 1) <= sum_tolerance, CRD_ERR_INPUT,
                    "%s: row %lld (from 0) sums to %.6g; probabilities that sum to 1 within %g are "
                    "needed",
                    path, (long long)i, sum, sum_tolerance);
    }
cleanup:
    return status;
}

/* The next field of a line, or NULL at its end. Fields are parted by one of ",;" or by blanks. */
static char *next_field(char **rest)
{
    char *field = *rest + strspn(*rest, " \t");
    if (*field == '\0')
        return NULL;
    char *end = field + strcspn(field, ",; \t");
    char *after = end + strspn(end, " \t");
    if (*after == ',' || *after == ';')
        after++;
    *end = '\0';
    *rest = after;
    return field;
}

static int is_number(double *out, const char *field)
{
    char *end;
    *out = strtod(field, &end);
    return end != field && *end == '\0';
}

/* Adds a line's numbers to the table, of which there is room for *capacity. Names in the first
 * line are passed over: *is_header. */
static crd_status take_line(crd_probs_table *t, int64_t *capacity, char *line, int64_t number,
                            int *is_header, const char *path)
{
    crd_status status = CRD_OK;
    int64_t n = 0, first = t->n_images * t->n_classes;
    double value;
    *is_header = 0;
    for (char *field; (field = next_field(&line)) != NULL; n++) {
        if (!is_number(&value, field)) {
            *is_header = t->n_images == 0 && n == 0;
            CRD_REQUIRE(*is_header, CRD_ERR_INPUT, "%s:%lld: '%.40s' is not a number", path,
                        (long long)number, field);
            return CRD_OK;
        }
        if (first + n == *capacity) {
            int64_t more = *capacity < 1024 ? 1024 : 2 * *capacity;
            CRD_TRY(crd_alloc_grow((void **)&t->probs, *capacity, more, sizeof *t->probs,
                                   "probabilities"));
            *capacity = more;
        }
        t->probs[first + n] = value;
    }
    if (t->n_images == 0)
        t->n_classes = n;
    CRD_REQUIRE(n == t->n_classes, CRD_ERR_INPUT,
                "%s:%lld: %lld numbers, but there are %lld in the first row", path,
                (long long)number, (long long)n, (long long)t->n_classes);
    t->n_images++;
cleanup:
    return status;
}

static crd_status read_text(crd_probs_table *t, const char *path)
{
    crd_status status = CRD_OK;
    char *text = NULL;
    int64_t n_bytes, capacity = 0, number = 0;
    int is_header, had_header = 0;
    CRD_TRY(crd_file_load(&text, &n_bytes, path, MAX_TEXT_BYTES));
    CRD_REQUIRE(memchr(text, '\0', (size_t)n_bytes) == NULL, CRD_ERR_INPUT,
                "%s: neither text nor HDF5: CSV (an image a line) and HDF5 are read", path);
    for (char *line = text, *next; *line != '\0'; line = next) {
        next = line + strcspn(line, "\n");
        if (*next != '\0')
            *next++ = '\0';
        number++;
        line[strcspn(line, "\r")] = '\0';
        line += strspn(line, " \t");
        if (*line == '\0' || *line == '#')
            continue;
        CRD_TRY(take_line(t, &capacity, line, number, &is_header, path));
        CRD_REQUIRE(!is_header || !had_header, CRD_ERR_INPUT,
                    "%s:%lld: a second line of names; numbers are needed", path, (long long)number);
        had_header |= is_header;
    }
    CRD_REQUIRE(t->n_images > 0, CRD_ERR_INPUT, "%s: holds no rows of probabilities", path);
cleanup:
    crd_free(text);
    return status;
}

/* Datasets of two dimensions in a file of another program. */
typedef struct candidates {
    crd_h5 *h5;
    int n;
    char path[CRD_H5_PATH_SIZE];
} candidates;

static int is_numeric(const crd_h5_facts *facts)
{
    return facts->nearest == CRD_H5_FLOAT32 || facts->nearest == CRD_H5_FLOAT64;
}

static crd_status note_table(const char *path, void *payload)
{
    crd_status status = CRD_OK;
    candidates *found = payload;
    crd_h5_facts facts;
    CRD_TRY(crd_h5_describe(&facts, found->h5, path));
    if (!facts.is_dataset || facts.shape.n_dims != 2 || !is_numeric(&facts))
        return CRD_OK;
    if (found->n++ == 0)
        snprintf(found->path, sizeof found->path, "%s", path);
cleanup:
    return status;
}

/* Where the probabilities lie in a file that is not ours. */
static crd_status find_table(char out[CRD_H5_PATH_SIZE], crd_h5 *h5, const char *path)
{
    crd_status status = CRD_OK;
    candidates found = {.h5 = h5};
    int is_there;
    CRD_TRY(crd_h5_exists(&is_there, h5, usual_path));
    snprintf(out, CRD_H5_PATH_SIZE, "%s", usual_path);
    if (is_there)
        return CRD_OK;
    CRD_TRY(crd_h5_visit_datasets(h5, "/", note_table, &found));
    CRD_REQUIRE(found.n == 1, CRD_ERR_INPUT,
                "%s: %s, and none is called %s: the probabilities must be the dataset %s (image, "
                "class)",
                path,
                found.n == 0 ? "no dataset of floats has two dimensions"
                             : "several datasets of floats have two dimensions",
                usual_path, usual_path);
    snprintf(out, CRD_H5_PATH_SIZE, "%s", found.path);
cleanup:
    return status;
}

static crd_status read_dataset(crd_probs_table *t, crd_h5 *h5, const char *dataset,
                               const char *path)
{
    crd_status status = CRD_OK;
    crd_h5_facts facts;
    char text[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_h5_dataset_facts(&facts, h5, dataset));
    CRD_REQUIRE(facts.shape.n_dims == 2 && crd_shape_count(&facts.shape) > 0 && is_numeric(&facts),
                CRD_ERR_INPUT, "%s: %s: shape %s of %s; probabilities are (image, class) of floats",
                path, dataset, crd_shape_text(text, &facts.shape), facts.type_name);
    CRD_TRY(crd_h5_check_values(h5, dataset));
    t->n_images = facts.shape.dims[0];
    t->n_classes = facts.shape.dims[1];
    CRD_ALLOC(&t->probs, crd_shape_count(&facts.shape), "probabilities");
    CRD_TRY(crd_h5_read(t->probs, h5, dataset, CRD_H5_FLOAT64, NULL, NULL));
cleanup:
    return status;
}

/* Its seal and the dataset's checksum are checked. */
static crd_status read_own(crd_probs_table *t, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = NULL;
    crd_file_kind kind;
    int is_there;
    double is_complete = 1;
    CRD_TRY(crd_reader_open(&h5, &kind, path));
    CRD_REQUIRE(kind == CRD_FILE_PREDICTION, CRD_ERR_INPUT,
                "%s: a %s of Credence; probabilities are in a prediction", path,
                crd_kind_name(kind));
    CRD_TRY(crd_h5_attr_find_number(&is_there, &is_complete, h5, "/", "complete"));
    CRD_REQUIRE(is_complete == 1, CRD_ERR_INPUT,
                "%s: a prediction that is not complete: a checkpoint", path);
    CRD_TRY(crd_h5_exists(&is_there, h5, own_path));
    CRD_REQUIRE(is_there, CRD_ERR_INPUT, "%s: a prediction without probabilities of classes", path);
    CRD_TRY(crd_reader_check(h5, own_path));
    CRD_TRY(read_dataset(t, h5, own_path, path));
    for (int64_t i = 0; i < t->n_images; i++)
        CRD_REQUIRE(!isnan(t->probs[i * t->n_classes]), CRD_ERR_INPUT,
                    "%s: image %lld (from 0) has no probabilities: it was skipped", path,
                    (long long)i);
cleanup:
    crd_h5_discard(h5);
    return status;
}

/* Files of ours carry the attribute `format`. */
static crd_status read_hdf5(crd_probs_table *t, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = NULL;
    char dataset[CRD_H5_PATH_SIZE];
    int is_ours;
    CRD_TRY(crd_h5_open(&h5, path));
    CRD_TRY(crd_h5_attr_exists(&is_ours, h5, "/", "format"));
    if (is_ours) {
        crd_h5_discard(h5);
        return read_own(t, path);
    }
    CRD_TRY(find_table(dataset, h5, path));
    CRD_TRY(read_dataset(t, h5, dataset, path));
cleanup:
    crd_h5_discard(h5);
    return status;
}

crd_status crd_probs_table_read(crd_probs_table *out, const char *path)
{
    crd_status status = CRD_OK;
    *out = (crd_probs_table){0};
    CRD_TRY(crd_file_is_hdf5(path) ? read_hdf5(out, path) : read_text(out, path));
    CRD_TRY(check_rows(out, path));
cleanup:
    if (status != CRD_OK)
        crd_probs_table_clear(out);
    return status;
}

void crd_probs_table_clear(crd_probs_table *table)
{
    crd_free(table->probs);
    *table = (crd_probs_table){0};
}
