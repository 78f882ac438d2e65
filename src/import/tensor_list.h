/** The tensors of a weight file, as its reader finds them: names, views and storages, no values
 * yet. */
#ifndef CRD_IMPORT_TENSOR_LIST_H
#define CRD_IMPORT_TENSOR_LIST_H

#include "credence/weights.h"
#include "import/gather.h"
#include "import/storages.h"

enum {
    CRD_MAX_TENSORS = 1 << 13, /**< names are compared each with each */
    CRD_TENSOR_NAME_SIZE = 256 /**< bytes of a name with its final zero */
};

typedef struct crd_listed_tensor {
    char *name;
    crd_torch_view view; /**< checked against the storage */
    int64_t member, member_bytes;
    int64_t i_param; /**< after loading: its place in the table; -1: of another type */
} crd_listed_tensor;

typedef struct crd_tensor_list {
    crd_listed_tensor *tensors;
    int64_t n_tensors, capacity;
} crd_tensor_list;

/** An empty list with room for `capacity` tensors. Errors: CRD_ERR_INPUT: above CRD_MAX_TENSORS. */
crd_status crd_tensor_list_init(crd_tensor_list *list, int64_t capacity);
void crd_tensor_list_clear(crd_tensor_list *list);

/** Copies a name from outside: 1 to size - 1 printable characters without blanks, text[n_bytes].
 * `what` names it in errors. */
crd_status crd_tensor_name_copy(char *out, int64_t size, const char *text, int64_t n_bytes,
                                const char *what);

/** Appends *tensor; its name is copied. There must be room. */
crd_status crd_tensor_list_add(crd_tensor_list *list, const crd_listed_tensor *tensor,
                               const char *name);

/** Takes off what torch puts before names (DataParallel's module., torch.compile's _orig_mod.), and
 * reads all storages, those of other types too, so that every CRC is checked. At most max_bytes of
 * memory for the floats, or CRD_ERR_INPUT. Sorts the list. */
crd_status crd_tensor_list_load(crd_state_dict *out, crd_tensor_list *list, crd_storages *storages,
                                int64_t max_bytes);

#endif
