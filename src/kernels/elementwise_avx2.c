/* The loops over arrays with AVX2. */
#define ELEMENTWISE_TABLE crd_elementwise_kernels_avx2

#include "kernels/elementwise_body.h"
