/* The loops over arrays with NEON, which every AArch64 has: the reference's own instructions. */
#define ELEMENTWISE_TABLE crd_elementwise_kernels_neon

#include "kernels/elementwise_body.h"
