/** Weight files of other systems, read without executing anything in them; how they fit a network;
 * and the same written for others. Room: import.
 */
#ifndef CREDENCE_WEIGHTS_H
#define CREDENCE_WEIGHTS_H

#include "credence/posterior.h"
#include "credence/tensor.h"
#include "credence/zoo.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A tensor of a type that weights do not have: counters, quantized numbers. */
typedef struct crd_state_other {
    char *name;
    const char *type; /**< torch's name, static */
} crd_state_other;

/** A state dict. */
typedef struct crd_state_dict {
    crd_params params; /**< floating tensors by name, as float32 */
    crd_state_other *others;
    int64_t n_others;
} crd_state_dict;

/** Reads the state dict of a torch .pth file (the zip form, and the stacked form of torch before
 * 1.6) or of a safetensors file. float16, bfloat16 and float64 become float32. What torch puts
 * before names is taken off ("module." of DataParallel if all have it, "_orig_mod." of
 * torch.compile) and that is logged. The dict may be the object itself or lie under `key`;
 * without `key` (NULL) under "state_dict", "model" ... or under the only key that leads to
 * tensors; other things beside are passed over. Errors: CRD_ERR_INPUT with one line saying what
 * is wrong and, for other containers, how to re-save; `out` is empty then. Nothing in the file
 * is ever called; every length is checked against the file; CRCs too, where there are some.
 * Limits: 8192 tensors of 8 dimensions. Collective: no. Cost: at most twice the file's size and
 * 64 MB in memory; files whose tensors share so much that they would need more are refused.
 * `out` is owned by the caller. */
crd_status crd_state_dict_read(crd_state_dict *out, const char *path, const char *key);

/** Frees all; a zeroed one is allowed. */
void crd_state_dict_clear(crd_state_dict *dict);

/** Bytes of a tensor's name with its final zero. */
#define CRD_STATE_NAME_SIZE 256

/** How a state dict fits a network. Names are those of the deterministic network, also for a state
 * dict of bayesian-torch (conv1.mu_kernel counts as conv1.weight). */
typedef struct crd_state_fit {
    char prefix[CRD_STATE_NAME_SIZE]; /**< before each of the network's names in the dict; "" */
    int64_t n_fitting, n_missing, n_unexpected, n_misshaped;
    int64_t n_beside; /**< tensors without the prefix, or of heads that only training runs */
    char missing[CRD_STATE_NAME_SIZE]; /**< the first of each */
    char unexpected[CRD_STATE_NAME_SIZE];
    char misshaped[CRD_STATE_NAME_SIZE];
    char beside[CRD_STATE_NAME_SIZE];
    const char *missing_type; /**< the first missing one is there, of this type; or NULL */
    crd_shape needed_shape, found_shape; /**< of the first misshaped one */
} crd_state_fit;

/** Compares names and shapes. Collective: no. Cost: no value is looked at. */
crd_status crd_state_dict_fit(crd_state_fit *fit, const crd_state_dict *dict,
                              const crd_network *network);
/** Missing, unexpected and misshaped tensors; 0: it fits. */
int64_t crd_state_fit_faults(const crd_state_fit *fit);
#define CRD_STATE_TEXT_SIZE 1024
/** What does not fit, as text; "" if all does. Returns `out`. */
const char *crd_state_fit_text(char out[CRD_STATE_TEXT_SIZE], const crd_state_fit *fit);

/** The network of that architecture with the channels and classes that the dict's first and last
 * layer have; image_size 0: the architecture's. Errors: as for crd_zoo_build. */
crd_status crd_state_dict_network(crd_network **out, const crd_state_dict *dict, const char *arch,
                                  int64_t image_size);

/** The architecture of the zoo that the largest share of the tensors fits, the first of several,
 * and how. Errors: CRD_ERR_INPUT: none takes images of that size. */
crd_status crd_state_dict_guess(const crd_arch **out, crd_state_fit *fit,
                                const crd_state_dict *dict, int64_t image_size);

/** Containers that can be written. */
typedef enum crd_state_format { CRD_STATE_SAFETENSORS, CRD_STATE_NPZ } crd_state_format;

/** Names for options, NULL-terminated: "safetensors", "npz". */
const char *const *crd_state_format_names(void);

/** Writes the posterior to the open descriptor as the state dict of the network that
 * bayesian-torch's dnn_to_bnn makes of the same architecture, all names of it: mu_kernel,
 * rho_kernel ...; batch norm's num_batches_tracked is 0. `path` is for messages. Errors:
 * CRD_ERR_IO; CRD_ERR_USAGE: above 4 GiB, as npz. */
crd_status crd_state_dict_export(int fd, const crd_posterior *posterior, crd_state_format format,
                                 const char *path);

/** Takes the prefix off the names of the floating tensors, and drops those without it and those
 * that `arch` (NULL: none) passes over. */
void crd_state_dict_keep(crd_state_dict *dict, const char *prefix, const crd_arch *arch);

#ifdef __cplusplus
}
#endif
#endif
