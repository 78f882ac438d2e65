/* Which of a network's classes the labels of a data set are. */
#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "credence/dataset.h"

/* "208, Labrador_retriever" without its number. */
static const char *bare_class(const char *name)
{
    const char *c = name;
    while (isdigit((unsigned char)*c))
        c++;
    return c > name && strncmp(c, ", ", 2) == 0 ? c + 2 : name;
}

/* ImageNet has two cranes and two maillots: a bare name counts only if it is the only one. */
static int64_t class_by_name(const char *const *class_names, int64_t n_classes, const char *name)
{
    int64_t found = -1, n_found = 0;
    for (int64_t k = 0; class_names != NULL && k < n_classes; k++) {
        if (strcmp(class_names[k], name) == 0)
            return k;
        if (strcmp(bare_class(class_names[k]), name) == 0) {
            found = k;
            n_found++;
        }
    }
    return n_found == 1 ? found : -1;
}

/* meaning[n_folders]: the class of each sub-folder. */
static crd_status match_folders(int64_t *meaning, const char *const *folders, int64_t n_folders,
                                const char *const *class_names, int64_t n_classes)
{
    int64_t odd = -1; /* the first one that is no class */
    for (int64_t k = n_folders - 1; k >= 0; k--) {
        meaning[k] = class_by_name(class_names, n_classes, folders[k]);
        if (meaning[k] < 0)
            odd = k;
    }
    if (odd < 0)
        return CRD_OK;
    if (n_folders != n_classes)
        return CRD_FAIL(
            CRD_ERR_INPUT,
            "sub-folder '%s' is no class of the network, and there are %lld sub-folders "
            "for its %lld classes",
            folders[odd], (long long)n_folders, (long long)n_classes);
    for (int64_t k = 0; k < n_folders; k++)
        meaning[k] = k;
    return CRD_OK;
}

crd_status crd_dataset_match(int64_t *labels, crd_dataset *dataset, const char *const *class_names,
                             int64_t n_classes)
{
    crd_status status = CRD_OK;
    int64_t *meaning = NULL;
    int64_t n_folders, n_images = crd_dataset_n_images(dataset);
    const char *const *folders = crd_dataset_class_names(dataset, &n_folders);
    CRD_REQUIRE(crd_dataset_is_labelled(dataset), CRD_ERR_INPUT, "%s: this image has no label",
                crd_dataset_name(dataset, 0));
    if (folders != NULL) {
        CRD_ALLOC(&meaning, n_folders, "classes");
        CRD_TRY(match_folders(meaning, folders, n_folders, class_names, n_classes));
    }
    for (int64_t i = 0; i < n_images; i++) {
        int64_t label = crd_dataset_label(dataset, i);
        CRD_REQUIRE(folders != NULL || label < n_classes, CRD_ERR_INPUT,
                    "%s: label %lld; the network has classes 0 to %lld",
                    crd_dataset_name(dataset, i), (long long)label, (long long)n_classes - 1);
        labels[i] = folders != NULL ? meaning[label] : label;
    }
cleanup:
    crd_free(meaning);
    return status;
}
