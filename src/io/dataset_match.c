/* The labels of a data set as classes of a network, and a word on how they were found. */
#include <string.h>

#include "base/alloc.h"
#include "credence/dataset.h"
#include "credence/log.h"
#include "io/dataset_source.h"
#include "io/label_rule.h"

/* A folder and its class: enough to see whether it is the class that was meant. */
static void say_rule(crd_label_rule rule, const char *const *folders, const int64_t *meaning,
                     int64_t n_folders, const char *const *class_names)
{
    static const char *const rules[] = {
        [CRD_LABELS_BY_NAME] = "the sub-folders have the names of classes",
        [CRD_LABELS_BY_NUMBER] = "the sub-folders are class numbers",
        [CRD_LABELS_SORTED] = "no sub-folder is named like a class; numbered in sorted order"};
    int64_t last = n_folders - 1, k = meaning[last];
    int is_number = folders[last][strspn(folders[last], "0123456789")] == '\0';
    int is_doubtful = rule == CRD_LABELS_SORTED && (class_names != NULL || is_number);
    crd_log(is_doubtful ? CRD_LOG_WARN : CRD_LOG_INFO,
            class_names != NULL ? "labels: %s; '%s', the last of %lld, is class %lld, '%s'"
                                : "labels: %s; '%s', the last of %lld, is class %lld%s",
            rules[rule], folders[last], (long long)n_folders, (long long)k,
            class_names != NULL ? class_names[k] : "");
}

crd_status crd_dataset_match(int64_t *labels, crd_dataset *dataset, const char *const *class_names,
                             int64_t n_classes)
{
    crd_status status = CRD_OK;
    int64_t *meaning = NULL;
    int64_t n_folders, n_images = crd_dataset_n_images(dataset);
    const char *const *folders = crd_dataset_class_names(dataset, &n_folders);
    crd_label_rule rule;
    const char *why = crd_dataset_source(dataset, 0)->no_labels;
    CRD_REQUIRE(crd_dataset_is_labelled(dataset), CRD_ERR_INPUT, "%s: this image has no label%s%s",
                crd_dataset_name(dataset, 0), *why != '\0' ? ": " : "", why);
    if (folders != NULL) {
        CRD_ALLOC(&meaning, n_folders, "classes");
        CRD_TRY(crd_label_rule_apply(&rule, meaning, folders, n_folders, class_names, n_classes));
        say_rule(rule, folders, meaning, n_folders, class_names);
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
