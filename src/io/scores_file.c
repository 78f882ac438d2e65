/* Scores of images, a column each: what `evaluate --reference -o` writes. */
#include "base/alloc.h"
#include "base/text.h"
#include "io/labelled.h"

static const char group[] = "/scores";

crd_status crd_scores_write(const char *path, const crd_score_column *columns, int n_columns,
                            int64_t n_images, const char *const *image_names,
                            const crd_provenance *provenance)
{
    crd_status status = CRD_OK;
    crd_writer writer = {.h5 = NULL};
    const char **names = NULL;
    const size_t folder = crd_text_common_folder(image_names, n_images);
    CRD_ALLOC(&names, n_images, "image names");
    for (int64_t i = 0; i < n_images; i++)
        names[i] = image_names[i] + folder;
    const crd_axis image = {.name = "image", .extent = n_images, .labels = names};
    const crd_axis *const axes[] = {&image};
    CRD_TRY(crd_writer_begin(&writer, path, CRD_FILE_SCORES,
                             n_columns * n_images * (int64_t)sizeof(double), provenance));
    CRD_TRY(crd_labelled_group(&writer, group, axes, 1));
    for (int k = 0; k < n_columns; k++)
        CRD_TRY(crd_labelled_array(&writer, group, columns[k].name, CRD_H5_FLOAT64, axes, 1,
                                   columns[k].units, columns[k].long_name));
    CRD_TRY(crd_writer_end_metadata(&writer));
    for (int k = 0; k < n_columns; k++)
        CRD_TRY(crd_labelled_write(&writer, group, columns[k].name, CRD_H5_FLOAT64,
                                   columns[k].values, NULL, NULL));
    CRD_TRY(crd_writer_publish(&writer));
cleanup:
    crd_writer_abandon(&writer);
    crd_free(names);
    return status;
}
