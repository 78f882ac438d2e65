/* The loops over arrays with AVX-512. */
#define ELEMENTWISE_TABLE crd_elementwise_kernels_avx512

#include "kernels/elementwise_body.h"
