/* Sources of images: right ones give right pixels and labels, damaged ones are refused by name. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "crd_test.h"

#include <ftw.h>
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hdf5.h>
#include <zlib.h>

#include "base/alloc.h"
#include "credence/dataset.h"
#include "credence/log.h"
#include "io/h5.h"

#define GOLDEN CRD_TEST_DIR "/golden/images/"
#define FASHION "/usr/share/datasets/fashion-mnist/"

static char folder[] = "/tmp/credence-dataset-XXXXXX";

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path in the folder; four are valid at a time. */
static const char *at(const char *name)
{
    static char paths[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
    return paths[next];
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(at(name), 0700), 0);
}

static void make_link(const char *name, const char *golden)
{
    char target[512];
    snprintf(target, sizeof target, GOLDEN "%s", golden);
    assert_int_equal(symlink(target, at(name)), 0);
}

static void write_file(const char *name, const void *bytes, size_t n)
{
    FILE *file = fopen(at(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static size_t read_file(uint8_t *bytes, size_t size, const char *name)
{
    FILE *file = fopen(at(name), "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, size, file);
    fclose(file);
    return n;
}

static void write_gz(const char *name, const void *bytes, size_t n)
{
    gzFile file = gzopen(at(name), "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)n), n);
    assert_int_equal(gzclose(file), Z_OK);
}

static crd_status open_one(crd_dataset **out, const char *form, const char *a, const char *b)
{
    char text[1100];
    const char *specification = text;
    snprintf(text, sizeof text, form, a, b);
    return crd_dataset_open(out, &specification, 1);
}

#define assert_refused(code, text, form, a, b)                                                     \
    do {                                                                                           \
        crd_dataset *refused_;                                                                     \
        assert_fails(open_one(&refused_, (form), (a), (b)), (code), (text));                       \
        assert_null(refused_);                                                                     \
    } while (0)

/* The log's last line. */
static char logged[1024];
static int n_logged;
static void keep_line(crd_log_level level, const char *line, void *payload)
{
    (void)level;
    (void)payload;
    snprintf(logged, sizeof logged, "%s", line);
    n_logged++;
}

/* 5 images of 3 rows and 4 columns, every byte another one. */
enum { IDX_N = 5, IDX_H = 3, IDX_W = 4, IDX_BYTES = 16 + IDX_N * IDX_H * IDX_W };
static void fill_idx(uint8_t out[IDX_BYTES])
{
    memset(out, 0, IDX_BYTES);
    out[2] = 8;
    out[3] = 3;
    out[7] = IDX_N;
    out[11] = IDX_H;
    out[15] = IDX_W;
    for (int i = 16; i < IDX_BYTES; i++)
        out[i] = (uint8_t)(3 * i);
}

static const uint8_t idx_labels[] = {0, 0, 8, 1, 0, 0, 0, IDX_N, 4, 0, 9, 200, 1};

static const crd_preprocessing gray4 = {.channels = 1, .crop = 4, .mean = {0.5f}, .sd = {0.25f}};
static const crd_preprocessing colour4 = {
    .channels = 3, .crop = 4, .mean = {0.5f, 0.4f, 0.3f}, .sd = {0.25f, 0.5f, 1.0f}};

static float normal(uint8_t value, const crd_preprocessing *p, int64_t channel)
{
    return ((float)value / 255.0f - p->mean[channel]) / p->sd[channel];
}

static void check_idx(const char *specification)
{
    crd_dataset *d;
    uint8_t bytes[IDX_BYTES];
    float out[3 * 16];
    fill_idx(bytes);
    assert_ok(crd_dataset_open(&d, &specification, 1));
    assert_int_equal(crd_dataset_n_images(d), IDX_N);
    for (int64_t i = 0; i < IDX_N; i++) {
        /* 3 rows in a crop of 4: (4 - 3) / 2 = 0 above, one row of zeros below. */
        for (int64_t channels = 1; channels <= 3; channels += 2) {
            const crd_preprocessing *p = channels == 1 ? &gray4 : &colour4;
            assert_ok(crd_dataset_load(out, d, i, p, NULL, 0, 0));
            for (int64_t k = 0; k < channels * 16; k++) {
                uint8_t value = k % 16 < 12 ? bytes[16 + i * 12 + k % 16] : 0;
                assert_true(out[k] == normal(value, p, k / 16));
            }
        }
    }
    crd_dataset_close(d);
}

static void idx_files_plain_and_gzipped(void **state)
{
    (void)state;
    uint8_t bytes[IDX_BYTES];
    char specification[1100], name[600];
    crd_dataset *d;
    fill_idx(bytes);
    write_file("images", bytes, sizeof bytes);
    write_gz("images.gz", bytes, sizeof bytes);
    write_gz("labels.gz", idx_labels, sizeof idx_labels);
    write_file("labels", idx_labels, sizeof idx_labels);
    snprintf(specification, sizeof specification, "idx:%s", at("images"));
    check_idx(specification);
    snprintf(specification, sizeof specification, "idx:%s,%s", at("images.gz"), at("labels"));
    check_idx(specification);
    assert_ok(open_one(&d, "idx:%s,%s", at("images"), at("labels.gz")));
    assert_true(crd_dataset_is_labelled(d));
    for (int64_t i = 0; i < IDX_N; i++) {
        assert_int_equal(crd_dataset_label(d, i), idx_labels[8 + i]);
        snprintf(name, sizeof name, "%s[%lld]", at("images"), (long long)i);
        assert_string_equal(crd_dataset_name(d, i), name);
    }
    int64_t n;
    assert_null(crd_dataset_class_names(d, &n));
    assert_int_equal(n, 0);
    crd_dataset_close(d);
}

static void idx_files_that_are_wrong(void **state)
{
    (void)state;
    uint8_t bytes[IDX_BYTES + 1] = {0};
    const char *good = at("images"), *labels = at("labels");
    char images[512], text[512];
    snprintf(images, sizeof images, "%s", good);
    snprintf(text, sizeof text, "%s", labels);
    assert_refused(CRD_ERR_INPUT, "missing: cannot be opened", "idx:%s%s", at("missing"), "");
    assert_refused(CRD_ERR_INPUT, "is a folder, not a file", "idx:%s%s", folder, "");
    assert_refused(CRD_ERR_INPUT, "labels: IDX elements of type 8 in 1 dimensions", "idx:%s,%s",
                   text, images);
    assert_refused(CRD_ERR_INPUT, "images: IDX elements of type 8 in 3 dimensions", "idx:%s,%s",
                   images, images);
    for (size_t n = 0; n < IDX_BYTES; n++) {
        fill_idx(bytes);
        write_file("short", bytes, n);
        assert_refused(CRD_ERR_INPUT, "short: truncated", "idx:%s%s", at("short"), "");
    }
    fill_idx(bytes);
    write_file("long", bytes, IDX_BYTES + 1);
    assert_refused(CRD_ERR_INPUT, "long: longer than", "idx:%s%s", at("long"), "");
    static const struct {
        int offset;
        uint8_t value;
        const char *text;
    } faults[] = {{0, 1, "not an IDX file"},   {1, 1, "not an IDX file"},
                  {2, 13, "type 13"},          {3, 4, "4 dimensions"},
                  {7, 0, "extent 1 is 0"},     {15, 0, "extent 3 is 0"},
                  {7, IDX_N + 1, "truncated"}, {7, IDX_N - 1, "longer than"},
                  {4, 255, "cannot hold the"}, {8, 255, "more than the 4294967296 bytes"}};
    for (size_t k = 0; k < sizeof faults / sizeof faults[0]; k++) {
        fill_idx(bytes);
        bytes[faults[k].offset] = faults[k].value;
        if (k == 8)
            bytes[11] = bytes[15] = 1; /* 4 * 10^9 pixels: below the limit, beyond the file */
        write_file("wrong", bytes, IDX_BYTES);
        assert_refused(CRD_ERR_INPUT, faults[k].text, "idx:%s%s", at("wrong"), "");
    }
    uint8_t few[sizeof idx_labels];
    memcpy(few, idx_labels, sizeof few);
    few[7] = IDX_N - 1;
    write_file("few", few, sizeof few - 1);
    assert_refused(CRD_ERR_INPUT, "few: 4 labels for the 5 images", "idx:%s,%s", images, at("few"));
}

/* Whatever happens to a gzipped file, it is refused or read as it was. */
static void damaged_gzip_files(void **state)
{
    (void)state;
    uint8_t good[IDX_BYTES], bytes[4096];
    fill_idx(good);
    write_gz("good.gz", good, sizeof good);
    size_t n = read_file(bytes, sizeof bytes, "good.gz");
    int n_refused = 0;
    for (size_t cut = 0; cut < n; cut++) {
        write_file("cut.gz", bytes, cut);
        assert_refused(CRD_ERR_INPUT, "cut.gz: ", "idx:%s%s", at("cut.gz"), "");
    }
    for (size_t k = 0; k < n; k++) {
        crd_dataset *d;
        bytes[k] ^= 0x55;
        write_file("flipped.gz", bytes, n);
        bytes[k] ^= 0x55;
        crd_status status = open_one(&d, "idx:%s%s", at("flipped.gz"), "");
        if (status == CRD_OK) {
            crd_dataset_close(d);
            char specification[600];
            snprintf(specification, sizeof specification, "idx:%s", at("flipped.gz"));
            check_idx(specification);
        } else {
            assert_int_equal(status, CRD_ERR_INPUT);
            assert_non_null(strstr(crd_status_message(), "flipped.gz: "));
            n_refused++;
        }
    }
    assert_true(n_refused > (int)n - 12); /* of the header 10 bytes, few matter */
}

/* Debian's dataset-fashion-mnist: 60000 images and their known moments. */
static void fashion_mnist(void **state)
{
    (void)state;
    if (access(FASHION "train-images-idx3-ubyte.gz", R_OK) != 0) {
        print_message("no " FASHION " (Debian package dataset-fashion-mnist): skipped\n");
        skip();
    }
    crd_dataset *d;
    assert_ok(open_one(&d, "idx:%s,%s", FASHION "train-images-idx3-ubyte.gz",
                       FASHION "train-labels-idx1-ubyte.gz"));
    assert_int_equal(crd_dataset_n_images(d), 60000);
    const crd_preprocessing p = {.channels = 1, .crop = 28, .sd = {1}};
    static float image[28 * 28];
    double sum = 0, sum2 = 0;
    int64_t counts[10] = {0};
    for (int64_t i = 0; i < 60000; i++) {
        assert_ok(crd_dataset_load(image, d, i, &p, NULL, 0, 0));
        for (int k = 0; k < 28 * 28; k++) {
            sum += (double)image[k];
            sum2 += (double)image[k] * (double)image[k];
        }
        assert_in_range(crd_dataset_label(d, i), 0, 9);
        counts[crd_dataset_label(d, i)]++;
    }
    double mean = sum / (60000.0 * 784), sd = sqrt(sum2 / (60000.0 * 784) - mean * mean);
    assert_true(fabs(mean - 0.2860406) < 1e-6);
    assert_true(fabs(sd - 0.3530242) < 1e-6);
    for (int k = 0; k < 10; k++)
        assert_int_equal(counts[k], 6000);
    assert_int_equal(crd_dataset_label(d, 0), 9); /* an ankle boot */
    crd_dataset_close(d);
}

enum { RECORD = 3073 };

/* Records of plain colours with one odd pixel; label and colour follow from the number. */
static void make_cifar(const char *name, int n, int first)
{
    uint8_t *bytes = malloc((size_t)n * RECORD);
    for (int i = 0; i < n; i++) {
        uint8_t *record = bytes + i * RECORD;
        record[0] = (uint8_t)((first + i) % 10);
        for (int c = 0; c < 3; c++)
            memset(record + 1 + c * 1024, 40 * c + first + i, 1024);
        record[1 + 1024 + 32 * 5 + 7] = 255;
    }
    write_file(name, bytes, (size_t)n * RECORD);
    free(bytes);
}

static void cifar10_folders(void **state)
{
    (void)state;
    crd_dataset *d;
    char name[64];
    make_folder("cifar");
    for (int k = 1; k <= 5; k++) {
        snprintf(name, sizeof name, "cifar/data_batch_%d.bin", k);
        make_cifar(name, 3, 3 * (k - 1));
    }
    make_cifar("cifar/test_batch.bin", 2, 7);
    const crd_preprocessing p = {.channels = 3, .crop = 32, .sd = {1, 1, 1}};
    const crd_preprocessing gray = {.channels = 1, .crop = 32, .sd = {1}};
    static float out[3 * 32 * 32];
    const char *forms[] = {"cifar10:%s%s", "cifar10:%s:%s"};
    for (int k = 0; k < 2; k++) {
        assert_ok(open_one(&d, forms[k], at("cifar"), k == 0 ? "" : "train"));
        assert_int_equal(crd_dataset_n_images(d), 15);
        for (int64_t i = 0; i < 15; i++) {
            assert_int_equal(crd_dataset_label(d, i), i % 10);
            assert_ok(crd_dataset_load(out, d, i, &p, NULL, 0, 0));
            for (int64_t c = 0; c < 3; c++)
                for (int64_t j = 0; j < 1024; j++) {
                    int64_t value = c == 1 && j == 5 * 32 + 7 ? 255 : 40 * c + i;
                    assert_true(out[c * 1024 + j] == (float)value / 255.0f);
                }
        }
        assert_non_null(strstr(crd_dataset_name(d, 8), "/data_batch_3.bin[2]"));
        crd_dataset_close(d);
    }
    assert_ok(open_one(&d, "cifar10:%s:%s", at("cifar"), "test"));
    assert_int_equal(crd_dataset_n_images(d), 2);
    assert_int_equal(crd_dataset_label(d, 1), 8);
    assert_non_null(strstr(crd_dataset_name(d, 0), "/test_batch.bin[0]"));
    /* Pillow's luma of (7, 47, 87). */
    assert_ok(crd_dataset_load(out, d, 0, &gray, NULL, 0, 0));
    assert_true(out[0] == 40.0f / 255.0f);
    crd_dataset_close(d);

    crd_log_set_sink(keep_line, NULL);
    assert_ok(open_one(&d, "cifar10:%s:%s", at("cifar"), "test"));
    crd_log_set_sink(NULL, NULL);
    assert_non_null(strstr(logged, "test_batch.bin: 2 images; as distributed it has 10000"));
    crd_dataset_close(d);

    uint8_t bytes[2 * RECORD + 1] = {0};
    bytes[RECORD] = 10;
    write_file("cifar/test_batch.bin", bytes, 2 * RECORD);
    assert_refused(CRD_ERR_INPUT, "test_batch.bin[1]: label 10", "cifar10:%s:%s", at("cifar"),
                   "test");
    write_file("cifar/test_batch.bin", bytes, 2 * RECORD + 1);
    assert_refused(CRD_ERR_INPUT, "6147 bytes are not a whole number", "cifar10:%s:%s", at("cifar"),
                   "test");
    write_file("cifar/test_batch.bin", bytes, 0);
    assert_refused(CRD_ERR_INPUT, "0 bytes are not a whole number", "cifar10:%s:%s", at("cifar"),
                   "test");
    remove(at("cifar/data_batch_4.bin"));
    assert_refused(CRD_ERR_INPUT, "data_batch_4.bin: cannot be opened", "cifar10:%s%s", at("cifar"),
                   "");
    assert_refused(CRD_ERR_INPUT, "cifar:valid/data_batch_1.bin: cannot", "cifar10:%s:%s",
                   at("cifar"), "valid");
}

enum { H5_N = 6, H5_C = 3, H5_SIDE = 4, H5_COUNT = H5_N * H5_C * H5_SIDE * H5_SIDE };

static void make_h5(const char *name, crd_h5_type type, const void *values, const crd_shape *shape,
                    crd_h5_type label_type, const void *labels, int64_t n_labels)
{
    crd_h5 *file;
    crd_shape label_shape = crd_shape_make(1, n_labels);
    assert_ok(crd_h5_create(&file, at(name), name));
    if (values != NULL) {
        assert_ok(crd_h5_dataset_create(file, "/images", type, shape));
        assert_ok(crd_h5_write(file, "/images", type, values, NULL, NULL));
    }
    if (labels != NULL) {
        assert_ok(crd_h5_dataset_create(file, "/labels", label_type, &label_shape));
        assert_ok(crd_h5_write(file, "/labels", label_type, labels, NULL, NULL));
    }
    assert_ok(crd_h5_close(file));
}

/* The same images in compressed chunks, as h5py writes them when asked to. */
static void make_chunked_h5(const char *name, const uint8_t *values)
{
    const hsize_t dims[] = {H5_N, H5_C, H5_SIDE, H5_SIDE}, chunk[] = {2, H5_C, H5_SIDE, H5_SIDE};
    hid_t file = H5Fcreate(at(name), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(4, dims, NULL);
    assert_true(H5Pset_chunk(properties, 4, chunk) >= 0);
    assert_true(H5Pset_deflate(properties, 6) >= 0);
    hid_t set =
        H5Dcreate2(file, "images", H5T_STD_U8LE, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(properties);
    H5Fclose(file);
}

static const crd_preprocessing h5_colour = {
    .channels = 3, .crop = H5_SIDE, .mean = {0.5f, 0.4f, 0.3f}, .sd = {0.25f, 0.5f, 1.0f}};

static void hdf5_files(void **state)
{
    (void)state;
    crd_dataset *d;
    uint8_t bytes[H5_COUNT];
    float floats[H5_COUNT], out[H5_C * H5_SIDE * H5_SIDE];
    const int64_t labels[H5_N] = {4, 0, 3, 1000, 2, 5};
    const crd_shape shape = crd_shape_make(4, H5_N, H5_C, H5_SIDE, H5_SIDE);
    for (int i = 0; i < H5_COUNT; i++) {
        bytes[i] = (uint8_t)(7 * i);
        floats[i] = 0.25f * (float)i - 9.0f;
    }
    make_h5("bytes.h5", CRD_H5_UINT8, bytes, &shape, CRD_H5_INT64, labels, H5_N);
    make_h5("floats.h5", CRD_H5_FLOAT32, floats, &shape, CRD_H5_INT64, NULL, 0);
    make_chunked_h5("chunked", bytes); /* the content counts, not the name */
    const char *names[] = {"bytes.h5", "chunked", "floats.h5"};
    for (int k = 0; k < 3; k++) {
        assert_ok(open_one(&d, "%s%s", at(names[k]), ""));
        assert_int_equal(crd_dataset_n_images(d), H5_N);
        assert_int_equal(crd_dataset_is_labelled(d), k == 0);
        for (int64_t i = H5_N - 1; i >= 0; i--) {
            assert_int_equal(crd_dataset_label(d, i), k == 0 ? labels[i] : -1);
            assert_ok(crd_dataset_load(out, d, i, &h5_colour, NULL, 0, 0));
            for (int64_t j = 0; j < 48; j++)
                assert_true(out[j] == (k == 2 ? floats[48 * i + j]
                                              : normal(bytes[48 * i + j], &h5_colour, j / 16)));
        }
        crd_dataset_close(d);
    }
    /* Floats can be flipped, but not resized; their shape must be the network's. */
    assert_ok(open_one(&d, "%s%s", at("floats.h5"), ""));
    const crd_augmentation flip = {.flip = 1}, resized = {.random_resized_crop = 1};
    int n_flipped = 0;
    for (int64_t epoch = 0; epoch < 64; epoch++) {
        assert_ok(crd_dataset_load(out, d, 2, &h5_colour, &flip, 1, epoch));
        int is_flipped = out[0] == floats[2 * 48 + 3];
        for (int j = 0; j < 48; j++)
            assert_true(out[j] == floats[2 * 48 + (is_flipped ? j / 4 * 4 + 3 - j % 4 : j)]);
        n_flipped += is_flipped;
    }
    assert_in_range(n_flipped, 16, 48);
    assert_fails(crd_dataset_load(out, d, 2, &h5_colour, &resized, 1, 0), CRD_ERR_USAGE,
                 "floats.h5[2]: float32 images cannot be resized");
    crd_preprocessing other = h5_colour;
    other.channels = 1;
    assert_fails(crd_dataset_load(out, d, 0, &other, NULL, 0, 0), CRD_ERR_INPUT, "3 x 4 x 4");
    crd_dataset_close(d);
    floats[100] = NAN;
    make_h5("nan.h5", CRD_H5_FLOAT32, floats, &shape, CRD_H5_INT64, NULL, 0);
    assert_ok(open_one(&d, "%s%s", at("nan.h5"), ""));
    assert_ok(crd_dataset_load(out, d, 1, &h5_colour, NULL, 0, 0));
    assert_fails(crd_dataset_load(out, d, 2, &h5_colour, NULL, 0, 0), CRD_ERR_INPUT,
                 "nan.h5[2]: value 4");
    assert_int_equal(truncate(at("nan.h5"), 1000), 0);
    assert_fails(crd_dataset_load(out, d, 5, &h5_colour, NULL, 0, 0), CRD_ERR_IO,
                 "nan.h5[5]: cannot be read");
    crd_dataset_close(d);
    assert_refused(CRD_ERR_INPUT, "nan.h5", "%s%s", at("nan.h5"), "");
}

static void hdf5_files_that_are_wrong(void **state)
{
    (void)state;
    const int64_t values[24] = {0};
    const float real_labels[2] = {0};
    const int64_t labels[3] = {0, 1, -1};
    const crd_shape good = crd_shape_make(4, 2, 1, 2, 2), flat = crd_shape_make(2, 2, 4),
                    pairs = crd_shape_make(4, 2, 2, 1, 2), none = crd_shape_make(4, 0, 1, 2, 2);
    make_h5("w0", CRD_H5_UINT8, NULL, NULL, CRD_H5_INT64, labels, 2);
    assert_refused(CRD_ERR_INPUT, "w0: has neither a dataset /images nor", "%s%s", at("w0"), "");
    make_h5("w1", CRD_H5_INT64, values, &good, CRD_H5_INT64, NULL, 0);
    assert_refused(CRD_ERR_INPUT, "/images: elements are int64", "%s%s", at("w1"), "");
    make_h5("w2", CRD_H5_UINT8, values, &flat, CRD_H5_INT64, NULL, 0);
    assert_refused(CRD_ERR_INPUT, "/images: shape (2, 4)", "%s%s", at("w2"), "");
    make_h5("w3", CRD_H5_UINT8, values, &pairs, CRD_H5_INT64, NULL, 0);
    assert_refused(CRD_ERR_INPUT, "/images: shape (2, 2, 1, 2)", "%s%s", at("w3"), "");
    make_h5("w4", CRD_H5_UINT8, values, &none, CRD_H5_INT64, NULL, 0);
    assert_refused(CRD_ERR_INPUT, "/images: shape (0, 1, 2, 2)", "%s%s", at("w4"), "");
    make_h5("w5", CRD_H5_UINT8, values, &good, CRD_H5_FLOAT32, real_labels, 2);
    assert_refused(CRD_ERR_INPUT, "/labels: elements are float32", "%s%s", at("w5"), "");
    make_h5("w6", CRD_H5_UINT8, values, &good, CRD_H5_INT64, labels, 3);
    assert_refused(CRD_ERR_INPUT, "/labels: shape (3) does not fit the 2 images", "%s%s", at("w6"),
                   "");
    make_h5("w7", CRD_H5_UINT8, values, &good, CRD_H5_INT64, labels + 1, 2);
    assert_refused(CRD_ERR_INPUT, "/labels[1]: -1", "%s%s", at("w7"), "");
}

static void folders_of_classes(void **state)
{
    (void)state;
    crd_dataset *d;
    float out[3 * 16], expected[3 * 16];
    make_folder("f");
    make_folder("f/dog");
    make_folder("f/Cat");
    make_folder("f/dog/deep");
    make_folder("f/empty");
    make_folder("f/.hidden");
    make_link("f/dog/b.jpg", "gray.jpg");
    make_link("f/dog/B.JPEG", "cmyk.jpg");
    make_link("f/dog/deep/a.jpg", "icc-profile.jpg");
    make_link("f/Cat/z.jpg", "gray28.jpg");
    make_link("f/.hidden/x.jpg", "gray28.jpg");
    write_file("f/notes.txt", "x", 1);
    write_file("f/dog/list.csv", "x", 1);
    assert_ok(open_one(&d, "%s%s", at("f"), "/"));
    static const struct {
        const char *name, *golden;
        int64_t label;
    } images[] = {{"f/Cat/z.jpg", "gray28.jpg", 0},
                  {"f/dog/B.JPEG", "cmyk.jpg", 1},
                  {"f/dog/b.jpg", "gray.jpg", 1},
                  {"f/dog/deep/a.jpg", "icc-profile.jpg", 1}};
    assert_int_equal(crd_dataset_n_images(d), 4);
    for (int64_t i = 0; i < 4; i++) {
        crd_image image;
        char path[512];
        assert_string_equal(crd_dataset_name(d, i), at(images[i].name));
        assert_int_equal(crd_dataset_label(d, i), images[i].label);
        snprintf(path, sizeof path, GOLDEN "%s", images[i].golden);
        assert_ok(crd_image_read(&image, path, 3));
        assert_ok(crd_image_to_tensor(expected, &image, &colour4));
        crd_image_clear(&image);
        assert_ok(crd_dataset_load(out, d, i, &colour4, NULL, 0, 0));
        assert_memory_equal(out, expected, sizeof out);
    }
    int64_t n;
    const char *const *classes = crd_dataset_class_names(d, &n);
    assert_int_equal(n, 2);
    assert_string_equal(classes[0], "Cat");
    assert_string_equal(classes[1], "dog");
    crd_dataset_close(d);
    n_logged = 0;
    crd_log_set_sink(keep_line, NULL);
    assert_ok(open_one(&d, "%s%s", at("f"), ""));
    crd_log_set_sink(NULL, NULL);
    crd_dataset_close(d);
    assert_int_equal(n_logged, 2); /* the empty sub-folder, and the other files once */
    assert_non_null(strstr(logged, "2 files, first list.csv"));
}

static void folders_that_are_wrong(void **state)
{
    (void)state;
    crd_dataset *d;
    float out[3 * 16];
    make_folder("g");
    assert_refused(CRD_ERR_INPUT, "/g: this folder holds no .jpg", "%s%s", at("g"), "");
    make_link("g/a.jpg", "gray28.jpg");
    write_file("g/b.jpg", "no picture", 10);
    assert_ok(open_one(&d, "%s%s", at("g"), ""));
    assert_int_equal(crd_dataset_n_images(d), 2);
    assert_int_equal(crd_dataset_is_labelled(d), 0);
    assert_int_equal(crd_dataset_label(d, 0), -1);
    assert_ok(crd_dataset_load(out, d, 0, &colour4, NULL, 0, 0));
    assert_fails(crd_dataset_load(out, d, 1, &colour4, NULL, 0, 0), CRD_ERR_INPUT,
                 "g/b.jpg: is not a JPEG file");
    crd_dataset_close(d);
    make_folder("g/class");
    make_link("g/class/c.jpg", "gray28.jpg");
    assert_refused(CRD_ERR_INPUT, "1 images lie in sub-folders, which are classes, and 2 beside",
                   "%s%s", at("g"), "");
    assert_refused(CRD_ERR_USAGE, "cifar10:FOLDER", "mnist:%s%s", at("g"), "");
    assert_refused(CRD_ERR_INPUT, "missing.jpg: cannot be opened", "%s%s", at("missing.jpg"), "");
    assert_fails(crd_dataset_open(&d, NULL, 0), CRD_ERR_USAGE, "no images");
}

static void make_targets(const char *name, crd_h5_type type, const void *values,
                         const crd_shape *shape)
{
    static const uint8_t bytes[H5_COUNT];
    const crd_shape images = crd_shape_make(4, H5_N, H5_C, H5_SIDE, H5_SIDE);
    crd_h5 *file;
    assert_ok(crd_h5_create(&file, at(name), name));
    assert_ok(crd_h5_dataset_create(file, "/images", CRD_H5_UINT8, &images));
    assert_ok(crd_h5_write(file, "/images", CRD_H5_UINT8, bytes, NULL, NULL));
    assert_ok(crd_h5_dataset_create(file, "/targets", type, shape));
    assert_ok(crd_h5_write(file, "/targets", type, values, NULL, NULL));
    assert_ok(crd_h5_close(file));
}

static void targets_of_regression(void **state)
{
    (void)state;
    crd_dataset *d, *other;
    float floats[2 * H5_N];
    double doubles[2 * H5_N];
    const crd_shape pairs = crd_shape_make(2, H5_N, 2), flat = crd_shape_make(1, H5_N);
    for (int i = 0; i < 2 * H5_N; i++) {
        floats[i] = 0.5f * (float)i;
        doubles[i] = (double)floats[i];
    }
    make_targets("t32.h5", CRD_H5_FLOAT32, floats, &pairs);
    make_targets("t64.h5", CRD_H5_FLOAT64, doubles, &pairs);
    char second[1000], first[1000];
    snprintf(first, sizeof first, "%s", at("t32.h5"));
    snprintf(second, sizeof second, "%s", at("t64.h5"));
    assert_ok(crd_dataset_open(&d, (const char *const[]){first, second}, 2));
    assert_ok(crd_dataset_check_targets(d, 2));
    assert_fails(crd_dataset_check_targets(d, 3), CRD_ERR_INPUT,
                 "t32.h5[0]: this image has 2 targets, but the network gives 3 values");
    for (int64_t i = 0; i < 2 * H5_N; i++)
        assert_memory_equal(crd_dataset_target(d, i), floats + i % H5_N * 2, 2 * sizeof(float));
    floats[3] += 1;
    make_targets("changed.h5", CRD_H5_FLOAT32, floats, &pairs);
    assert_int_equal(rename(at("changed.h5"), first), 0);
    assert_ok(crd_dataset_open(&other, (const char *const[]){first, second}, 2));
    assert_true(crd_dataset_digest(d) != crd_dataset_digest(other));
    crd_dataset_close(other);
    crd_dataset_close(d);
    doubles[5] = 1e39; /* no float */
    make_targets("inf.h5", CRD_H5_FLOAT64, doubles, &pairs);
    assert_refused(CRD_ERR_INPUT, "/targets[2, 1]: is inf", "%s%s", at("inf.h5"), "");
    make_targets("flat.h5", CRD_H5_FLOAT32, floats, &flat);
    assert_refused(CRD_ERR_INPUT, "it must be (image, output) for the 6 images", "%s%s",
                   at("flat.h5"), "");
}

static void several_sources_are_one_data_set(void **state)
{
    (void)state;
    crd_dataset *d;
    float out[3 * 16], alone[3 * 16];
    make_folder("h");
    make_folder("h/bird");
    make_folder("h/dog");
    make_link("h/bird/1.jpg", "gray.jpg");
    make_link("h/dog/1.jpg", "gray28.jpg");
    char f[512], h[512], images[1100], plain[1100];
    snprintf(f, sizeof f, "%s", at("f"));
    snprintf(h, sizeof h, "%s", at("h"));
    snprintf(images, sizeof images, "idx:%s,%s", at("images"), at("labels"));
    snprintf(plain, sizeof plain, "idx:%s", at("images"));
    const char *folders[] = {f, h};
    assert_ok(crd_dataset_open(&d, folders, 2));
    assert_int_equal(crd_dataset_n_images(d), 6);
    int64_t n, labels[6];
    const char *const *classes = crd_dataset_class_names(d, &n);
    assert_int_equal(n, 3);
    assert_string_equal(classes[0], "Cat");
    assert_string_equal(classes[1], "bird");
    assert_string_equal(classes[2], "dog");
    static const int64_t expected[] = {0, 2, 2, 2, 1, 2};
    for (int64_t i = 0; i < 6; i++)
        assert_int_equal(crd_dataset_label(d, i), expected[i]);
    assert_string_equal(crd_dataset_name(d, 5), at("h/dog/1.jpg"));
    assert_ok(crd_dataset_load(out, d, 5, &colour4, NULL, 0, 0));
    assert_ok(crd_dataset_load(alone, d, 0, &colour4, NULL, 0, 0));
    assert_memory_equal(out, alone, sizeof out); /* links to the same file */

    /* By name, also after a number; else in sorted order, if there are as many. */
    const char *const network[] = {"0, dog", "bird", "2, Cat", "fish"};
    assert_ok(crd_dataset_match(labels, d, network, 4));
    assert_int_equal(labels[0], 2);
    assert_int_equal(labels[4], 1);
    assert_int_equal(labels[5], 0);
    assert_ok(crd_dataset_match(labels, d, NULL, 3));
    assert_int_equal(labels[5], 2);
    const char *const others[] = {"wood", "iron", "glass", "salt"};
    assert_ok(crd_dataset_match(labels, d, others, 3));
    assert_int_equal(labels[4], 1);
    assert_fails(crd_dataset_match(labels, d, others, 4), CRD_ERR_INPUT,
                 "'Cat' is no class of the network; the nearest is class");
    const char *const twice[] = {"1, dog", "2, dog", "bird", "Cat"};
    assert_fails(crd_dataset_match(labels, d, twice, 4), CRD_ERR_INPUT, "'dog'");
    crd_dataset_close(d);

    const char *lone = GOLDEN "gray.jpg";
    const char *mixed[][2] = {{f, lone}, {images, plain}, {images, f}, {lone, images}};
    for (int k = 0; k < 4; k++)
        assert_fails(crd_dataset_open(&d, mixed[k], 2), CRD_ERR_INPUT, "cannot be mixed");
    const char *unlabelled[] = {lone, plain, lone};
    assert_ok(crd_dataset_open(&d, unlabelled, 3));
    assert_int_equal(crd_dataset_n_images(d), 2 + IDX_N);
    assert_string_equal(crd_dataset_name(d, 6), lone);
    assert_non_null(strstr(crd_dataset_name(d, 1), "images[0]"));
    assert_fails(crd_dataset_match(labels, d, NULL, 10), CRD_ERR_INPUT, "gray.jpg: this image has");
    crd_dataset_close(d);

    const char *labelled = images;
    int64_t idx[IDX_N];
    assert_ok(crd_dataset_open(&d, &labelled, 1));
    assert_ok(crd_dataset_match(idx, d, NULL, 201));
    assert_int_equal(idx[3], 200);
    assert_fails(crd_dataset_match(idx, d, NULL, 200), CRD_ERR_INPUT,
                 "images[3]: label 200; the network has classes 0 to 199");
    crd_dataset_close(d);
}

static uint64_t digest_of(const char *specification)
{
    crd_dataset *d;
    assert_ok(crd_dataset_open(&d, &specification, 1));
    uint64_t digest = crd_dataset_digest(d);
    crd_dataset_close(d);
    return digest;
}

static uint64_t image_digest_of(const char *specification)
{
    crd_dataset *d;
    assert_ok(crd_dataset_open(&d, &specification, 1));
    uint64_t digest, again;
    assert_ok(crd_dataset_image_digest(&digest, d));
    assert_ok(crd_dataset_image_digest(&again, d));
    assert_true(digest == again);
    crd_dataset_close(d);
    return digest;
}

/* The last byte of `file`, a pixel of the data set's, is changed and changed back. */
static void assert_last_byte_counts(const char *specification, const char *file)
{
    uint64_t digest = image_digest_of(specification);
    for (int round = 0; round < 2; round++) {
        FILE *f = fopen(at(file), "rb+");
        assert_non_null(f);
        assert_int_equal(fseek(f, -1, SEEK_END), 0);
        int byte = fgetc(f);
        assert_int_equal(fseek(f, -1, SEEK_END), 0);
        fputc(byte ^ 1, f);
        assert_int_equal(fclose(f), 0);
        assert_true((image_digest_of(specification) == digest) == round);
    }
}

static void image_digests_tell_pixels_apart(void **state)
{
    (void)state;
    static uint8_t big[100000]; /* more than is read at a time */
    char specification[1100];
    snprintf(specification, sizeof specification, "idx:%s", at("images"));
    assert_last_byte_counts(specification, "images");
    snprintf(specification, sizeof specification, "cifar10:%s:test", at("cifar"));
    write_file("cifar/test_batch.bin", big, 2 * RECORD);
    assert_last_byte_counts(specification, "cifar/test_batch.bin");
    write_file("big.jpg", big, sizeof big);
    snprintf(specification, sizeof specification, "%s", at("big.jpg"));
    assert_last_byte_counts(specification, "big.jpg");
    uint64_t digest = image_digest_of(specification);
    write_file("big.jpg", big, sizeof big - 1);
    assert_true(digest != image_digest_of(specification));
    crd_dataset *gone;
    uint64_t missing, again;
    make_link("gone.jpg", "gray28.jpg");
    assert_ok(open_one(&gone, "%s%s", at("gone.jpg"), ""));
    assert_int_equal(remove(at("gone.jpg")), 0); /* named when it is loaded */
    assert_ok(crd_dataset_image_digest(&missing, gone));
    assert_ok(crd_dataset_image_digest(&again, gone));
    assert_true(missing == again);
    crd_dataset_close(gone);
    const crd_shape shape = crd_shape_make(4, H5_N, H5_C, H5_SIDE, H5_SIDE);
    make_h5("pixels.h5", CRD_H5_UINT8, big, &shape, CRD_H5_INT64, NULL, 0);
    digest = image_digest_of(at("pixels.h5"));
    big[H5_COUNT - 1] = 1;
    make_h5("other.h5", CRD_H5_UINT8, big, &shape, CRD_H5_INT64, NULL, 0);
    assert_true(digest != image_digest_of(at("other.h5")));
    assert_int_equal(remove(at("big.jpg")), 0);
}

static void digests_tell_data_sets_apart(void **state)
{
    (void)state;
    char with[1100], without[1100];
    snprintf(with, sizeof with, "idx:%s,%s", at("images"), at("labels"));
    snprintf(without, sizeof without, "idx:%s", at("images"));
    uint64_t digest = digest_of(with);
    assert_true(digest == digest_of(with));
    assert_true(digest != digest_of(without));
    uint8_t labels[sizeof idx_labels];
    memcpy(labels, idx_labels, sizeof labels);
    labels[10] ^= 1;
    write_file("labels", labels, sizeof labels);
    assert_true(digest != digest_of(with));
    write_file("labels", idx_labels, sizeof idx_labels);
    uint64_t of_folder = digest_of(at("h"));
    make_link("h/dog/2.jpg", "gray28.jpg");
    assert_true(of_folder != digest_of(at("h")));
    remove(at("h/dog/2.jpg"));
    assert_true(of_folder == digest_of(at("h")));
}

static void augmentation_is_a_function_of_its_address(void **state)
{
    (void)state;
    crd_dataset *d;
    assert_ok(open_one(&d, "%s%s", at("f"), ""));
    const crd_preprocessing p = {.channels = 3, .resize = 40, .crop = 32, .sd = {1, 1, 1}};
    const crd_augmentation all = {.flip = 1, .padded_crop = 4, .random_resized_crop = 1};
    enum { FLOATS = 3 * 32 * 32 };
    static float a[FLOATS], b[FLOATS];
    assert_ok(crd_dataset_load(a, d, 1, &p, &all, 5, 6));
    assert_ok(crd_dataset_load(b, d, 1, &p, &all, 5, 6));
    assert_memory_equal(a, b, sizeof a);
    assert_ok(crd_dataset_load(b, d, 1, &p, &all, 5, 7));
    assert_true(memcmp(a, b, sizeof a) != 0);
    assert_ok(crd_dataset_load(b, d, 1, &p, &all, 4, 6));
    assert_true(memcmp(a, b, sizeof a) != 0);
    assert_ok(crd_dataset_load(a, d, 1, &p, NULL, 5, 6));
    assert_ok(crd_dataset_load(b, d, 1, &p, &(crd_augmentation){0}, 9, 1));
    assert_memory_equal(a, b, sizeof a);
    assert_fails(crd_dataset_load(a, d, 1, &p, &(crd_augmentation){.padded_crop = 33}, 0, 0),
                 CRD_ERR_USAGE, "padded crop: 33 pixels");
    assert_fails(crd_dataset_load(a, d, 1, &p, NULL, 0, -1), CRD_ERR_USAGE, "epoch -1");
    crd_dataset_close(d);
}

/* Several threads load all images of all kinds of sources at the same time. */
typedef struct loader {
    crd_dataset *dataset;
    float out[IDX_N + 2 * H5_N + 2][3 * 16];
    crd_status status;
} loader;

static void *load_all(void *payload)
{
    loader *l = payload;
    const crd_augmentation a = {.flip = 1, .padded_crop = 1, .random_resized_crop = 1};
    for (int64_t i = 0; i < crd_dataset_n_images(l->dataset) && l->status == CRD_OK; i++)
        l->status = crd_dataset_load(l->out[i], l->dataset, i, &h5_colour, &a, 3, 1);
    return NULL;
}

static void threads_load_at_the_same_time(void **state)
{
    (void)state;
    enum { N_THREADS = 4 };
    static loader loaders[N_THREADS + 1];
    pthread_t threads[N_THREADS];
    crd_dataset *d;
    char plain[600], contiguous[512], chunked[512];
    uint8_t bytes[H5_COUNT];
    const crd_shape shape = crd_shape_make(4, H5_N, H5_C, H5_SIDE, H5_SIDE);
    for (int i = 0; i < H5_COUNT; i++)
        bytes[i] = (uint8_t)(5 * i);
    make_h5("plain.h5", CRD_H5_UINT8, bytes, &shape, CRD_H5_INT64, NULL, 0);
    snprintf(plain, sizeof plain, "idx:%s", at("images"));
    snprintf(contiguous, sizeof contiguous, "%s", at("plain.h5"));
    snprintf(chunked, sizeof chunked, "%s", at("chunked"));
    const char *all[] = {plain, contiguous, chunked, GOLDEN "gray.jpg", GOLDEN "cmyk.jpg"};
    assert_ok(crd_dataset_open(&d, all, 5));
    assert_int_equal(crd_dataset_n_images(d), IDX_N + 2 * H5_N + 2);
    for (int k = 0; k <= N_THREADS; k++)
        loaders[k].dataset = d;
    load_all(&loaders[N_THREADS]);
    for (int k = 0; k < N_THREADS; k++)
        assert_int_equal(pthread_create(&threads[k], NULL, load_all, &loaders[k]), 0);
    for (int k = 0; k < N_THREADS; k++)
        pthread_join(threads[k], NULL);
    for (int k = 0; k <= N_THREADS; k++) {
        assert_int_equal(loaders[k].status, CRD_OK);
        assert_memory_equal(loaders[k].out, loaders[N_THREADS].out, sizeof loaders[k].out);
    }
    crd_dataset_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idx_files_plain_and_gzipped),
        cmocka_unit_test(idx_files_that_are_wrong),
        cmocka_unit_test(damaged_gzip_files),
        cmocka_unit_test(fashion_mnist),
        cmocka_unit_test(cifar10_folders),
        cmocka_unit_test(hdf5_files),
        cmocka_unit_test(hdf5_files_that_are_wrong),
        cmocka_unit_test(folders_of_classes),
        cmocka_unit_test(folders_that_are_wrong),
        cmocka_unit_test(targets_of_regression),
        cmocka_unit_test(several_sources_are_one_data_set),
        cmocka_unit_test(image_digests_tell_pixels_apart),
        cmocka_unit_test(digests_tell_data_sets_apart),
        cmocka_unit_test(augmentation_is_a_function_of_its_address),
        cmocka_unit_test(threads_load_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
