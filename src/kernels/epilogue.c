/* The epilogue of operators that have none of their own: passes over their whole output. */
#include "kernels/activation.h"

#include <stddef.h>

#include "kernels/kernels.h"

void crd_epilogue_apply(float *out, const crd_epilogue *epilogue, int64_t n)
{
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    if (epilogue->residual != NULL)
        kernels->add(out, out, epilogue->residual, n);
    if (epilogue->activation.kind != CRD_NO_ACTIVATION)
        kernels->activate(out, out, n, &epilogue->activation);
}
