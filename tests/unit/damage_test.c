/* Flipped bits and lost ends of every kind of file that is read again: each is refused by name, none is believed, none crashes the process,
 * although HDF5 itself would. Flips that the seal does not know of (as by a writer whose memory was at fault) are refused by the dataset's
 * checksum, or concern nothing that was read. */
#include "io_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hdf5.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "credence/dataset.h"
#include "credence/log.h"
#include "io/h5.h"
#include "io/prediction_checkpoint.h"

enum { N_FLIPS = 3000, N_TRUNCATIONS = 400, N_DATA_FLIPS = 300, WINDOW = 2, N_UNITS = 4 };
static const char key[] = "--draws=5\nposterior=abc\n";
static char victim[IO_PATH_SIZE];

static uint64_t add_bytes(uint64_t digest, const void *bytes, int64_t n)
{
    return XXH3_64bits_withSeed(bytes, (size_t)n, digest);
}

/* Digest of all numbers of rows. */
static uint64_t add_rows(uint64_t digest, const crd_summary *rows)
{
    int n;
    const crd_field *fields = crd_reduction_fields(&rows->reduction, &n);
    for (int i = 0; i < n; i++) {
        int64_t columns = crd_summary_width(rows, &fields[i]);
        int64_t size = fields[i].type == CRD_BOOL8 ? 1 : fields[i].type == CRD_FLOAT32 ? 4 : 8;
        if (columns > 0)
            digest = add_bytes(digest, rows->columns[i], rows->n_images * columns * size);
    }
    return digest;
}

/* Rows of images with five draws each. */
static void make_rows(crd_summary *rows, int64_t n, int keep_sums)
{
    assert_ok(crd_summary_init(rows, &io_reduction, n));
    if (keep_sums)
        assert_ok(crd_summary_keep_sums(rows));
    int64_t *sums = calloc((size_t)crd_reduction_n_sums(&io_reduction), sizeof *sums);
    int64_t *maxima = calloc((size_t)crd_reduction_n_maxima(&io_reduction), sizeof *maxima);
    assert_true(sums != NULL && maxima != NULL);
    for (int64_t i = 0; i < n; i++) {
        crd_reduction_reset(&io_reduction, sums, maxima);
        for (int64_t d = 0; d < IO_N_DRAWS; d++) {
            float logits[IO_N_CLASSES];
            for (int c = 0; c < IO_N_CLASSES; c++)
                logits[c] = (float)((i + 2 * d + 3 * c) % 5);
            crd_reduction_add(&io_reduction, sums, maxima, logits, IO_N_CLASSES, d, 1);
        }
        crd_summary_finish(rows, i, sums, maxima);
    }
    free(sums);
    free(maxima);
}

static void write_posterior(const char *path)
{
    crd_posterior *posterior = io_posterior(1);
    assert_ok(crd_posterior_write(path, posterior, &io_provenance));
    crd_posterior_destroy(posterior);
}

/* A mixture of two, the second of which has no Bayesian parameter. */
static void write_ensemble(const char *path)
{
    crd_posterior *parts[2] = {io_posterior(1), io_posterior(1)}, *ensemble;
    memset(parts[1]->bayesian, 0, (size_t)parts[1]->network->params.n_params);
    const crd_component_source sources[] = {{parts[0], "a.h5", "1a"}, {parts[1], "b.h5", "2b"}};
    assert_ok(crd_posterior_join(&ensemble, sources, 2, false));
    assert_ok(crd_posterior_write(path, ensemble, &io_provenance));
    crd_posterior_destroy(ensemble);
    for (int i = 0; i < 2; i++)
        crd_posterior_destroy(parts[i]);
}

static uint64_t add_posterior(uint64_t digest, const crd_posterior *p)
{
    int64_t n = p->n_components * p->network->params.n_floats * (int64_t)sizeof(float);
    digest = add_bytes(add_bytes(digest, p->mu, n), p->rho, n);
    if (p->prior_mu != NULL)
        digest = add_bytes(digest, p->prior_mu, n);
    digest = add_bytes(digest, &p->preprocessing, sizeof p->preprocessing);
    for (int64_t c = 0; c < p->n_classes; c++)
        digest = add_bytes(digest, p->classes[c], (int64_t)strlen(p->classes[c]) + 1);
    return digest;
}

static crd_status read_posterior(uint64_t *digest)
{
    crd_posterior *posterior;
    crd_status status = crd_posterior_read(&posterior, victim);
    assert_true((status == CRD_OK) == (posterior != NULL));
    if (status == CRD_OK)
        *digest = add_posterior(0, posterior);
    crd_posterior_destroy(posterior);
    return status;
}

static void write_prediction(const char *path)
{
    assert_ok(io_prediction_write(path, 0));
}

typedef struct visit_result {
    uint64_t digest;
    char damaged[256];
} visit_result;

static void visit(const char *path, const char *type, const crd_shape *shape, uint64_t digest,
                  int matches, void *payload)
{
    visit_result *result = payload;
    (void)type, (void)shape;
    result->digest = add_bytes(result->digest, &digest, sizeof digest);
    if (!matches)
        snprintf(result->damaged, sizeof result->damaged, "%s", path);
}

/* As `credence inspect` and `report` take it: what does not match is named there. */
static crd_status read_prediction(uint64_t *digest)
{
    crd_status status = CRD_OK;
    visit_result result = {0};
    crd_file_kind kind;
    CRD_TRY(crd_file_identify(&kind, victim));
    assert_int_equal(kind, CRD_FILE_PREDICTION);
    CRD_TRY(crd_file_datasets(victim, visit, &result));
    CRD_REQUIRE(result.damaged[0] == '\0', CRD_ERR_INPUT, "%s: %s: damaged", victim,
                result.damaged);
    *digest = result.digest;
cleanup:
    return status;
}

/* A run of which one image is finished and the other two are in progress. */
static void write_prediction_checkpoint(const char *path)
{
    char name[IO_PATH_SIZE];
    crd_prediction_meta meta = io_meta;
    crd_prediction_file *file;
    crd_summary first, window;
    uint64_t done = 5;
    int64_t sums[WINDOW * 256], maxima[WINDOW * 64];
    int64_t n_sums = crd_reduction_n_sums(&io_reduction);
    int64_t n_maxima = crd_reduction_n_maxima(&io_reduction);
    assert_true(n_sums <= 256 && n_maxima <= 64);
    for (int64_t i = 0; i < WINDOW * n_sums; i++)
        sums[i] = 1000 + i;
    for (int64_t i = 0; i < WINDOW * n_maxima; i++)
        maxima[i] = 2000 + i;
    meta.save_draws = 0;
    make_rows(&first, 1, 0);
    make_rows(&window, WINDOW, 0);
    crd_predict_state state = {.first_image = 1,
                               .n_images = WINDOW,
                               .n_blocks = 2,
                               .n_units = N_UNITS,
                               .done = &done,
                               .sums = sums,
                               .maxima = maxima,
                               .summary = &window,
                               .n_units_done = 4,
                               .n_units_all = 6};
    assert_ok(crd_prediction_create(&file, io_path(name, "run.h5"), &meta, &io_provenance));
    assert_ok(crd_prediction_write_summary(file, &first, 0));
    assert_ok(crd_prediction_write_checkpoint(file, path, &state, key, &io_provenance));
    crd_prediction_abandon(file);
    crd_summary_clear(&first);
    crd_summary_clear(&window);
}

static crd_status take_rows(const crd_summary *rows, int64_t first, void *payload)
{
    uint64_t *digest = payload;
    (void)first;
    *digest = add_rows(*digest, rows);
    return CRD_OK;
}

static crd_status read_prediction_checkpoint(uint64_t *digest)
{
    crd_predict_state state;
    uint64_t of_rows = 0;
    crd_status status = crd_prediction_resume(&state, victim, &io_meta, key, take_rows, &of_rows);
    if (status == CRD_OK) {
        assert_int_equal(state.n_images, WINDOW);
        *digest = add_bytes(of_rows, state.done, sizeof *state.done);
        *digest = add_bytes(*digest, state.sums, WINDOW * crd_reduction_n_sums(&io_reduction) * 8);
        *digest =
            add_bytes(*digest, state.maxima, WINDOW * crd_reduction_n_maxima(&io_reduction) * 8);
        *digest = add_bytes(*digest, &state.first_image, 8);
    }
    crd_predict_state_clear(&state);
    return status;
}

static void write_part(const char *path)
{
    const crd_part_facts facts = {
        .first_draw = 5, .end_draw = 10, .all_draws = 20, .confidence = 0.9, .fingerprint = key};
    crd_prediction_meta meta = io_meta;
    crd_prediction_file *file;
    crd_summary rows;
    meta.save_draws = 0;
    meta.part = &facts;
    make_rows(&rows, IO_N_IMAGES, 1);
    assert_ok(crd_prediction_create(&file, path, &meta, &io_provenance));
    assert_ok(crd_prediction_write_summary(file, &rows, 0));
    assert_ok(crd_prediction_finish(file));
    crd_summary_clear(&rows);
}

static crd_status read_part(uint64_t *digest)
{
    crd_status status = CRD_OK;
    crd_part *part = NULL;
    crd_summary rows = {0};
    CRD_TRY(crd_part_open(&part, victim));
    const crd_prediction_meta *meta = crd_part_meta(part);
    CRD_TRY(crd_summary_init(&rows, meta->reduction, meta->n_images));
    CRD_TRY(crd_summary_keep_sums(&rows));
    CRD_TRY(crd_part_read(&rows, part, 0));
    *digest = add_rows(
        add_bytes(0, meta->part->fingerprint, (int64_t)strlen(meta->part->fingerprint) + 1), &rows);
    if (meta->labels != NULL)
        *digest = add_bytes(*digest, meta->labels, meta->n_images * (int64_t)sizeof *meta->labels);
    for (int64_t i = 0; i < meta->n_images; i++)
        *digest = add_bytes(*digest, meta->image_names[i], (int64_t)strlen(meta->image_names[i]));
cleanup:
    crd_summary_clear(&rows);
    crd_part_close(part);
    return status;
}

static void write_training_checkpoint(const char *path)
{
    crd_train_state state;
    crd_posterior *posterior = io_posterior(1);
    assert_ok(crd_train_state_init(&state, posterior, 2, 3));
    assert_ok(crd_train_state_keep_gradients(&state));
    state.step = 7;
    state.epoch = 1;
    state.history[0] = (crd_epoch){.epoch = 1, .step = 6, .loss = 0.5};
    for (int64_t i = 0; i < 2 * posterior->network->params.n_floats; i++) {
        state.states[0][i] = 0.5f * (float)i;
        state.states[1][i] = 0.25f * (float)i;
        state.kept[i] = (float)-i;
    }
    assert_ok(crd_checkpoint_write(path, &state, key, &io_provenance));
    crd_train_state_clear(&state);
    crd_posterior_destroy(posterior);
}

static crd_status read_training_checkpoint(uint64_t *digest)
{
    crd_posterior *posterior;
    crd_train_state state;
    crd_status status = crd_checkpoint_read(&posterior, &state, victim, key);
    assert_true((status == CRD_OK) == (posterior != NULL));
    if (status == CRD_OK) {
        int64_t n = 2 * posterior->network->params.n_floats * (int64_t)sizeof(float);
        *digest = add_posterior((uint64_t)state.step, posterior);
        for (int k = 0; k < state.n_states; k++)
            *digest = add_bytes(*digest, state.states[k], n);
        *digest = add_bytes(*digest, state.kept, n);
        *digest = add_bytes(*digest, state.history, sizeof *state.history);
    }
    crd_train_state_clear(&state);
    crd_posterior_destroy(posterior);
    return status;
}

static const struct file_kind {
    const char *name;
    void (*write)(const char *path);
    crd_status (*read)(uint64_t *digest);
} kinds[] = {
    {"posterior", write_posterior, read_posterior},
    {"ensemble", write_ensemble, read_posterior},
    {"prediction", write_prediction, read_prediction},
    {"prediction checkpoint", write_prediction_checkpoint, read_prediction_checkpoint},
    {"part of a prediction", write_part, read_part},
    {"training checkpoint", write_training_checkpoint, read_training_checkpoint},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static uint64_t random_state;
static uint64_t random_below(uint64_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 20) % n;
}

static int64_t size_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (int64_t)info.st_size;
}

/* Changes one bit at `place` of the victim; twice changes nothing. */
static void flip(int64_t place, unsigned bit)
{
    unsigned char byte;
    int fd = open(victim, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)place), 1);
    byte = (unsigned char)(byte ^ 1U << bit);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)place), 1);
    close(fd);
}

static void every_flip_is_refused(void **state)
{
    (void)state;
    for (int k = 0; k < N_KINDS; k++) {
        uint64_t expected, digest;
        kinds[k].write(victim);
        assert_ok(kinds[k].read(&expected));
        int64_t size = size_of(victim);
        random_state = 20261123;
        for (int i = 0; i < N_FLIPS; i++) {
            int64_t place = (int64_t)random_below((uint64_t)size);
            unsigned bit = (unsigned)random_below(8);
            flip(place, bit);
            assert_fails(kinds[k].read(&digest), CRD_ERR_INPUT, "victim.h5: ");
            flip(place, bit);
        }
        assert_ok(kinds[k].read(&digest));
        assert_true(digest == expected);
        print_message("%s, %lld bytes: %d of %d flips refused\n", kinds[k].name, (long long)size,
                      N_FLIPS, N_FLIPS);
        assert_int_equal(unlink(victim), 0);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for (int k = 0; k < N_KINDS; k++) {
        uint64_t digest;
        int n = 0;
        kinds[k].write(victim);
        int64_t size = size_of(victim), step = size / N_TRUNCATIONS;
        /* From long to short, so that one file serves; every length near the end, where the seal is. */
        for (int64_t length = size - 1; length > 0; length -= length > size - 100 ? 1 : step) {
            assert_int_equal(truncate(victim, (off_t)length), 0);
            assert_fails(kinds[k].read(&digest), CRD_ERR_INPUT, "victim.h5: ");
            /* Cut exactly where HDF5 ends, it is whole for HDF5. */
            if (length != size - 40 && strstr(crd_status_message(), "truncated") == NULL)
                fail_msg("%lld of %lld bytes: %s", (long long)length, (long long)size,
                         crd_status_message());
            n++;
        }
        assert_true(n >= N_TRUNCATIONS);
        print_message("%s: %d of %d truncations refused\n", kinds[k].name, n, n);
        assert_int_equal(unlink(victim), 0);
    }
}

/* Numbers of the victim, as bytes in the file. */
typedef struct extent {
    char path[256];
    int64_t offset, n_bytes;
} extent;

typedef struct extents {
    extent all[128];
    int n;
} extents;

static void note_extent(const char *path, const char *type, const crd_shape *shape, uint64_t digest,
                        int matches, void *payload)
{
    extents *e = payload;
    (void)digest;
    assert_true(matches);
    int bytes = strstr(type, "64") != NULL ? 8 : strstr(type, "32") != NULL ? 4 : 1;
    if (strcmp(type, "string") == 0)
        return; /* these lie in a heap */
    assert_true(e->n < 128);
    e->all[e->n].n_bytes = crd_shape_count(shape) * bytes;
    snprintf(e->all[e->n++].path, sizeof e->all[0].path, "%s", path);
}

static void find_extents(extents *e)
{
    crd_h5 *h5;
    e->n = 0;
    assert_ok(crd_file_datasets(victim, note_extent, e));
    assert_true(e->n > 5);
    assert_ok(crd_h5_open(&h5, victim));
    for (int i = 0; i < e->n; i++) {
        assert_ok(crd_h5_offset(&e->all[i].offset, h5, e->all[i].path));
        assert_true(e->all[i].offset > 0);
    }
    crd_h5_discard(h5);
}

static void flips_below_the_seal_are_named(void **state)
{
    (void)state;
    for (int k = 0; k < N_KINDS; k++) {
        extents e;
        uint64_t expected, digest;
        int n_named = 0;
        kinds[k].write(victim);
        assert_ok(kinds[k].read(&expected));
        find_extents(&e);
        random_state = 20261124;
        for (int i = 0; i < N_DATA_FLIPS; i++) {
            const extent *at = &e.all[random_below((uint64_t)e.n)];
            int64_t place = at->offset + (int64_t)random_below((uint64_t)at->n_bytes);
            unsigned bit = (unsigned)random_below(8);
            flip(place, bit);
            io_reseal(victim);
            crd_status status = kinds[k].read(&digest);
            if (status == CRD_OK) {
                assert_true(digest == expected); /* not read at all */
            } else {
                n_named++;
                assert_int_equal(status, CRD_ERR_INPUT);
                assert_non_null(strstr(crd_status_message(), "victim.h5: "));
                if (strstr(crd_status_message(), at->path) == NULL)
                    fail_msg("%s: %s", at->path, crd_status_message());
            }
            flip(place, bit);
        }
        io_reseal(victim);
        assert_ok(kinds[k].read(&digest));
        assert_true(digest == expected && n_named > 0);
        print_message(
            "%s: of %d flips in datasets under a right seal %d named, the rest not read\n",
            kinds[k].name, N_DATA_FLIPS, n_named);
        assert_int_equal(unlink(victim), 0);
    }
}

/* The draws of a run that is not over have no seal: each record has its checksum. */
enum { N_RECORDS = 40, RECORD_FLOATS = 20, RECORD_BYTES = 8 + 4 * RECORD_FLOATS };

static float draw_value(int64_t record, int i)
{
    return (float)(100 * record + i);
}

static void open_draws(crd_draws_file **file, int is_new)
{
    assert_ok(crd_draws_open(file, victim, N_RECORDS, RECORD_FLOATS, key, is_new));
}

/* Returns how many of the records are refused; those that are not are right. */
static int count_refused(int64_t *first)
{
    crd_draws_file *file;
    int n = 0;
    open_draws(&file, 0);
    for (int64_t r = 0; r < N_RECORDS; r++) {
        float values[RECORD_FLOATS];
        char words[40];
        crd_status status = crd_draws_read(values, file, r, RECORD_FLOATS);
        snprintf(words, sizeof words, "victim.h5: record %lld", (long long)r);
        if (status != CRD_OK) {
            assert_fails(status, CRD_ERR_INPUT, words);
            *first = n++ == 0 ? r : *first;
        }
        for (int i = 0; status == CRD_OK && i < RECORD_FLOATS; i++)
            assert_true(values[i] == draw_value(r, i));
    }
    crd_draws_close(file, 0);
    return n;
}

static void damaged_draws_are_refused(void **state)
{
    (void)state;
    crd_draws_file *file;
    int64_t first = -1, size = N_RECORDS * RECORD_BYTES;
    open_draws(&file, 1);
    for (int64_t r = 0; r < N_RECORDS; r++) {
        float values[RECORD_FLOATS];
        for (int i = 0; i < RECORD_FLOATS; i++)
            values[i] = draw_value(r, i);
        assert_ok(crd_draws_write(file, r, values, RECORD_FLOATS));
    }
    crd_draws_close(file, 0);
    assert_int_equal(size_of(victim), size);
    assert_int_equal(count_refused(&first), 0);
    random_state = 20261125;
    for (int i = 0; i < N_FLIPS; i++) {
        int64_t place = (int64_t)random_below((uint64_t)size);
        unsigned bit = (unsigned)random_below(8);
        flip(place, bit);
        assert_int_equal(count_refused(&first), 1);
        assert_int_equal(first, place / RECORD_BYTES);
        flip(place, bit);
    }
    int n = 0;
    for (int64_t length = size - 1; length >= 0; length -= size / N_TRUNCATIONS, n++) {
        assert_int_equal(truncate(victim, (off_t)length), 0);
        assert_int_equal(count_refused(&first), N_RECORDS - length / RECORD_BYTES);
        assert_int_equal(first, length / RECORD_BYTES);
    }
    print_message(
        "draws of a run, %lld bytes: %d flips and %d truncations, each record right or refused\n",
        (long long)size, N_FLIPS, n);
    assert_int_equal(unlink(victim), 0);
}

static int setup(void **state)
{
    if (io_setup(state) != 0)
        return 1;
    io_path(victim, "victim.h5");
    return 0;
}

/* A seal is no signature: whoever changes a file can seal it again. And images have no seal. */
enum { N_MUTANTS = 40, MAX_CHANGES = 16, MAX_FILE = 1 << 20, SEAL = 40 };

static void write_images(const char *path)
{
    const crd_shape shape = crd_shape_make(4, 20, 1, 16, 16), labels = crd_shape_make(1, 20),
                    targets = crd_shape_make(2, 20, 2);
    uint8_t bytes[20 * 256];
    int64_t numbers[20];
    float values[40];
    crd_h5 *file;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i % 251);
    for (int i = 0; i < 20; i++)
        values[2 * i] = values[2 * i + 1] = (float)(numbers[i] = i % 10);
    assert_ok(crd_h5_create(&file, path, path));
    assert_ok(crd_h5_dataset_create(file, "/images", CRD_H5_UINT8, &shape));
    assert_ok(crd_h5_write(file, "/images", CRD_H5_UINT8, bytes, NULL, NULL));
    assert_ok(crd_h5_dataset_create(file, "/labels", CRD_H5_INT64, &labels));
    assert_ok(crd_h5_write(file, "/labels", CRD_H5_INT64, numbers, NULL, NULL));
    assert_ok(crd_h5_dataset_create(file, "/targets", CRD_H5_FLOAT32, &targets));
    assert_ok(crd_h5_write(file, "/targets", CRD_H5_FLOAT32, values, NULL, NULL));
    assert_ok(crd_h5_close(file));
    io_reseal(path); /* cuts off what was reserved */
    assert_int_equal(truncate(path, (off_t)size_of(path) - SEAL), 0);
}

/* As h5py writes them when asked to compress: other structures to go wrong. */
static void write_packed_images(const char *path)
{
    const hsize_t dims[] = {20, 1, 16, 16}, chunk[] = {3, 1, 16, 16};
    uint8_t bytes[20 * 256];
    double scale = 0.5;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i % 7);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(4, dims, NULL);
    assert_true(H5Pset_chunk(properties, 4, chunk) >= 0 && H5Pset_shuffle(properties) >= 0 &&
                H5Pset_deflate(properties, 6) >= 0 && H5Pset_fletcher32(properties) >= 0);
    hid_t set =
        H5Dcreate2(file, "images", H5T_STD_I16BE, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    hid_t one = H5Screate(H5S_SCALAR);
    hid_t attribute =
        H5Acreate2(set, "scale_factor", H5T_IEEE_F64LE, one, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) >= 0 &&
                H5Awrite(attribute, H5T_NATIVE_DOUBLE, &scale) >= 0);
    H5Aclose(attribute);
    H5Sclose(one);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(properties);
    H5Fclose(file);
}

static crd_status read_images(uint64_t *digest)
{
    static const crd_preprocessing grey = {.channels = 1, .crop = 16, .sd = {1}};
    crd_status status = CRD_OK;
    const char *path = victim;
    crd_dataset *dataset = NULL;
    float *image = NULL;
    *digest = 0;
    CRD_TRY(crd_dataset_open(&dataset, &path, 1));
    CRD_ALLOC(&image, 256, "image");
    for (int64_t i = 0; i < crd_dataset_n_images(dataset) && i < 100; i++) {
        CRD_TRY(crd_dataset_load(image, dataset, i, &grey, NULL, 0, 0));
        *digest = add_bytes(*digest, image, 256 * 4);
    }
cleanup:
    crd_free(image);
    crd_dataset_close(dataset);
    return status;
}

static const struct file_kind mutated[] = {
    {"images", write_images, read_images},
    {"packed images", write_packed_images, read_images},
    {"posterior", write_posterior, read_posterior},
    {"ensemble", write_ensemble, read_posterior},
    {"prediction", write_prediction, read_prediction},
    {"prediction checkpoint", write_prediction_checkpoint, read_prediction_checkpoint},
    {"part of a prediction", write_part, read_part},
    {"training checkpoint", write_training_checkpoint, read_training_checkpoint},
};
enum { N_MUTATED = sizeof mutated / sizeof *mutated };

/* What becomes of mutants; the first that a message holds counts. */
static const char *const fates[] = {"(crashed)",       "(it takes too long)", "(it waits for ever)",
                                    "(out of memory)", "HDF5 cannot read it", ""};
enum { N_FATES = sizeof fates / sizeof *fates };

static int64_t mutate(uint8_t *bytes, const uint8_t *whole, int64_t size, int is_sealed)
{
    int64_t length = is_sealed ? size - SEAL : size;
    memcpy(bytes, whole, (size_t)size);
    for (uint64_t n = 1 + random_below(MAX_CHANGES); n > 0; n--)
        bytes[random_below((uint64_t)length)] = (uint8_t)random_below(256);
    if (!is_sealed)
        return size;
    XXH128_canonical_t digest;
    XXH128_canonicalFromHash(&digest, XXH3_128bits(bytes, (size_t)length));
    memcpy(bytes + size - sizeof digest, &digest, sizeof digest);
    return size;
}

static void write_bytes(const uint8_t *bytes, int64_t n)
{
    FILE *file = fopen(victim, "wb");
    assert_true(file != NULL && fwrite(bytes, 1, (size_t)n, file) == (size_t)n);
    assert_int_equal(fclose(file), 0);
}

/* Keeps what HDF5 died of, if it is asked for: CRD_MUTANTS_KEEP=FOLDER. */
static void keep_mutant(uint64_t seed)
{
    char to[IO_PATH_SIZE];
    const char *folder = getenv("CRD_MUTANTS_KEEP");
    if (folder == NULL)
        return;
    snprintf(to, sizeof to, "%s/%llu.h5", folder, (unsigned long long)seed);
    io_copy(to, victim);
}

static void mutants_are_refused_or_read(void **state)
{
    (void)state;
    static uint8_t whole[MAX_FILE], bytes[MAX_FILE];
    const char *asked = getenv("CRD_MUTANTS"), *seed = getenv("CRD_MUTANTS_SEED");
    int n_mutants = asked != NULL ? atoi(asked) : N_MUTANTS;
    random_state = seed != NULL ? strtoull(seed, NULL, 10) : 20261130;
    const char *kind = getenv("CRD_MUTANTS_OF"); /* words of the name of one kind */
    for (int k = 0; k < N_MUTATED; k++) {
        if (kind != NULL && strstr(mutated[k].name, kind) == NULL)
            continue;
        int n_fates[N_FATES] = {0}, n_read = 0;
        mutated[k].write(victim);
        int64_t size = size_of(victim);
        FILE *file = fopen(victim, "rb");
        assert_true(size < MAX_FILE && file != NULL &&
                    fread(whole, 1, (size_t)size, file) == (size_t)size);
        fclose(file);
        for (int i = 0; i < n_mutants; i++) {
            uint64_t digest, mutant_seed = random_state;
            write_bytes(bytes, mutate(bytes, whole, size, mutated[k].read != read_images));
            crd_status status = mutated[k].read(&digest);
            int fate = 0;
            n_read += status == CRD_OK;
            if (status == CRD_OK)
                continue;
            const char *message = crd_status_message();
            /* What was read may be wrong in itself: no number, of another run. */
            if ((status != CRD_ERR_INPUT && status != CRD_ERR_NUMERIC &&
                 status != CRD_ERR_RESUME) ||
                strstr(message, "victim.h5") == NULL)
                fail_msg("%s, mutant of %llu: %d, %s", mutated[k].name,
                         (unsigned long long)mutant_seed, (int)status, message);
            while (strstr(message, fates[fate]) == NULL)
                fate++;
            n_fates[fate]++;
            if (fate < N_FATES - 1)
                keep_mutant(mutant_seed);
            if (asked != NULL && fate < N_FATES - 1)
                print_message("%s, mutant of %llu: %s\n", mutated[k].name,
                              (unsigned long long)mutant_seed, message);
        }
        print_message(
            "%s, %lld bytes: of %d mutants %d read, %d refused, HDF5 crashed over %d, took "
            "too long over %d, waited over %d, lacked memory over %d, answered wrongly %d\n",
            mutated[k].name, (long long)size, n_mutants, n_read, n_fates[5], n_fates[0], n_fates[1],
            n_fates[2], n_fates[3], n_fates[4]);
        assert_int_equal(unlink(victim), 0);
    }
    struct rusage own, readers;
    crd_files_stop();
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &readers);
    print_message("largest memory: %ld MB here, %ld MB of a reader\n", own.ru_maxrss / 1024,
                  readers.ru_maxrss / 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flip_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(flips_below_the_seal_are_named),
        cmocka_unit_test(damaged_draws_are_refused),
        cmocka_unit_test(mutants_are_refused_or_read),
    };
    if (getenv("CRD_MUTANTS") != NULL) /* many of them, and nothing else */
        cmocka_set_test_filter("mutants*");
    return cmocka_run_group_tests_name("damage", tests, setup, io_teardown);
}
