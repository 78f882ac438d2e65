/* The loops over arrays for any CPU. */
#define ELEMENTWISE_TABLE crd_elementwise_kernels_ref

#include "kernels/elementwise_body.h"
