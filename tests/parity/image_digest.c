/* Digests of decoded pixels and of the transform's tensor, for comparison with Pillow and
 * torchvision: image_digest CHANNELS RESIZE CROP bilinear|bicubic reads file names from stdin and
 * answers each with a line: "PIXELS TENSOR" or "refused MESSAGE". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "credence/image.h"

static void answer(const char *path, const crd_preprocessing *p, float *tensor)
{
    crd_image image;
    if (crd_image_read(&image, path, p->channels) != CRD_OK ||
        crd_image_to_tensor(tensor, &image, p) != CRD_OK) {
        printf("refused %s\n", crd_status_message());
    } else {
        size_t n_pixels = (size_t)(image.width * image.height * image.channels);
        size_t n_values = (size_t)(p->channels * p->crop * p->crop);
        printf("%016llx %016llx\n", (unsigned long long)XXH3_64bits(image.pixels, n_pixels),
               (unsigned long long)XXH3_64bits(tensor, n_values * sizeof *tensor));
    }
    fflush(stdout);
    crd_image_clear(&image);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    crd_preprocessing p = crd_preprocessing_imagenet();
    p.channels = atoll(argv[1]);
    p.resize = atoll(argv[2]);
    p.crop = atoll(argv[3]);
    p.interpolation = strcmp(argv[4], "bicubic") == 0 ? CRD_BICUBIC : CRD_BILINEAR;
    if (p.channels == 1) {
        p.mean[0] = 0.2860f;
        p.sd[0] = 0.3530f;
    }
    if (crd_preprocessing_check(&p) != CRD_OK) {
        fprintf(stderr, "%s\n", crd_status_message());
        return 2;
    }
    float *tensor = malloc((size_t)(p.channels * p.crop * p.crop) * sizeof *tensor);
    char path[4096];
    while (tensor != NULL && fgets(path, sizeof path, stdin) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        answer(path, &p, tensor);
    }
    free(tensor);
    return 0;
}
