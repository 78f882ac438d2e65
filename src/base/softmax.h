/** The softmax of a row of logits, and which of them is the largest. */
#ifndef CRD_BASE_SOFTMAX_H
#define CRD_BASE_SOFTMAX_H

#include <stdint.h>

/** Place of the largest; of equal ones the first. n >= 1. */
int64_t crd_argmax(const float *values, int64_t n);

/** p_c = exp(logits[c] - largest) / total, in double: taken out before exp, the largest logit
 * lets nothing overflow. */
typedef struct crd_softmax_law {
    int64_t top;
    double largest, total;
} crd_softmax_law;

crd_softmax_law crd_softmax_law_of(const float *logits, int64_t n);

#endif
