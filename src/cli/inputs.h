/** INPUT arguments to a list of images: JPEG files, and folders of them. */
#ifndef CRD_CLI_INPUTS_H
#define CRD_CLI_INPUTS_H

#include <stdint.h>

#include "credence/posterior.h"

typedef struct crd_input {
    char *path;          /**< of the file; it is the image's name in all output too */
    int64_t class_index; /**< into crd_inputs.classes: the sub-folder it lies in; -1: none */
} crd_input;

/** Images in the order of the arguments, those of a folder by name, byte by byte. */
typedef struct crd_inputs {
    crd_input *images;
    int64_t n_images, capacity;
    char **classes; /**< names of sub-folders, in order of appearance */
    int64_t n_classes;
} crd_inputs;

/** Lists the images of n arguments. A file is taken as it is, whatever its name, and is not opened;
 * of a folder all .jpg and .jpeg files (any case, names with a leading dot excluded), and those of
 * its sub-folders at any depth: the first level of sub-folders are classes. Errors: CRD_ERR_INPUT: a
 * folder that cannot be read or holds no image. Clear it in any case. */
crd_status crd_inputs_list(crd_inputs *out, const char *const *arguments, int n_arguments);
void crd_inputs_clear(crd_inputs *inputs);

/** True classes of the images, labels[n_images], from their sub-folders: a folder's name is a class
 * name of the posterior, with or without its leading "NUMBER, "; or there are as many folders as
 * classes, in sorted order (torchvision's ImageFolder). *known gets 0 where neither holds or
 * nothing lies in a sub-folder; labels are -1 then. */
void crd_inputs_labels(int64_t *labels, int *known, const crd_inputs *inputs,
                       const crd_posterior *posterior);

#endif
