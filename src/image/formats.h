/** Formats of pictures that are not decoded, so that they can be named. */
#ifndef CRD_IMAGE_FORMATS_H
#define CRD_IMAGE_FORMATS_H

#include <stddef.h>
#include <stdint.h>

/** "a PNG image" from the first bytes of a file; NULL: none that is known. */
const char *crd_format_of_bytes(const uint8_t *bytes, size_t n_bytes);
/** 1 if a file name ends as those of pictures in other formats do: ".png". */
int crd_format_is_picture_name(const char *name);

#endif
