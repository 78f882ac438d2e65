/* Columns of figures, one array a field of the reducer's table; nothing here knows a reducer. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "reduce/reducer.h"

static size_t type_size(crd_field_type type)
{
    return type == CRD_FLOAT32 ? sizeof(float) : type == CRD_BOOL8 ? sizeof(int8_t) : 8;
}

static int is_accumulator(const crd_field *field)
{
    return field->axes[0] == CRD_AXIS_SUM || field->axes[0] == CRD_AXIS_MAXIMUM;
}

int64_t crd_summary_width(const crd_summary *summary, const crd_field *field)
{
    return is_accumulator(field) && !summary->keeps_sums
               ? 0
               : crd_field_width(&summary->reduction, field);
}

/* The columns that all reducers have, by their names. */
static void find_common(crd_summary *s)
{
    int n;
    const crd_field *fields = crd_reduction_fields(&s->reduction, &n);
    for (int i = 0; i < n; i++) {
        if (strcmp(fields[i].name, "n_draws") == 0)
            s->n_draws = s->columns[i];
        else if (strcmp(fields[i].name, "skipped") == 0)
            s->skipped = s->columns[i];
        else if (fields[i].axes[0] == CRD_AXIS_SUM)
            s->sums = s->columns[i];
        else if (fields[i].axes[0] == CRD_AXIS_MAXIMUM)
            s->maxima = s->columns[i];
    }
}

/* Columns of which there are none yet. */
static crd_status allocate(crd_summary *s)
{
    crd_status status = CRD_OK;
    int n;
    const crd_field *fields = crd_reduction_fields(&s->reduction, &n);
    for (int i = 0; i < n; i++) {
        int64_t width = crd_summary_width(s, &fields[i]);
        if (s->columns[i] == NULL && width > 0)
            CRD_TRY(crd_alloc_zeroed(&s->columns[i], s->n_images * width, type_size(fields[i].type),
                                     fields[i].name));
    }
    find_common(s);
cleanup:
    return status;
}

crd_status crd_summary_init(crd_summary *summary, const crd_reduction *reduction, int64_t n_images)
{
    *summary = (crd_summary){.reduction = *reduction, .n_images = n_images};
    crd_status status = allocate(summary);
    if (status != CRD_OK)
        crd_summary_clear(summary);
    return status;
}

crd_status crd_summary_keep_sums(crd_summary *summary)
{
    summary->keeps_sums = 1;
    return allocate(summary);
}

void crd_summary_clear(crd_summary *summary)
{
    for (int i = 0; i < CRD_MAX_FIELDS; i++)
        crd_free(summary->columns[i]);
    *summary = (crd_summary){0};
}

void crd_summary_point(void *rows, const crd_summary *summary)
{
    int n;
    const crd_field *fields = crd_reduction_fields(&summary->reduction, &n);
    for (int i = 0; i < n; i++)
        memcpy((char *)rows + fields[i].offset, &summary->columns[i], sizeof summary->columns[i]);
}

void crd_summary_mark_undrawn(crd_summary *summary, int64_t image)
{
    int n;
    const crd_field *fields = crd_reduction_fields(&summary->reduction, &n);
    for (int i = 0; i < n; i++) {
        int64_t width = crd_summary_width(summary, &fields[i]);
        void *data = summary->columns[i];
        for (int64_t j = image * width; j < (image + 1) * width; j++) {
            if (fields[i].type == CRD_FLOAT32)
                ((float *)data)[j] = NAN;
            else if (fields[i].type == CRD_FLOAT64)
                ((double *)data)[j] = NAN;
            else if (fields[i].type == CRD_INT64)
                ((int64_t *)data)[j] = -1;
        }
    }
    summary->n_draws[image] = 0;
    summary->skipped[image] = 0;
}

void crd_summary_finish(crd_summary *s, int64_t image, int64_t *sums, int64_t *maxima)
{
    int64_t n = crd_reduction_n_draws(&s->reduction, sums);
    crd_summary_mark_undrawn(s, image);
    if (n == 0)
        return;
    s->n_draws[image] = n;
    if (s->keeps_sums) {
        int64_t n_sums = crd_reduction_n_sums(&s->reduction);
        int64_t n_maxima = crd_reduction_n_maxima(&s->reduction);
        memcpy(s->sums + image * n_sums, sums, (size_t)n_sums * sizeof *sums);
        memcpy(s->maxima + image * n_maxima, maxima, (size_t)n_maxima * sizeof *maxima);
    }
    s->reduction.reducer->finish(s, image, sums, maxima);
}

void crd_summary_mark_skipped(crd_summary *summary, int64_t image)
{
    crd_summary_mark_undrawn(summary, image);
    summary->skipped[image] = 1;
}

double crd_summary_doubt(const crd_summary *summary, int64_t image)
{
    return summary->reduction.reducer->doubt(summary, image);
}

void crd_summary_copy_row(crd_summary *to, int64_t to_row, const crd_summary *from, int64_t row)
{
    int n;
    const crd_field *fields = crd_reduction_fields(&to->reduction, &n);
    for (int i = 0; i < n; i++) {
        size_t bytes = (size_t)crd_summary_width(to, &fields[i]) * type_size(fields[i].type);
        if (bytes > 0)
            memcpy((char *)to->columns[i] + (size_t)to_row * bytes,
                   (const char *)from->columns[i] + (size_t)row * bytes, bytes);
    }
}

double crd_summary_error(const crd_summary *summary, int64_t image)
{
    if (summary->skipped[image])
        return 0;
    return summary->n_draws[image] == 0 ? NAN : summary->reduction.reducer->error(summary, image);
}
