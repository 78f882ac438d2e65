#include "crd_test.h"

#include <math.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "credence/image.h"
#include "credence/log.h"

#define GOLDEN CRD_TEST_DIR "/golden/"

/* Of these tests only: a small linear congruential generator with a fixed start. */
static uint64_t random_state;
static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % n;
}

static const char *image_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, GOLDEN "images/%s.jpg", name);
    return path;
}

static uint8_t *load(size_t *n_bytes, const char *name)
{
    FILE *file = fopen(image_path(name), "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *n_bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*n_bytes);
    assert_int_equal(fread(bytes, 1, *n_bytes, file), *n_bytes);
    fclose(file);
    return bytes;
}

/* Of a copy that is exactly n bytes long, so that the sanitizer sees a read behind it. */
static crd_status decode_part(crd_image *out, const uint8_t *bytes, size_t n, int64_t channels)
{
    uint8_t *part = malloc(n > 0 ? n : 1);
    memcpy(part, bytes, n);
    crd_status status = crd_image_decode(out, part, n, channels, "part");
    free(part);
    return status;
}

static void check_pixels(const char *line)
{
    char name[64];
    long long channels, width, height;
    unsigned long long digest;
    assert_int_equal(
        sscanf(line, "pixels %63s %lld %lld %lld %llx", name, &channels, &width, &height, &digest),
        5);
    crd_image image;
    assert_ok(crd_image_read(&image, image_path(name), channels));
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    assert_int_equal(image.channels, channels);
    if (XXH3_64bits(image.pixels, (size_t)(width * height * channels)) != digest)
        fail_msg("other pixels than Pillow's: %s", line);
    crd_image_clear(&image);
    crd_image size;
    assert_ok(crd_image_measure(&size, image_path(name)));
    assert_int_equal(size.width, width);
    assert_int_equal(size.height, height);
    assert_int_equal(size.channels, strncmp(name, "gray", 4) == 0 ? 1 : 3);
}

static void check_tensor(const char *line)
{
    char name[64], interpolation[16];
    long long channels, resize, crop;
    unsigned long long digest;
    assert_int_equal(sscanf(line, "tensor %63s %lld %lld %lld %15s %llx", name, &channels, &resize,
                            &crop, interpolation, &digest),
                     6);
    crd_preprocessing p = crd_preprocessing_imagenet();
    p.channels = channels;
    p.resize = resize;
    p.crop = crop;
    p.interpolation = strcmp(interpolation, "bicubic") == 0 ? CRD_BICUBIC : CRD_BILINEAR;
    if (channels == 1) {
        p.mean[0] = 0.2860f;
        p.sd[0] = 0.3530f;
    }
    crd_image image;
    assert_ok(crd_image_read(&image, image_path(name), channels));
    size_t n_bytes = (size_t)(channels * crop * crop) * sizeof(float);
    float *tensor = malloc(n_bytes);
    assert_ok(crd_image_to_tensor(tensor, &image, &p));
    if (XXH3_64bits(tensor, n_bytes) != digest)
        fail_msg("another tensor than torchvision's: %s", line);
    free(tensor);
    crd_image_clear(&image);
}

static void check_refused(const char *line)
{
    char name[64];
    crd_image image;
    assert_int_equal(sscanf(line, "refused %63s", name), 1);
    assert_fails(crd_image_read(&image, image_path(name), 3), CRD_ERR_INPUT, name);
    assert_null(image.pixels);
}

static void check_truncated(const char *line)
{
    char name[64];
    crd_image image;
    size_t n_bytes;
    assert_int_equal(sscanf(line, "truncated %63s", name), 1);
    uint8_t *bytes = load(&n_bytes, name);
    for (size_t percent = 0; percent < 100; percent++) {
        size_t n = n_bytes * percent / 100;
        assert_fails(decode_part(&image, bytes, n, 3), CRD_ERR_INPUT, "part: ");
        if (n > 3)
            assert_non_null(strstr(crd_status_message(), "truncated"));
        assert_null(image.pixels);
    }
    for (size_t n = 1; n <= 16; n++)
        assert_fails(decode_part(&image, bytes, n_bytes - n, 3), CRD_ERR_INPUT, "truncated");
    assert_ok(decode_part(&image, bytes, n_bytes, 3));
    crd_image_clear(&image);
    free(bytes);
}

static void images_equal_pillow_and_torchvision(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        void (*check)(const char *line);
        int at_least;
    } kinds[] = {{"pixels ", check_pixels, 80},
                 {"tensor ", check_tensor, 250},
                 {"refused ", check_refused, 6},
                 {"truncated ", check_truncated, 7}};
    int counts[4] = {0};
    int64_t bytes_before = crd_alloc_bytes();
    FILE *list = fopen(GOLDEN "images.txt", "r");
    assert_non_null(list);
    char line[256];
    while (fgets(line, sizeof line, list) != NULL) {
        for (size_t k = 0; k < 4; k++)
            if (strncmp(line, kinds[k].word, strlen(kinds[k].word)) == 0) {
                kinds[k].check(line);
                counts[k]++;
            }
    }
    fclose(list);
    for (size_t k = 0; k < 4; k++)
        assert_true(counts[k] >= kinds[k].at_least);
    assert_int_equal(crd_alloc_bytes(), bytes_before);
}

static void files_that_are_no_images_are_refused(void **state)
{
    (void)state;
    crd_image image;
    assert_fails(crd_image_read(&image, GOLDEN "none.jpg", 3), CRD_ERR_INPUT, "none.jpg: cannot");
    assert_fails(crd_image_read(&image, GOLDEN "images", 3), CRD_ERR_INPUT,
                 "is a folder, not a file");
    assert_fails(crd_image_read(&image, "/dev/zero", 3), CRD_ERR_INPUT, "not a regular file");
    assert_fails(crd_image_read(&image, GOLDEN "images.txt", 3), CRD_ERR_INPUT, "not a JPEG");
    char path[] = "/tmp/credence-image-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    assert_fails(crd_image_read(&image, path, 3), CRD_ERR_INPUT, "is empty");
    unlink(path);
    assert_fails(crd_image_read(&image, image_path("gray"), 2), CRD_ERR_USAGE, "1 or 3");
    assert_null(image.pixels);
}

static void what_other_formats_are_is_said_and_how_they_become_jpeg(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
    } formats[] = {{"a PNG image", "\x89PNG\r\n\x1a\n...."},
                   {"a GIF image", "GIF89a......"},
                   {"a BMP image", "BM.........."},
                   {"a TIFF image", "II*\0........"},
                   {"a TIFF image", "MM\0*........"},
                   {"a WebP image", "RIFF....WEBP"},
                   {"an HEIF or AVIF image", "....ftypheic"},
                   {"a JPEG XL image", "\xff\x0a.........."},
                   {"a JPEG 2000 image", "\0\0\0\x0cjP  \r\n\x87\n"}};
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        crd_image image;
        const uint8_t *bytes = (const uint8_t *)formats[k].bytes;
        char text[128];
        snprintf(text, sizeof text, "x.jpg: is %s, not a JPEG file; to convert it",
                 formats[k].name);
        assert_fails(crd_image_decode(&image, bytes, 12, 3, "x.jpg"), CRD_ERR_INPUT, text);
        assert_fails(crd_image_decode(&image, bytes, 2, 3, "x.jpg"), CRD_ERR_INPUT, "not a JPEG");
    }
}

static void a_size_is_found_only_in_a_whole_header(void **state)
{
    (void)state;
    size_t n_bytes, n_found = 0, n_frame = 0;
    uint8_t *bytes = load(&n_bytes, "ycc420");
    char path[] = "/tmp/credence-image-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    for (size_t n = 0; n <= n_bytes; n++) {
        crd_image size;
        assert_int_equal(ftruncate(descriptor, 0), 0);
        assert_int_equal(pwrite(descriptor, bytes, n, 0), (ssize_t)n);
        int is_found = crd_image_measure(&size, path) == CRD_OK;
        n_found += (size_t)is_found;
        n_frame = n_frame == 0 && is_found ? n : n_frame;
        assert_true(is_found ? size.width == 113 && size.height == 87 : size.width == 0);
    }
    assert_true(n_frame > 0);
    assert_int_equal(n_found, n_bytes - n_frame + 1);
    crd_image size;
    assert_fails(crd_image_measure(&size, GOLDEN "images.txt"), CRD_ERR_INPUT, "no frame header");
    close(descriptor);
    unlink(path);
    free(bytes);
}

static void oversized_images_are_refused(void **state)
{
    (void)state;
    size_t n_bytes;
    crd_image image;
    uint8_t *bytes = load(&n_bytes, "ycc444");
    size_t frame = 0;
    while (frame + 9 < n_bytes && !(bytes[frame] == 0xff && bytes[frame + 1] == 0xc0))
        frame++;
    /* Height 65500, width 65500. */
    bytes[frame + 5] = bytes[frame + 7] = 0xff;
    bytes[frame + 6] = bytes[frame + 8] = 0xdc;
    assert_fails(decode_part(&image, bytes, n_bytes, 3), CRD_ERR_INPUT,
                 "65500 x 65500 pixels; at most 200000000");
    free(bytes);
}

/* Segments that are skipped, across the blocks in which libjpeg is fed. */
static void long_comments_are_skipped(void **state)
{
    (void)state;
    enum { N_COMMENTS = 5, COMMENT = 2 + 65535 };
    size_t n_bytes;
    crd_image plain, commented;
    uint8_t *bytes = load(&n_bytes, "ycc420");
    uint8_t *longer = malloc(n_bytes + N_COMMENTS * COMMENT);
    /* Their text is start markers: an error wherever it is read. */
    for (size_t i = 0; i < 2 + N_COMMENTS * COMMENT; i++)
        longer[i] = i % 2 == 0 ? 0xff : 0xd8;
    for (size_t i = 0; i < N_COMMENTS; i++) {
        memset(longer + 2 + i * COMMENT, 0xff, 4);
        longer[2 + i * COMMENT + 1] = 0xfe;
    }
    memcpy(longer + 2 + N_COMMENTS * COMMENT, bytes + 2, n_bytes - 2);
    assert_ok(decode_part(&plain, bytes, n_bytes, 3));
    assert_ok(decode_part(&commented, longer, n_bytes + N_COMMENTS * COMMENT, 3));
    assert_int_equal(commented.width, plain.width);
    assert_int_equal(commented.height, plain.height);
    assert_memory_equal(commented.pixels, plain.pixels, (size_t)(plain.width * plain.height * 3));
    crd_image_clear(&commented);
    assert_fails(decode_part(&commented, longer, 2 * COMMENT, 3), CRD_ERR_INPUT, "truncated");
    crd_image_clear(&plain);
    free(longer);
    free(bytes);
}

static void endless_scans_are_refused(void **state)
{
    (void)state;
    enum { N_COPIES = 500 };
    size_t n_bytes;
    crd_image image;
    uint8_t *bytes = load(&n_bytes, "progressive420");
    size_t scan = 2, end; /* the first scan: repeated, it decodes without complaint */
    while (!(bytes[scan] == 0xff && bytes[scan + 1] == 0xda))
        scan++;
    for (end = scan + 2; bytes[end] != 0xff || bytes[end + 1] == 0; end++) {
    }
    size_t size = end - scan, n_bomb = n_bytes + N_COPIES * size;
    uint8_t *bomb = malloc(n_bomb);
    memcpy(bomb, bytes, end);
    for (size_t i = 0; i < N_COPIES; i++)
        memcpy(bomb + end + i * size, bytes + scan, size);
    memcpy(bomb + end + N_COPIES * size, bytes + end, n_bytes - end);
    assert_fails(decode_part(&image, bomb, n_bomb, 3), CRD_ERR_INPUT, "more than 100 scans");
    free(bomb);
    free(bytes);
}

static void keep_line(crd_log_level level, const char *line, void *payload)
{
    snprintf(payload, 256, "%d %s", (int)level, line);
}

static void damage_that_pillow_accepts_is_logged(void **state)
{
    (void)state;
    char line[256] = "", expected[16];
    crd_image image;
    crd_log_set_sink(keep_line, line);
    assert_ok(crd_image_read(&image, image_path("gray"), 3));
    crd_image_clear(&image);
    assert_string_equal(line, "");
    assert_ok(crd_image_read(&image, image_path("odd-bytes-before-marker"), 3));
    crd_image_clear(&image);
    crd_log_set_sink(NULL, NULL);
    snprintf(expected, sizeof expected, "%d ", (int)CRD_LOG_WARN);
    assert_memory_equal(line, expected, strlen(expected));
    assert_non_null(strstr(line, "odd-bytes-before-marker.jpg: damaged"));
}

static void mutants_do_no_harm(void **state)
{
    (void)state;
    static const char *const names[] = {"ycc420",
                                        "ycc411",
                                        "progressive444-restart",
                                        "rgb",
                                        "gray",
                                        "ycck420-progressive",
                                        "cmyk",
                                        "ycc422-restart7",
                                        "ycc420-separate-scans",
                                        "size1x1",
                                        "exif-orientation6"};
    enum { N_NAMES = sizeof names / sizeof *names, N_MUTANTS = 2000 };
    int n_decoded = 0, n_refused = 0;
    int64_t bytes_before = crd_alloc_bytes();
    random_state = 1;
    for (int i = 0; i < N_MUTANTS; i++) {
        size_t n_bytes;
        crd_image image;
        uint8_t *bytes = load(&n_bytes, names[i % N_NAMES]);
        for (uint32_t k = 1 + random_below(8); k > 0; k--)
            bytes[random_below((uint32_t)n_bytes)] = (uint8_t)random_below(256);
        if (decode_part(&image, bytes, n_bytes, i % 2 == 0 ? 3 : 1) == CRD_OK) {
            n_decoded++;
        } else {
            n_refused++;
            assert_null(image.pixels);
        }
        crd_image_clear(&image);
        free(bytes);
    }
    assert_true(n_decoded > N_MUTANTS / 10 && n_refused > N_MUTANTS / 10);
    assert_int_equal(crd_alloc_bytes(), bytes_before);
}

static crd_image random_image(int64_t width, int64_t height, int64_t channels)
{
    crd_image image = {width, height, channels, NULL};
    assert_ok(crd_alloc_zeroed((void **)&image.pixels, width * height * channels, 1, "image"));
    for (int64_t i = 0; i < width * height * channels; i++)
        image.pixels[i] =
            (uint8_t)(random_below(4) == 0 ? 255 * random_below(2) : random_below(256));
    return image;
}

/* One axis of one value from the definition: every input has a weight, most are zero. */
static uint8_t resized_value(const uint8_t *in, int64_t stride, int64_t n_in, int64_t n_out,
                             int64_t i_out, crd_interpolation interpolation)
{
    double weights[64], sum = 0;
    double scale = (double)n_in / (double)n_out, stretch = scale > 1 ? scale : 1;
    for (int64_t i = 0; i < n_in; i++) {
        double x = fabs(((double)i - ((double)i_out + 0.5) * scale + 0.5) * (1.0 / stretch));
        if (interpolation == CRD_BILINEAR)
            weights[i] = x < 1 ? 1 - x : 0;
        else
            weights[i] = x < 1   ? (1.5 * x - 2.5) * x * x + 1
                         : x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5
                                 : 0;
        sum += weights[i];
    }
    double value = 0.5;
    for (int64_t i = 0; i < n_in; i++)
        value += round(weights[i] / sum * 4194304) / 4194304 * in[i * stride];
    return (uint8_t)(value < 0 ? 0 : value >= 255 ? 255 : floor(value));
}

static void resizing_follows_its_definition(void **state)
{
    (void)state;
    random_state = 2;
    for (int i = 0; i < 300; i++) {
        int64_t w = 1 + random_below(40), h = 1 + random_below(40), c = i % 3 == 0 ? 1 : 3;
        int64_t width = i % 7 == 0 ? w : 1 + random_below(50);
        int64_t height = i % 5 == 0 ? h : 1 + random_below(50);
        crd_interpolation interpolation = i % 2 == 0 ? CRD_BILINEAR : CRD_BICUBIC;
        crd_image in = random_image(w, h, c), out;
        assert_ok(crd_image_resize(&out, &in, width, height, interpolation));
        assert_int_equal(out.width, width);
        assert_int_equal(out.height, height);
        uint8_t narrow[50 * 40 * 3];
        for (int64_t y = 0; y < h; y++)
            for (int64_t x = 0; x < width * c; x++)
                narrow[y * width * c + x] =
                    resized_value(in.pixels + y * w * c + x % c, c, w, width, x / c, interpolation);
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < width * c; x++)
                assert_int_equal(out.pixels[y * width * c + x],
                                 resized_value(narrow + x, width * c, h, height, y, interpolation));
        crd_image_clear(&out);
        crd_image_clear(&in);
    }
    crd_image in = random_image(3, 3, 3), out;
    assert_fails(crd_image_resize(&out, &in, 0, 5, CRD_BILINEAR), CRD_ERR_USAGE, "0 x 5");
    assert_fails(crd_image_resize(&out, &in, 100000, 100000, CRD_BILINEAR), CRD_ERR_USAGE,
                 "resize");
    in.channels = 2;
    assert_fails(crd_image_resize(&out, &in, 1, 1, CRD_BILINEAR), CRD_ERR_USAGE, "2 channels");
    crd_image_clear(&in);
}

/* Only the crop's part is resized; it must be that part of the whole. */
static void the_crop_is_a_part_of_the_resized_image(void **state)
{
    (void)state;
    random_state = 3;
    for (int i = 0; i < 100; i++) {
        crd_preprocessing p = {.channels = 3, .sd = {1, 1, 1}};
        p.resize = 8 + random_below(40);
        p.crop = 1 + random_below(48);
        p.crop_width = i % 3 == 0 ? 0 : 1 + random_below(48);
        int64_t wide = i % 3 == 0 ? p.crop : p.crop_width;
        p.interpolation = i % 2 == 0 ? CRD_BILINEAR : CRD_BICUBIC;
        crd_image in = random_image(1 + random_below(60), 1 + random_below(60), 3), all;
        int64_t shorter = in.width < in.height ? in.width : in.height;
        assert_ok(crd_image_resize(&all, &in, p.resize * in.width / shorter,
                                   p.resize * in.height / shorter, p.interpolation));
        int64_t extra_x = all.width - wide, extra_y = all.height - p.crop;
        int64_t left = extra_x < 0 ? extra_x / 2 : (int64_t)rint((double)extra_x / 2);
        int64_t top = extra_y < 0 ? extra_y / 2 : (int64_t)rint((double)extra_y / 2);
        float tensor[3 * 48 * 48];
        assert_ok(crd_image_to_tensor(tensor, &in, &p));
        for (int64_t k = 0; k < 3 * p.crop * wide; k++) {
            int64_t c = k / (p.crop * wide);
            int64_t y = top + k / wide % p.crop, x = left + k % wide;
            int inside = y >= 0 && y < all.height && x >= 0 && x < all.width;
            int value = inside ? all.pixels[(y * all.width + x) * 3 + c] : 0;
            assert_true(tensor[k] == (float)value / 255.0f);
        }
        crd_image_clear(&all);
        crd_image_clear(&in);
    }
}

static void an_impossible_transform_is_refused(void **state)
{
    (void)state;
    crd_preprocessing p = crd_preprocessing_imagenet();
    assert_ok(crd_preprocessing_check(&p));
    crd_image gray = random_image(2, 2, 1);
    float tensor[3];
    assert_fails(crd_image_to_tensor(tensor, &gray, &p), CRD_ERR_INTERNAL, "1 channels");
    crd_image_clear(&gray);
    crd_preprocessing bad[8];
    for (size_t i = 0; i < 8; i++)
        bad[i] = p;
    bad[0].channels = 4;
    bad[1].resize = -1;
    bad[2].crop = 0;
    bad[3].crop = INT64_MAX;
    bad[4].interpolation = (crd_interpolation)2;
    bad[5].mean[2] = NAN;
    bad[6].sd[1] = 0;
    bad[7].crop_width = -1;
    const char *fields[] = {"channels",      "resize", "crop", "crop",
                            "interpolation", "mean",   "sd",   "crop_width"};
    for (size_t i = 0; i < 8; i++)
        assert_fails(crd_preprocessing_check(&bad[i]), CRD_ERR_INPUT, fields[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_equal_pillow_and_torchvision),
        cmocka_unit_test(files_that_are_no_images_are_refused),
        cmocka_unit_test(what_other_formats_are_is_said_and_how_they_become_jpeg),
        cmocka_unit_test(a_size_is_found_only_in_a_whole_header),
        cmocka_unit_test(oversized_images_are_refused),
        cmocka_unit_test(long_comments_are_skipped),
        cmocka_unit_test(endless_scans_are_refused),
        cmocka_unit_test(damage_that_pillow_accepts_is_logged),
        cmocka_unit_test(mutants_do_no_harm),
        cmocka_unit_test(resizing_follows_its_definition),
        cmocka_unit_test(the_crop_is_a_part_of_the_resized_image),
        cmocka_unit_test(an_impossible_transform_is_refused),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
