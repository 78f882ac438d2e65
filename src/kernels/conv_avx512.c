/* The loops of convolution with AVX-512: 16 channels are one register. */
#include <stddef.h>
#include <stdint.h>

#include "kernels/lanes_avx512.h"

#define PANELS 2
#define MAX_WIDTH 7
#define SUMS_WIDTH 7
#define ROW_CHANNELS 8
#define ROW_PIECES(channels) ((channels) > 4 ? 3 : (channels) > 2 ? 6 : 8)
#define CONV_TABLE crd_conv_kernels_avx512

#include "kernels/conv_body.h"
