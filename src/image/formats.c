/* Formats of pictures that are not decoded, by their first bytes or their names. */
#include "image/formats.h"

#include <string.h>
#include <strings.h>

const char *crd_format_of_bytes(const uint8_t *bytes, size_t n_bytes)
{
    static const struct {
        const char *name;
        size_t offset, length;
        const char *mark;
    } formats[] = {{"a PNG image", 0, 4, "\x89PNG"},
                   {"a GIF image", 0, 4, "GIF8"},
                   {"a BMP image", 0, 2, "BM"},
                   {"a TIFF image", 0, 4, "II*\0"},
                   {"a TIFF image", 0, 4, "MM\0*"},
                   {"a WebP image", 8, 4, "WEBP"},
                   {"an HEIF or AVIF image", 4, 4, "ftyp"},
                   {"a JPEG XL image", 0, 2, "\xff\x0a"},
                   {"a JPEG XL image", 4, 4, "JXL "},
                   {"a JPEG 2000 image", 4, 4, "jP  "}};
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++)
        if (formats[k].offset + formats[k].length <= n_bytes && n_bytes > 2 &&
            memcmp(bytes + formats[k].offset, formats[k].mark, formats[k].length) == 0)
            return formats[k].name;
    return NULL;
}

int crd_format_is_picture_name(const char *name)
{
    static const char *const endings[] = {".png",  ".gif",  ".bmp",  ".tif", ".tiff", ".webp",
                                          ".heic", ".heif", ".avif", ".jxl", ".jp2"};
    const char *dot = strrchr(name, '.');
    for (size_t k = 0; dot != NULL && k < sizeof endings / sizeof *endings; k++)
        if (strcasecmp(dot, endings[k]) == 0)
            return 1;
    return 0;
}
