/** Weight files of other systems, read without executing anything in them. Room: import.
 */
#ifndef CREDENCE_WEIGHTS_H
#define CREDENCE_WEIGHTS_H

#include "credence/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Reads the state dict of a torch .pth file (zip format, torch 1.6 and later) into `out`: its
 * floating tensors under their names ("module." of DataParallel removed if all have it), as
 * float32; integer tensors (counters) are left out. The dict may be the object itself or lie under
 * "state_dict", "model" or "model_state_dict". Errors: CRD_ERR_INPUT with one line saying what is
 * wrong and, for the older containers, how to re-save; `out` is empty then. Nothing in the file is
 * ever called; every length is checked against the file; CRCs too. Limits: 8192 tensors of 8
 * dimensions. Collective: no. Cost: at most twice the file's size and 64 MB in memory; files whose
 * tensors share so much that they would need more are refused. `out` is owned by the caller. */
crd_status crd_weights_read(crd_params *out, const char *path);

#ifdef __cplusplus
}
#endif
#endif
