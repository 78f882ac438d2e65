/* JPEG decoding; the only file that knows libjpeg, and no jump leaves it. What is decoded and what
 * is refused follows Pillow, which feeds a suspending libjpeg in blocks: a file is truncated when
 * libjpeg wants more than there is before the last row is out, and libjpeg's warnings are no
 * errors. One exception: where libjpeg would pad missing image data with grey, Pillow lets it. */
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/alloc.h"
#include "credence/image.h"
#include "credence/log.h"
#include "image/colour.h"
#include "image/formats.h"

enum {
    FEED_BYTES = 65536, /* Pillow's block; what follows the last row is only looked at within it */
    MAX_SCANS = 100     /* progressive files have about 10; each scan costs a walk over the image */
};

typedef struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_source_mgr source;
    struct jpeg_error_mgr error;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    crd_status status; /* what the jump brings back */
    size_t n_unfed;    /* bytes after those that libjpeg may see now */
    size_t n_to_skip;  /* bytes it wants skipped that it could not see */
    uint8_t *row;
    crd_image *out;
    int64_t channels;
    const char *name;
    char warning[JMSG_LENGTH_MAX]; /* the first one */
} decoder;

static _Noreturn void give_up(decoder *d, crd_status status)
{
    d->status = status;
    longjmp(d->jump, 1);
}

/* libjpeg's callbacks. client_data leads from its structs back to ours. */

static void on_error(j_common_ptr jpeg)
{
    decoder *d = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    crd_status code = jpeg->err->msg_code == JERR_OUT_OF_MEMORY ? CRD_ERR_INTERNAL : CRD_ERR_INPUT;
    give_up(d, CRD_FAIL(code, "%s: cannot be decoded: %s", d->name, text));
}

static void on_message(j_common_ptr jpeg, int level)
{
    decoder *d = jpeg->client_data;
    if (level < 0 && jpeg->err->msg_code == JWRN_HIT_MARKER)
        give_up(d, CRD_FAIL(CRD_ERR_INPUT, "%s: truncated: a marker where image data should be",
                            d->name));
    if (level < 0 && jpeg->err->num_warnings++ == 0)
        jpeg->err->format_message(jpeg, d->warning);
}

static void on_progress(j_common_ptr jpeg)
{
    decoder *d = jpeg->client_data;
    if (d->jpeg.input_scan_number > MAX_SCANS)
        give_up(d, CRD_FAIL(CRD_ERR_INPUT, "%s: more than %d scans", d->name, MAX_SCANS));
}

static void on_source_start_or_end(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static boolean on_source_empty(j_decompress_ptr jpeg)
{
    (void)jpeg;
    return FALSE; /* suspend: the call in progress returns and feed() decides */
}

static void on_source_skip(j_decompress_ptr jpeg, long n_bytes)
{
    decoder *d = jpeg->client_data;
    size_t n = n_bytes > 0 ? (size_t)n_bytes : 0;
    size_t n_now = n < d->source.bytes_in_buffer ? n : d->source.bytes_in_buffer;
    d->source.next_input_byte += n_now;
    d->source.bytes_in_buffer -= n_now;
    d->n_to_skip = n - n_now;
}

/* Shows libjpeg the next block of the file; without one, the file is truncated. */
static void feed(decoder *d)
{
    if (d->n_unfed == 0)
        give_up(d, CRD_FAIL(CRD_ERR_INPUT, "%s: truncated JPEG: it ends before its image does",
                            d->name));
    size_t n = d->n_unfed < FEED_BYTES ? d->n_unfed : FEED_BYTES;
    d->n_unfed -= n;
    d->source.bytes_in_buffer += n;
    on_source_skip(&d->jpeg, (long)d->n_to_skip);
}

/* Huffman codes of a block, the first of its component, take a bit at least: a few bytes that claim
 * many pixels get no memory. */
static crd_status check_size(const decoder *d)
{
    crd_status status = CRD_OK;
    const struct jpeg_decompress_struct *jpeg = &d->jpeg;
    int64_t width = jpeg->image_width, height = jpeg->image_height, n_blocks = 0;
    CRD_REQUIRE(width * height <= CRD_IMAGE_MAX_PIXELS, CRD_ERR_INPUT,
                "%s: %lld x %lld pixels; at most %d in all are allowed", d->name, (long long)width,
                (long long)height, CRD_IMAGE_MAX_PIXELS);
    for (int c = 0; c < jpeg->num_components; c++)
        n_blocks +=
            (int64_t)jpeg->comp_info[c].width_in_blocks * jpeg->comp_info[c].height_in_blocks;
    size_t n_bytes = d->n_unfed + d->source.bytes_in_buffer;
    CRD_REQUIRE(jpeg->arith_code || n_blocks / 8 <= (int64_t)n_bytes, CRD_ERR_INPUT,
                "%s: truncated: %zu bytes cannot hold %lld x %lld pixels", d->name, n_bytes,
                (long long)width, (long long)height);
cleanup:
    return status;
}

static crd_status start(decoder *d)
{
    crd_status status = CRD_OK;
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->src = &d->source;
    jpeg->progress = &d->progress;
    int header;
    while ((header = jpeg_read_header(jpeg, FALSE)) != JPEG_HEADER_OK)
        if (header == JPEG_SUSPENDED)
            feed(d);

    CRD_TRY(check_size(d));
    CRD_REQUIRE(jpeg->data_precision == 8, CRD_ERR_INPUT, "%s: %d bits per value; 8 are allowed",
                d->name, jpeg->data_precision);
    int n = jpeg->num_components;
    CRD_REQUIRE(n == 1 || n == 3 || n == 4, CRD_ERR_INPUT,
                "%s: %d colour components; 1, 3 or 4 are allowed", d->name, n);
    /* All else stays at libjpeg's defaults: they are Pillow's. */
    jpeg->out_color_space = n == 1 ? JCS_GRAYSCALE : n == 3 ? JCS_RGB : JCS_CMYK;
    while (!jpeg_start_decompress(jpeg))
        feed(d);
cleanup:
    return status;
}

static crd_status decode(decoder *d)
{
    crd_status status = CRD_OK;
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    CRD_TRY(start(d));
    int64_t width = jpeg->output_width, height = jpeg->output_height;
    int64_t row_size = width * d->channels;
    CRD_ALLOC(&d->row, width * jpeg->output_components, d->name);
    CRD_ALLOC(&d->out->pixels, height * row_size, d->name);
    for (int64_t y = 0; y < height;) {
        if (jpeg_read_scanlines(jpeg, &d->row, 1) == 1)
            crd_colour_convert(d->out->pixels + y++ * row_size, d->channels, d->row,
                               jpeg->output_components, width);
        else
            feed(d);
    }
    /* Damage after the last row still refuses the file; that it ends there does not. */
    (void)jpeg_finish_decompress(jpeg);
    d->out->width = width;
    d->out->height = height;
    d->out->channels = d->channels;
cleanup:
    return status;
}

/* Apart, so that no local variable lives across the jump. */
static crd_status decode_guarded(decoder *d)
{
    if (setjmp(d->jump) != 0)
        return d->status;
    return decode(d);
}

static crd_status refuse_format(const uint8_t *bytes, size_t n_bytes, const char *name)
{
    const char *format = crd_format_of_bytes(bytes, n_bytes);
    if (format == NULL)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: is not a JPEG file", name);
    return CRD_FAIL(CRD_ERR_INPUT,
                    "%s: is %s, not a JPEG file; to convert it: `convert IMAGE -quality 95 "
                    "IMAGE.jpg` of ImageMagick, or "
                    "PIL.Image.open(IMAGE).convert('RGB').save('IMAGE.jpg', quality=95)",
                    name, format);
}

crd_status crd_image_decode(crd_image *out, const uint8_t *bytes, size_t n_bytes, int64_t channels,
                            const char *name)
{
    static const uint8_t start_of_jpeg[] = {0xff, 0xd8, 0xff};
    *out = (crd_image){0};
    if (channels != 1 && channels != 3)
        return CRD_FAIL(CRD_ERR_USAGE, "%s: %lld channels asked for; 1 or 3 are allowed", name,
                        (long long)channels);
    if (n_bytes == 0)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: is empty", name);
    if (n_bytes < sizeof start_of_jpeg || memcmp(bytes, start_of_jpeg, sizeof start_of_jpeg) != 0)
        return refuse_format(bytes, n_bytes, name);

    decoder d = {.n_unfed = n_bytes, .out = out, .channels = channels, .name = name};
    d.jpeg.err = jpeg_std_error(&d.error);
    d.jpeg.client_data = &d;
    d.error.error_exit = on_error;
    d.error.emit_message = on_message;
    d.progress.progress_monitor = on_progress;
    d.source.next_input_byte = bytes;
    d.source.init_source = d.source.term_source = on_source_start_or_end;
    d.source.fill_input_buffer = on_source_empty;
    d.source.skip_input_data = on_source_skip;
    d.source.resync_to_restart = jpeg_resync_to_restart;

    crd_status status = decode_guarded(&d);
    if (status != CRD_OK)
        crd_image_clear(out);
    else if (d.error.num_warnings > 0)
        crd_log(CRD_LOG_WARN, "%s: damaged but decodable, as Pillow decodes it: %s", name,
                d.warning);
    crd_free(d.row);
    jpeg_destroy_decompress(&d.jpeg);
    return status;
}
