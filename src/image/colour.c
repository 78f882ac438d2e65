/* Colours as Pillow converts them: ITU-R 601 luma in integers, and Adobe's inverted CMYK. Profiles
 * are not applied, as Pillow does not apply them either. */
#include "image/colour.h"

#include <string.h>

enum { RED = 19595, GREEN = 38470, BLUE = 7471, HALF = 1 << 15 }; /* ITU-R 601, scaled by 2^16 */

static uint8_t luma(const uint8_t rgb[3])
{
    return (uint8_t)((rgb[0] * RED + rgb[1] * GREEN + rgb[2] * BLUE + HALF) >> 16);
}

/* In inverted CMYK the stored K is the lightness that is left, so it scales the others. */
static void cmyk_to_rgb(uint8_t rgb[3], const uint8_t inverted[4])
{
    unsigned light = inverted[3];
    for (int c = 0; c < 3; c++) {
        unsigned product = (255u - inverted[c]) * light + 128;
        unsigned ink = (product + (product >> 8)) >> 8; /* product / 255, rounded */
        rgb[c] = (uint8_t)(light - ink);
    }
}

void crd_colour_convert(uint8_t *out, int64_t n_out, const uint8_t *in, int n_in, int64_t width)
{
    if (n_in == n_out) {
        memcpy(out, in, (size_t)(width * n_out));
        return;
    }
    for (int64_t x = 0; x < width; x++, in += n_in, out += n_out) {
        uint8_t rgb[3];
        if (n_in == 1)
            memset(rgb, in[0], sizeof rgb);
        else if (n_in == 3)
            memcpy(rgb, in, sizeof rgb);
        else
            cmyk_to_rgb(rgb, in);
        if (n_out == 1)
            out[0] = luma(rgb);
        else
            memcpy(out, rgb, sizeof rgb);
    }
}
