/** Pillow's colour conversions of decoded JPEG rows. */
#ifndef CRD_IMAGE_COLOUR_H
#define CRD_IMAGE_COLOUR_H

#include <stdint.h>

/** Converts one row of `width` pixels: n_in 1 (gray), 3 (RGB) or 4 (inverted CMYK, as Adobe and
 * with it Pillow takes every four-component JPEG) to n_out 3, convert("RGB"), or 1,
 * convert("L"). */
void crd_colour_convert(uint8_t *out, int64_t n_out, const uint8_t *in, int n_in, int64_t width);

#endif
