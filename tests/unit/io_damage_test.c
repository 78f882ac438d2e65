/* Files that are not what we wrote: every one is refused with one line that names the file, none
 * is believed and none crashes the process, although HDF5 itself would. Random damage: damage_test.c. */
#include "io_fixture.h"

#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hdf5.h>
#include <xxhash.h>

#include "io/h5_handed.h"

static char posterior_path[IO_PATH_SIZE], prediction_path[IO_PATH_SIZE], victim[IO_PATH_SIZE];

static int setup(void **state)
{
    if (io_setup(state) != 0)
        return 1;
    crd_posterior *posterior = io_posterior(1);
    assert_ok(
        crd_posterior_write(io_path(posterior_path, "posterior.h5"), posterior, &io_provenance));
    crd_posterior_destroy(posterior);
    assert_ok(io_prediction_write(io_path(prediction_path, "prediction.h5"), 0));
    io_path(victim, "victim.h5");
    return 0;
}

static crd_status read_posterior(void)
{
    crd_posterior *posterior;
    crd_status status = crd_posterior_read(&posterior, victim);
    assert_true((status == CRD_OK) == (posterior != NULL));
    crd_posterior_destroy(posterior);
    return status;
}

static int64_t size_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (int64_t)info.st_size;
}

/* Changes the byte at `place`, counted from the end if negative. */
static void change_byte(long place)
{
    FILE *file = fopen(victim, "rb+");
    assert_non_null(file);
    assert_int_equal(fseek(file, place, place < 0 ? SEEK_END : SEEK_SET), 0);
    int byte = fgetc(file);
    fseek(file, -1, SEEK_CUR);
    fputc(byte ^ 0x55, file);
    assert_int_equal(fclose(file), 0);
}

static void each_damage_has_its_message(void **state)
{
    (void)state;
    io_copy(victim, posterior_path);
    change_byte(-500);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "victim.h5: damaged (digest differs)");
    io_copy(victim, posterior_path);
    change_byte(-1);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "victim.h5: damaged (digest differs)");
    io_copy(victim, posterior_path);
    change_byte(-40);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "not sealed by Credence, or changed since");
    io_copy(victim, posterior_path);
    change_byte(41); /* the superblock: end of file */
    assert_fails(read_posterior(), CRD_ERR_INPUT, "damaged (digest differs)");
    assert_int_equal(truncate(victim, 4), 0);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "truncated: only 4 bytes");
    assert_int_equal(truncate(victim, 0), 0);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "victim.h5: empty");
    FILE *file = fopen(victim, "w");
    assert_non_null(file);
    for (int i = 0; i < 100; i++)
        fputs("not at all\n", file);
    fclose(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "victim.h5: not an HDF5 file");
    assert_int_equal(remove(victim), 0);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "victim.h5: cannot be opened: No such file");
    assert_int_equal(mkdir(victim, 0755), 0);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "victim.h5: is a folder");
    assert_int_equal(rmdir(victim), 0);
    assert_int_equal(mkfifo(victim, 0644), 0);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "victim.h5: is not a regular file");
    assert_int_equal(remove(victim), 0);
    /* The middle of a file lost: the seal is there, but records more. */
    io_copy(victim, posterior_path);
    int64_t size = size_of(victim);
    char seal[40];
    int fd = open(victim, O_RDWR);
    assert_int_equal(pread(fd, seal, 40, (off_t)size - 40), 40);
    assert_int_equal(pwrite(fd, seal, 40, (off_t)size - 140), 40);
    close(fd);
    assert_int_equal(truncate(victim, (off_t)size - 100), 0);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "truncated");
}

static void unreadable_file_is_named(void **state)
{
    (void)state;
    io_copy(victim, posterior_path);
    assert_int_equal(chmod(victim, 0), 0);
    int is_root = geteuid() == 0;
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    crd_status status = read_posterior();
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_fails(status, CRD_ERR_IO, "victim.h5: cannot be opened: Permission denied");
    assert_int_equal(chmod(victim, 0644), 0);
}

static void foreign_hdf5_is_refused(void **state)
{
    (void)state;
    for (int latest = 0; latest < 2; latest++) {
        hid_t access = H5Pcreate(H5P_FILE_ACCESS);
        if (latest)
            H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
        hid_t file = H5Fcreate(victim, H5F_ACC_TRUNC, H5P_DEFAULT, access);
        H5Gclose(H5Gcreate2(file, "parameters", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        H5Fclose(file);
        H5Pclose(access);
        assert_fails(read_posterior(), CRD_ERR_INPUT,
                     "not sealed by Credence, or changed since by another program");
        assert_int_equal(truncate(victim, (off_t)size_of(victim) - 8), 0);
        assert_fails(read_posterior(), CRD_ERR_INPUT, "truncated");
    }
}

/* A posterior as another writer with our seal might make it: a copy, opened to be changed. */
static hid_t begin_change(void)
{
    io_copy(victim, posterior_path);
    hid_t file = H5Fopen(victim, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

static void end_change(hid_t file)
{
    assert_true(H5Fclose(file) >= 0);
    io_reseal(victim);
}

static void put_dataset(hid_t file, const char *path, hid_t type, hsize_t n)
{
    hid_t space = H5Screate_simple(1, &n, NULL);
    hid_t dataset = H5Dcreate2(file, path, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(dataset >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
}

static void set_int64(hid_t file, const char *object, const char *key, int64_t value)
{
    hid_t id = H5Oopen(file, object, H5P_DEFAULT), attribute = H5Aopen(id, key, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, H5T_NATIVE_INT64, &value) >= 0);
    H5Aclose(attribute);
    H5Oclose(id);
}

static void other_versions_and_formats_are_named(void **state)
{
    (void)state;
    hid_t file = begin_change();
    set_int64(file, "/", "format_version", 3);
    end_change(file);
    assert_fails(
        read_posterior(), CRD_ERR_INPUT,
        "victim.h5: credence-posterior version 3, but this Credence reads versions 1 to 2");
    file = begin_change();
    H5Adelete(file, "format");
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "victim.h5: /: has no attribute 'format'");
    io_copy(victim, prediction_path);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "victim.h5: is a prediction, not a posterior");
}

static void datasets_that_do_not_fit_are_named(void **state)
{
    (void)state;
    hid_t file = begin_change();
    end_change(file);
    assert_ok(read_posterior()); /* resealing alone changes nothing */

    file = begin_change();
    H5Ldelete(file, "/parameters/fc/mu_bias", H5P_DEFAULT);
    put_dataset(file, "/parameters/fc/mu_bias", H5T_IEEE_F32LE, 5);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT,
                 "victim.h5: /parameters/fc/mu_bias: shape (5), but it must be (4)");

    file = begin_change();
    H5Ldelete(file, "/parameters/fc/mu_bias", H5P_DEFAULT);
    put_dataset(file, "/parameters/fc/mu_bias", H5T_IEEE_F64LE, 4);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "/parameters/fc/mu_bias: type float64");

    file = begin_change();
    H5Ldelete(file, "/parameters/fc/rho_bias", H5P_DEFAULT);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "/parameters/fc/rho_bias: is missing");

    file = begin_change();
    H5Ldelete(file, "/parameters/stem.1/running_var", H5P_DEFAULT);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "/parameters/stem.1/running_var: is missing");

    file = begin_change();
    H5Ldelete(file, "/prior/fc/prior_mu_bias", H5P_DEFAULT);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "/prior/fc/prior_mu_bias: is missing");

    file = begin_change();
    put_dataset(file, "/parameters/fc/mu_kernel", H5T_IEEE_F32LE, 4);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "/parameters/fc/mu_kernel: belongs to nothing");

    file = begin_change();
    H5Ldelete(file, "/graph", H5P_DEFAULT);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "victim.h5: /graph: ");
}

/* Overwrites a dataset's first float; with_checksum: its checksum too. */
static void set_float(const char *path, float value, int with_checksum)
{
    hid_t file = begin_change();
    hid_t dataset = H5Dopen2(file, path, H5P_DEFAULT), space = H5Dget_space(dataset);
    float values[64];
    size_t n = (size_t)H5Sget_simple_extent_npoints(space);
    assert_in_range(n, 1, 64);
    H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    values[0] = value;
    assert_true(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    if (with_checksum) {
        char text[17];
        snprintf(text, sizeof text, "%016llx",
                 (unsigned long long)XXH3_64bits(values, n * sizeof(float)));
        hid_t attribute = H5Aopen(dataset, "xxh3_64", H5P_DEFAULT), type = H5Aget_type(attribute);
        assert_true(H5Awrite(attribute, type, text) >= 0);
        H5Tclose(type);
        H5Aclose(attribute);
    }
    H5Sclose(space);
    H5Dclose(dataset);
    end_change(file);
}

static void count_matches(const char *path, const char *type, const crd_shape *shape,
                          uint64_t digest, int matches, void *payload)
{
    (void)type, (void)shape, (void)digest;
    assert_int_equal(matches, strcmp(path, "/parameters/stem.0/mu_kernel") != 0);
    ++*(int *)payload;
}

static void bad_values_are_named(void **state)
{
    (void)state;
    int n = 0;
    set_float("/parameters/stem.0/mu_kernel", 3, 0);
    assert_fails(read_posterior(), CRD_ERR_INPUT,
                 "victim.h5: /parameters/stem.0/mu_kernel: damaged (checksum ");
    assert_ok(crd_file_datasets(victim, count_matches, &n));
    assert_true(n > 10);
    set_float("/parameters/stem.0/mu_kernel", 3, 1);
    assert_ok(read_posterior());
    set_float("/parameters/stem.0/mu_kernel", NAN, 1);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "stem.0.mu_kernel");
    assert_non_null(strstr(crd_status_message(), "victim.h5"));
    set_float("/parameters/stem.0/rho_kernel", -INFINITY, 1);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "stem.0.rho_kernel");
    set_float("/parameters/stem.1/running_var", -1, 1);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "stem.1.running_var");
}

static void set_attribute(const char *object, const char *key, const void *value)
{
    hid_t file = begin_change(), id = H5Oopen(file, object, H5P_DEFAULT);
    hid_t attribute = H5Aopen(id, key, H5P_DEFAULT), type = H5Aget_type(attribute);
    assert_true(H5Awrite(attribute, type, value) >= 0);
    H5Tclose(type);
    H5Aclose(attribute);
    H5Oclose(id);
    end_change(file);
}

static void bad_priors_are_named(void **state)
{
    (void)state;
    const char *const names[] = {"laplace", "mixture", "fan-out", "fan-in"};
    const double bad = 1.5, good = 0.5;
    set_attribute("/prior", "prior_kind", &names[0]);
    assert_fails(read_posterior(), CRD_ERR_INPUT,
                 "/prior: prior_kind: 'laplace' is not one of normal, mixture");
    set_attribute("/prior", "prior_kind", &names[1]);
    set_attribute("/prior", "prior_scale", &names[2]);
    assert_fails(read_posterior(), CRD_ERR_INPUT,
                 "prior_scale: 'fan-out' is not one of fixed, fan-in, he");
    set_attribute("/prior", "prior_scale", &names[3]);
    assert_ok(read_posterior());
    set_attribute("/prior", "prior_pi", &bad);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "prior_pi: 1.5");
    set_attribute("/prior", "prior_pi", &good);
    assert_ok(read_posterior());
}

static void bad_attributes_are_named(void **state)
{
    (void)state;
    hid_t file = begin_change();
    set_int64(file, "/preprocessing", "channels", 4);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "victim.h5: /preprocessing: channels is 4");
    file = begin_change();
    set_int64(file, "/preprocessing", "channels", 3);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "attribute 'mean' must be 3 of type float32");
    file = begin_change();
    set_int64(file, "/preprocessing", "crop", -5);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "crop");
    file = begin_change();
    set_int64(file, "/preprocessing", "crop", 6);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT,
                 "preprocessing: channels and crop make images of shape (1, 6, 6), but the network "
                 "takes (1, 5, 5)");
    file = begin_change();
    H5Adelete_by_name(file, "/prior", "prior_sigma", H5P_DEFAULT);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "/prior: has no attribute 'prior_sigma'");
    file = begin_change();
    H5Ldelete(file, "/conversion", H5P_DEFAULT);
    end_change(file);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "/conversion");
}

/* The temporary file of victim.h5. */
static int open_temporary(void)
{
    char pattern[IO_PATH_SIZE];
    glob_t found;
    assert_int_equal(glob(io_path(pattern, ".victim.h5.*.tmp"), 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    int fd = open(found.gl_pathv[0], O_RDWR);
    globfree(&found);
    assert_true(fd >= 0);
    return fd;
}

enum { IN_ROWS = -1 };

/* Where 64 bytes of missing floats lie. */
static int64_t find_rows(int fd)
{
    char rows[64], found[64];
    for (int i = 0; i < 16; i++)
        memcpy(rows + 4 * i, &(float){NAN}, 4);
    for (int64_t at = 0; pread(fd, found, sizeof found, (off_t)at) == sizeof found; at += 4)
        if (memcmp(rows, found, sizeof found) == 0)
            return at;
    fail_msg("there are no missing rows");
    return 0;
}

/* What happens to the temporary file: before the rows are written, or after. */
static const struct accident {
    int is_before;
    int64_t truncated_at; /* -1: not */
    int64_t zeroed;       /* byte from which 64 are zeroed */
} accidents[] = {{0, 0, 0},     {0, 100, 0},  {0, 3000, 0},     {0, 20000, 0}, {1, 100, 0},
                 {1, 20000, 0}, {0, -1, 200}, {0, -1, IN_ROWS}, {0, -1, 1000}};

static void what_was_handed_over_is_what_is_sealed(void **state)
{
    (void)state;
    static const char zeros[64];
    crd_summary rows;
    assert_ok(crd_summary_init(&rows, &io_reduction, IO_N_IMAGES));
    for (int64_t i = 0; i < IO_N_IMAGES; i++)
        crd_summary_mark_undrawn(&rows, i);
    crd_prediction_meta meta = io_meta;
    meta.save_draws = 0;
    remove(victim);
    int n_entries = io_count_entries();
    for (size_t k = 0; k < sizeof accidents / sizeof *accidents; k++) {
        const struct accident *a = &accidents[k];
        crd_prediction_file *file;
        assert_ok(crd_prediction_create(&file, victim, &meta, &io_provenance));
        if (!a->is_before)
            assert_ok(crd_prediction_write_summary(file, &rows, 0));
        int fd = open_temporary();
        if (a->truncated_at >= 0)
            assert_int_equal(ftruncate(fd, (off_t)a->truncated_at), 0);
        else
            assert_int_equal(pwrite(fd, zeros, sizeof zeros,
                                    (off_t)(a->zeroed == IN_ROWS ? find_rows(fd) : a->zeroed)),
                             sizeof zeros);
        close(fd);
        crd_status status = a->is_before ? crd_prediction_write_summary(file, &rows, 0) : CRD_OK;
        if (status == CRD_OK)
            status = crd_prediction_finish(file);
        else
            crd_prediction_abandon(file);
        if (status != CRD_ERR_IO || strstr(crd_status_message(), "victim.h5") == NULL)
            fail_msg("accident %zu: %d, %s", k, (int)status, crd_status_message());
        assert_int_equal(io_count_entries(), n_entries);
    }
    crd_summary_clear(&rows);
}

/* Rows may come in any order and more than once; the last ones count. */
static void rows_may_be_written_again(void **state)
{
    (void)state;
    crd_h5 *file;
    const crd_shape shape = crd_shape_make(3, 2, 3, 4), list = crd_shape_make(1, 5);
    float values[24];
    const int64_t start[] = {0, 1, 0}, count[] = {2, 2, 4}, whole[] = {0, 0, 0}, all[] = {2, 3, 4};
    const int64_t two = 2, three = 3;
    uint64_t digest, expected;
    for (int i = 0; i < 24; i++)
        values[i] = (float)i;
    assert_ok(crd_h5_create(&file, victim, victim));
    assert_ok(crd_h5_dataset_create(file, "/rows", CRD_H5_FLOAT32, &shape));
    assert_ok(crd_h5_dataset_create(file, "/list", CRD_H5_FLOAT32, &list));
    assert_ok(crd_h5_handed_digest(&digest, file, "/rows")); /* of nothing but fill values */
    assert_ok(crd_h5_write(file, "/list", CRD_H5_FLOAT32, values, &two, &three));
    assert_ok(crd_h5_write(file, "/list", CRD_H5_FLOAT32, values + 7, &two, &two));
    assert_ok(crd_h5_handed_digest(&digest, file, "/list"));
    assert_ok(crd_h5_digest(&expected, file, "/list"));
    assert_true(digest == expected);
    assert_ok(crd_h5_close(file));
    assert_ok(crd_h5_create(&file, victim, victim));
    assert_ok(crd_h5_dataset_create(file, "/rows", CRD_H5_FLOAT32, &shape));
    assert_ok(crd_h5_write(file, "/rows", CRD_H5_FLOAT32, values + 3, start, count));
    assert_ok(crd_h5_write(file, "/rows", CRD_H5_FLOAT32, values, whole, all));
    assert_ok(crd_h5_write(file, "/rows", CRD_H5_FLOAT32, values + 5, start, count));
    assert_ok(crd_h5_handed_digest(&digest, file, "/rows"));
    assert_ok(crd_h5_digest(&expected, file, "/rows"));
    assert_true(digest == expected);
    assert_ok(crd_h5_close(file));
    assert_int_equal(remove(victim), 0);
}

/* A file that h5py changed, and what of it is fit to be sealed again. */
static void changed_files_are_sealed_again_if_they_fit(void **state)
{
    (void)state;
    char copy[IO_PATH_SIZE], message[IO_PATH_SIZE + 64];
    crd_posterior *before, *after;
    io_path(copy, "copy.h5");
    assert_ok(crd_posterior_read(&before, posterior_path));
    hid_t file = begin_change();
    set_int64(file, "/preprocessing", "resize", before->preprocessing.resize + 1);
    assert_true(H5Fclose(file) >= 0);
    assert_fails(read_posterior(), CRD_ERR_INPUT, "inspect --reseal");
    assert_ok(crd_file_reseal(copy, victim));
    assert_ok(crd_posterior_read(&after, copy));
    assert_int_equal(after->preprocessing.resize, before->preprocessing.resize + 1);
    crd_posterior_destroy(after);
    assert_ok(crd_file_reseal(victim, victim)); /* in its own place, too; once more is no harm */
    assert_ok(crd_file_reseal(victim, victim));
    assert_ok(read_posterior());
    assert_int_equal(remove(copy), 0);
    file = begin_change();
    set_int64(file, "/preprocessing", "crop", -5);
    assert_true(H5Fclose(file) >= 0);
    int n_entries = io_count_entries();
    snprintf(message, sizeof message, "%s: ", victim); /* not the temporary file */
    assert_fails(crd_file_reseal(copy, victim), CRD_ERR_INPUT, message);
    assert_non_null(strstr(crd_status_message(), "crop"));
    file = begin_change();
    H5Gclose(H5Gcreate2(file, "more", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    hid_t space = H5Screate(H5S_SCALAR);
    H5Dclose(H5Dcreate2(file, "more/data", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT,
                        H5P_DEFAULT));
    H5Sclose(space);
    assert_true(H5Fclose(file) >= 0);
    assert_fails(crd_file_reseal(copy, victim), CRD_ERR_INPUT, "victim.h5: /more/data: ");
    assert_int_equal(io_count_entries(), n_entries);
    io_copy(victim, prediction_path);
    assert_ok(crd_file_reseal(victim, victim));
    assert_int_equal(remove(victim), 0);
    assert_fails(crd_file_reseal(copy, victim), CRD_ERR_INPUT, "victim.h5: cannot be opened");
    crd_posterior_destroy(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_damage_has_its_message),
        cmocka_unit_test(unreadable_file_is_named),
        cmocka_unit_test(foreign_hdf5_is_refused),
        cmocka_unit_test(other_versions_and_formats_are_named),
        cmocka_unit_test(datasets_that_do_not_fit_are_named),
        cmocka_unit_test(bad_values_are_named),
        cmocka_unit_test(bad_priors_are_named),
        cmocka_unit_test(bad_attributes_are_named),
        cmocka_unit_test(what_was_handed_over_is_what_is_sealed),
        cmocka_unit_test(rows_may_be_written_again),
        cmocka_unit_test(changed_files_are_sealed_again_if_they_fit),
    };
    return cmocka_run_group_tests_name("io_damage", tests, setup, io_teardown);
}
