/* The file that `preprocess` writes: images as float32 tensors, with their names. */
#include "io/labelled.h"

crd_status crd_tensors_write(const char *path, const float *images, int64_t n_images,
                             int64_t channels, int64_t height, int64_t width,
                             const char *const *image_names, const crd_provenance *provenance)
{
    crd_status status = CRD_OK;
    crd_writer writer = {.h5 = NULL};
    const crd_axis image = {.name = "image", .extent = n_images, .labels = image_names},
                   channel = {.name = "channel", .extent = channels},
                   row = {.name = "height", .extent = height},
                   column = {.name = "width", .extent = width};
    const crd_axis *const axes[] = {&image, &channel, &row, &column};
    int64_t bytes = n_images * channels * height * width * (int64_t)sizeof *images;
    CRD_TRY(crd_writer_begin(&writer, path, CRD_FILE_TENSORS, bytes, provenance));
    CRD_TRY(crd_labelled_group(&writer, "/constant_data", axes, 4));
    CRD_TRY(crd_labelled_array(&writer, "/constant_data", "images", CRD_H5_FLOAT32, axes, 4, "1",
                               "preprocessed image, as the network sees it"));
    CRD_TRY(crd_writer_end_metadata(&writer));
    CRD_TRY(crd_labelled_write(&writer, "/constant_data", "images", CRD_H5_FLOAT32, images, NULL,
                               NULL));
    CRD_TRY(crd_writer_publish(&writer));
cleanup:
    crd_writer_abandon(&writer);
    return status;
}
