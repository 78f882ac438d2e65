/** Attributes and datasets of a file, as crd_file_attributes and crd_file_datasets visit them. */
#ifndef CRD_REPORT_CONTENTS_H
#define CRD_REPORT_CONTENTS_H

#include <jansson.h>

#include "credence/files.h"

/** Payload of the visitors. */
typedef struct crd_contents {
    json_t *into; /**< borrowed object of attributes, or array of datasets; NULL: text is printed */
    int64_t n_damaged; /**< datasets that are not what their digests say */
} crd_contents;

/** Prints `title`, or sets `list` in `root` by `key`, which takes it over. */
crd_contents crd_contents_begin(json_t *root, const char *key, json_t *list, const char *title);
crd_attribute_visit crd_contents_add_attribute;
crd_dataset_visit crd_contents_add_dataset;

#endif
