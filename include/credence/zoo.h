/** The zoo: architectures by name, built as graphs with torchvision's (or their authors') parameter
 * names. Room: zoo.
 */
#ifndef CREDENCE_ZOO_H
#define CREDENCE_ZOO_H

#include "credence/network.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_arch {
    const char *name;    /**< "resnet18" */
    const char *summary; /**< one line, with the source */
    int64_t in_channels; /**< defaults, all changeable when building */
    int64_t image_size;
    int64_t n_classes;
    /** The transform it was made for: short side of an image of image_size, before the crop; 0:
     * images are taken whole. Mean and deviation of each channel, [in_channels]; NULL: pixels
     * stay in [0, 1]. */
    int64_t resize;
    int is_bicubic; /**< how it is resized: 1: bicubic, 0: bilinear */
    const float *mean, *sd;
    /** NULL, or prefixes, NULL-terminated: tensors that weight files of it hold beside, of heads
     * that only training runs. */
    const char *const *passed_over;
} crd_arch;

/** The i-th architecture, or NULL-terminated. Static. Collective: no. */
const crd_arch *crd_zoo_get(int64_t i);
/** By name, or NULL. */
const crd_arch *crd_zoo_find(const char *name);

/** Builds the graph for images (in_channels, image_size, image_size) and n_classes outputs; 0
 * takes the default. Errors: CRD_ERR_USAGE: unknown name (a near one is named);
 * CRD_ERR_INPUT: an image too small. */
crd_status crd_zoo_build(crd_network **out, const char *name, int64_t in_channels,
                         int64_t image_size, int64_t n_classes);

/** Random weights to train from, under the network's parameter names: those of convolutions and
 * linear layers ~ N(0, 2 / fan_in), biases 0, batch norms that do nothing. A function of
 * network and seed. `out` is owned by the caller. Source: He et al., "Delving deep into
 * rectifiers", ICCV 2015, equation 10. */
crd_status crd_zoo_initial_weights(crd_params *out, const crd_network *network, uint64_t seed);

#ifdef __cplusplus
}
#endif
#endif
