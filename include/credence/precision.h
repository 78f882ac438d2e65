/** Number formats of the factors of products; sums are fp32 always. Room: conv. */
#ifndef CREDENCE_PRECISION_H
#define CREDENCE_PRECISION_H

#ifdef __cplusplus
extern "C" {
#endif

/** bf16: a float's upper half, rounded to nearest, where an algorithm for it is there and gains: in
 * convolutions except those of groups of a few channels. */
typedef enum crd_precision { CRD_FP32, CRD_BF16 } crd_precision;

/** Their names in that order, "fp32" and "bf16"; NULL-terminated. */
const char *const *crd_precision_names(void);

#ifdef __cplusplus
}
#endif
#endif
