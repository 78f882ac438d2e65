/** Pillow's antialiased resizing of any part of the result. */
#ifndef CRD_IMAGE_RESIZE_H
#define CRD_IMAGE_RESIZE_H

#include "credence/image.h"

/** A rectangle of pixels. */
typedef struct crd_window {
    int64_t left, top, width, height;
} crd_window;

/** The pixels within `window` of `in` resized to width x height, and only the work they need: a
 * crop of a very long image stays cheap. The window lies inside. *out is empty on error. */
crd_status crd_resize_window(crd_image *out, const crd_image *in, int64_t width, int64_t height,
                             crd_window window, crd_interpolation interpolation);

#endif
