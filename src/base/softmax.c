/* Sums run from the first logit to the last: every user of a row gets the same bits. */
#include "base/softmax.h"

#include <math.h>

int64_t crd_argmax(const float *values, int64_t n)
{
    int64_t top = 0;
    for (int64_t i = 1; i < n; i++)
        if (values[i] > values[top])
            top = i;
    return top;
}

crd_softmax_law crd_softmax_law_of(const float *logits, int64_t n)
{
    crd_softmax_law law = {.top = crd_argmax(logits, n)};
    law.largest = (double)logits[law.top];
    for (int64_t c = 0; c < n; c++)
        law.total += exp((double)logits[c] - law.largest);
    return law;
}
