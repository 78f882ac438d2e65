/** What the value tree of torch.save means: where the dict of tensors is, and what each tensor
 * is. */
#ifndef CRD_IMPORT_TORCH_TREE_H
#define CRD_IMPORT_TORCH_TREE_H

#include "import/pickle.h"
#include "import/tensor_list.h"

/** Lists the tensors of the state dict in the tree, each checked against the storages. The dict
 * is the object itself, or lies under `key`; without `key` (NULL) under one of the usual keys,
 * or under the only one that leads to tensors. What lies beside tensors is passed over. `out`
 * borrows nothing from the pickle. Errors: CRD_ERR_INPUT; `out` is empty then. */
crd_status crd_torch_tree_list(crd_tensor_list *out, const crd_pickle *pickle,
                               crd_storages *storages, const char *key);

#endif
