/* The loops of convolution with AVX2: 16 channels are two registers, and a tile of 6 pixels
 * fills 12 of 16. */
#include <stddef.h>
#include <stdint.h>

#include "kernels/floats_avx2.h"
#include "kernels/lanes.h"

#define PANELS 1
#define MAX_WIDTH 3
#define SUMS_WIDTH 6
#define ROW_CHANNELS 6
#define ROW_PIECES(channels) ((channels) > 2 ? 1 : (channels) == 2 ? 3 : 4)
#define CONV_TABLE crd_conv_kernels_avx2

#include "kernels/conv_body.h"
