/* Rows of probabilities in doubles, for scores and their Monte Carlo errors. */
#include "app/image_row.h"

#include "base/alloc.h"

crd_status crd_image_row_init(crd_image_row *out, const crd_reduction *reduction)
{
    *out = (crd_image_row){.n_classes = reduction->extents[CRD_AXIS_OUTPUT],
                           .n_samples = crd_class_n_half_samples(reduction)};
    return crd_alloc_zeroed((void **)&out->probs, out->n_samples * out->n_classes,
                            sizeof *out->probs, "probabilities");
}

void crd_image_row_clear(crd_image_row *row)
{
    crd_free(row->probs);
    *row = (crd_image_row){0};
}

void crd_image_row_take(crd_image_row *row, const crd_summary *summary, int64_t image)
{
    row->n_groups = crd_class_half_samples(row->probs, summary, image);
}
