/** From the value tree of data.pkl and the storages of its archive to a parameter table. */
#ifndef CRD_IMPORT_STATE_DICT_H
#define CRD_IMPORT_STATE_DICT_H

#include "credence/tensor.h"
#include "import/pickle.h"
#include "import/torch_zip.h"

/** One tensor of a state dict, checked against its storage. */
typedef struct crd_state_tensor crd_state_tensor;

/** The tensors of a state dict. */
typedef struct crd_state_dict {
    crd_state_tensor *tensors;
    int64_t n_tensors;
    crd_params params; /**< names and shapes of the floating ones; no data yet */
} crd_state_dict;

/** Finds the dict of tensors in the tree and checks every tensor against the archive. `out` borrows
 * nothing from the pickle. Errors: CRD_ERR_INPUT; `out` is empty then. */
crd_status crd_state_dict_init(crd_state_dict *out, const crd_pickle *pickle,
                               crd_torch_zip *archive);
void crd_state_dict_clear(crd_state_dict *dict);

/** Allocates dict->params and reads every storage, integer ones too, so that every CRC is checked. At
 * most max_bytes of memory for the floats, or CRD_ERR_INPUT. */
crd_status crd_state_dict_load(crd_state_dict *dict, crd_torch_zip *archive, int64_t max_bytes);

#endif
