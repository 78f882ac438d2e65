/* Writes JPEGs of kinds that Pillow cannot write: encode_jpeg WIDTH HEIGHT COMPONENTS OPTION...
 * takes raw interleaved pixels on stdin and gives the file on stdout. Options: quality=N,
 * sampling=HxV,HxV,... (one per component), restart=N (MCUs), space=gray|ycc|rgb|cmyk|ycck|unknown,
 * progressive, optimize, arithmetic, no-jfif, no-adobe, separate (a scan per component). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

static J_COLOR_SPACE space_from_name(const char *name)
{
    static const struct {
        const char *name;
        J_COLOR_SPACE space;
    } known[] = {{"gray", JCS_GRAYSCALE}, {"ycc", JCS_YCbCr}, {"rgb", JCS_RGB},
                 {"cmyk", JCS_CMYK},      {"ycck", JCS_YCCK}, {"unknown", JCS_UNKNOWN}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0)
            return known[i].space;
    fprintf(stderr, "encode_jpeg: no colour space %s\n", name);
    exit(2);
}

static void apply(struct jpeg_compress_struct *jpeg, jpeg_scan_info *scans, const char *option)
{
    const char *value = strchr(option, '=');
    value = value != NULL ? value + 1 : "";
    if (strncmp(option, "space=", 6) == 0) {
        jpeg_set_colorspace(jpeg, space_from_name(value));
    } else if (strncmp(option, "quality=", 8) == 0) {
        jpeg_set_quality(jpeg, atoi(value), TRUE);
    } else if (strncmp(option, "restart=", 8) == 0) {
        jpeg->restart_interval = (unsigned)atoi(value);
    } else if (strncmp(option, "sampling=", 9) == 0) {
        for (int c = 0; c < jpeg->num_components; c++, value += 4) {
            jpeg->comp_info[c].h_samp_factor = value[0] - '0';
            jpeg->comp_info[c].v_samp_factor = value[2] - '0';
        }
    } else if (strcmp(option, "progressive") == 0) {
        jpeg_simple_progression(jpeg);
    } else if (strcmp(option, "optimize") == 0) {
        jpeg->optimize_coding = TRUE;
    } else if (strcmp(option, "arithmetic") == 0) {
        jpeg->arith_code = TRUE;
    } else if (strcmp(option, "no-jfif") == 0) {
        jpeg->write_JFIF_header = FALSE;
    } else if (strcmp(option, "no-adobe") == 0) {
        jpeg->write_Adobe_marker = FALSE;
    } else if (strcmp(option, "separate") == 0) {
        for (int c = 0; c < jpeg->num_components; c++)
            scans[c] = (jpeg_scan_info){.comps_in_scan = 1, .component_index = {c}, .Se = 63};
        jpeg->scan_info = scans;
        jpeg->num_scans = jpeg->num_components;
    } else {
        fprintf(stderr, "encode_jpeg: no option %s\n", option);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr error;
    jpeg_scan_info scans[MAX_COMPONENTS];
    jpeg.err = jpeg_std_error(&error);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, stdout);
    jpeg.image_width = (JDIMENSION)atoi(argv[1]);
    jpeg.image_height = (JDIMENSION)atoi(argv[2]);
    jpeg.input_components = atoi(argv[3]);
    static const J_COLOR_SPACE in_space[] = {JCS_UNKNOWN, JCS_GRAYSCALE, JCS_UNKNOWN, JCS_RGB,
                                             JCS_CMYK};
    jpeg.in_color_space = in_space[jpeg.input_components];
    jpeg_set_defaults(&jpeg);
    for (int i = 4; i < argc; i++)
        apply(&jpeg, scans, argv[i]);
    jpeg_start_compress(&jpeg, TRUE);
    size_t row_size = (size_t)jpeg.image_width * (size_t)jpeg.input_components;
    JSAMPROW row = malloc(row_size);
    while (jpeg.next_scanline < jpeg.image_height) {
        if (row == NULL || fread(row, 1, row_size, stdin) != row_size)
            return 2;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    free(row);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return 0;
}
