/** Which class of a network a folder of images means. The whole rule; dataset_match.c applies
 * it. */
#ifndef CRD_IO_LABEL_RULE_H
#define CRD_IO_LABEL_RULE_H

#include <stdint.h>

#include "credence/status.h"

typedef enum crd_label_rule {
    CRD_LABELS_BY_NAME,   /**< every folder has the name of a class */
    CRD_LABELS_BY_NUMBER, /**< every folder is a class number, from 0 */
    CRD_LABELS_SORTED /**< no folder looks like a class: the k-th in bytewise order is class k */
} crd_label_rule;

/** meaning[n_folders]: the class of each folder; *rule: why. folders[n_folders] are sorted
 * bytewise. class_names[n_classes] may be NULL: the classes have no names.
 *
 * A folder has the name of a class "KEY, NAME", whose key is a number or a WordNet number
 * (n01440764), if it is the whole, NAME, or a WordNet KEY; or "K, NAME" where class K is plainly
 * NAME. "_" stands for a blank and for what a file name cannot hold on some system, a blank also
 * for "_". Letters count as they are. Numbers are digits only, below n_classes, and must not
 * contradict a number in the class's name. Sorted order holds only if there are as many folders
 * as classes and none resembles one: the same letters but for a third, or a part of the name. A
 * number resembles any class that has a name. Errors: CRD_ERR_INPUT naming the first folder that
 * is no class, and the nearest class; or a folder that could be two classes. */
crd_status crd_label_rule_apply(crd_label_rule *rule, int64_t *meaning, const char *const *folders,
                                int64_t n_folders, const char *const *class_names,
                                int64_t n_classes);

#endif
