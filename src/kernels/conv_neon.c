/* The loops of convolution with NEON: 16 channels are four registers; a tile of 6 pixels, its
 * weights and a pixel fill 29 of 32. */
#include <stddef.h>
#include <stdint.h>

#include "kernels/floats_neon.h"
#include "kernels/lanes.h"

#define PANELS 1
#define MAX_WIDTH 3
#define SUMS_WIDTH 3
#define ROW_CHANNELS 6
#define ROW_PIECES(channels) ((channels) > 2 ? 1 : (channels) == 2 ? 3 : 4)
#define CONV_TABLE crd_conv_kernels_neon

#include "kernels/conv_body.h"
