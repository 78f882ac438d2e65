#include "io_fixture.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hdf5.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "io/h5.h"
#include "io/utf8.h"
#include "test_ops.h"

static void posterior_comes_back_as_it_was(void **state)
{
    (void)state;
    char path[IO_PATH_SIZE];
    io_path(path, "posterior.h5");
    for (int bells = 0; bells < 2; bells++) {
        int64_t bytes_before = crd_alloc_bytes();
        crd_posterior *a = io_posterior(bells), *b;
        const crd_params *params = &a->network->params;
        size_t bytes = (size_t)params->n_floats * sizeof(float);
        assert_ok(crd_posterior_write(path, a, &io_provenance));
        assert_ok(crd_posterior_read(&b, path));
        assert_int_equal(b->network->params.n_params, params->n_params);
        for (int64_t p = 0; p < params->n_params; p++) {
            assert_string_equal(b->network->params.entries[p].name, params->entries[p].name);
            assert_int_equal(b->bayesian[p], a->bayesian[p]);
        }
        assert_memory_equal(b->mu, a->mu, bytes);
        assert_memory_equal(b->rho, a->rho, bytes);
        assert_true((b->prior_mu != NULL) == bells && (b->classes != NULL) == bells);
        if (bells) {
            assert_memory_equal(b->prior_mu, a->prior_mu, bytes);
            for (int c = 0; c < IO_N_CLASSES; c++)
                assert_string_equal(b->classes[c], a->classes[c]);
        }
        assert_true(b->conversion.prior_mu == a->conversion.prior_mu &&
                    b->conversion.prior_sigma == a->conversion.prior_sigma &&
                    b->conversion.prior_kind == a->conversion.prior_kind &&
                    b->conversion.prior_scale == a->conversion.prior_scale &&
                    b->conversion.prior_pi == a->conversion.prior_pi &&
                    b->conversion.prior_sigma2 == a->conversion.prior_sigma2 &&
                    b->conversion.posterior_mu_init == a->conversion.posterior_mu_init &&
                    b->conversion.posterior_rho_init == a->conversion.posterior_rho_init &&
                    b->conversion.moped_enable == a->conversion.moped_enable &&
                    b->conversion.moped_prior == a->conversion.moped_prior &&
                    b->conversion.moped_delta == a->conversion.moped_delta &&
                    b->conversion.sigma_min == a->conversion.sigma_min &&
                    b->conversion.seed == a->conversion.seed &&
                    b->conversion.initial == a->conversion.initial);
        assert_string_equal(b->conversion.type, a->conversion.type);
        assert_int_equal(b->preprocessing.crop, 5);
        assert_int_equal(b->preprocessing.resize, 0);
        assert_int_equal(b->preprocessing.interpolation, CRD_BICUBIC);
        assert_true(b->preprocessing.mean[0] == 0.25f && b->preprocessing.sd[0] == 0.5f);
        crd_posterior_destroy(a);
        crd_posterior_destroy(b);
        assert_int_equal(crd_alloc_bytes(), bytes_before);
    }
    assert_int_equal(io_count_entries(), 1);
}

/* With a parameter that is an op of its own, which has no leaf below the op's name. */
static crd_posterior *small_component(int is_bayesian)
{
    const crd_shape shape = crd_shape_make(3, 1, 1, 1);
    const attr_list token =
        ATTRS(CRD_ATTR("shape", 1, 1, 1), ONE("dim", 2), CRD_ATTR("mean", 3), CRD_ATTR("std", 0.5));
    const attr_list dim = ATTRS(ONE("dim", 3));
    crd_network *n;
    crd_posterior *posterior;
    int64_t inputs[2] = {0, 0}, at;
    assert_ok(crd_network_create(&n, "token", &shape));
    assert_ok(network_add(&inputs[0], n, "Parameter", "class_token", &token, NULL, 0));
    assert_ok(network_add(&at, n, "Concat", "cat", &dim, inputs, 2));
    assert_ok(network_add(&at, n, "Flatten", "flatten", NULL, &at, 1));
    int64_t n_features = crd_shape_count(crd_network_op_shape(n, at));
    const attr_list linear = linear_list(n_features, 2, 0);
    assert_ok(network_add(&at, n, "Linear", "part.head", &linear, &at, 1));
    assert_ok(crd_posterior_create(&posterior, n));
    posterior->preprocessing = (crd_preprocessing){
        .channels = 1, .crop = 1, .interpolation = CRD_BICUBIC, .mean = {0.25F}, .sd = {0.5F}};
    for (int64_t i = 0; i < n->params.n_floats; i++)
        posterior->mu[i] = (float)i + (float)is_bayesian / 2;
    for (int64_t p = 0; is_bayesian && p < n->params.n_params; p++) {
        posterior->bayesian[p] = crd_network_param_may_be_random(n, p) != 0;
        for (int64_t i = 0; posterior->bayesian[p] && i < n->params.entries[p].count; i++)
            posterior->rho[n->params.entries[p].offset + i] = -(float)i;
    }
    return posterior;
}

static void an_ensemble_comes_back_as_it_was(void **state)
{
    (void)state;
    char path[IO_PATH_SIZE];
    int before = io_count_entries();
    io_path(path, "ensemble.h5");
    for (int n_bayesian = 0; n_bayesian < 3; n_bayesian++) {
        int64_t bytes_before = crd_alloc_bytes();
        crd_posterior *parts[2] = {small_component(n_bayesian > 1),
                                   small_component(n_bayesian > 0)};
        const crd_component_source sources[2] = {{parts[0], "a.h5", "0123"}, {parts[1], "b", "4"}};
        crd_posterior *a, *b;
        assert_ok(crd_posterior_join(&a, sources, 2, false));
        assert_ok(crd_posterior_write(path, a, &io_provenance));
        assert_ok(crd_posterior_read(&b, path));
        const crd_params *params = &a->network->params;
        assert_string_equal(crd_family_name(b->family), n_bayesian > 0 ? "mixture" : "members");
        assert_ptr_equal(a->family, b->family);
        assert_int_equal(b->n_components, 2);
        assert_memory_equal(a->bayesian, b->bayesian, (size_t)(2 * params->n_params));
        for (int64_t c = 0; c < 2; c++) {
            for (int64_t p = 0; p < params->n_params; p++) {
                int64_t at = c * params->n_floats + params->entries[p].offset;
                size_t size = (size_t)params->entries[p].count * sizeof(float);
                assert_memory_equal(a->mu + at, b->mu + at, size);
                assert_memory_equal(a->mu + at, parts[c]->mu + params->entries[p].offset, size);
                if (a->rho != NULL)
                    assert_memory_equal(a->rho + at, b->rho + at, size);
            }
            assert_string_equal(b->origins[c].file, sources[c].file);
            assert_string_equal(b->origins[c].digest, sources[c].digest);
        }
        crd_posterior_destroy(a);
        crd_posterior_destroy(b);
        crd_posterior_destroy(parts[0]);
        crd_posterior_destroy(parts[1]);
        assert_int_equal(crd_alloc_bytes(), bytes_before);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(io_count_entries(), before);
}

static void unusable_posterior_is_not_written(void **state)
{
    (void)state;
    char path[IO_PATH_SIZE];
    io_path(path, "unusable.h5");
    int before = io_count_entries();
    crd_posterior *posterior = io_posterior(0);
    posterior->rho[0] = NAN;
    assert_fails(crd_posterior_write(path, posterior, &io_provenance), CRD_ERR_INPUT, "rho_kernel");
    posterior->rho[0] = 0;
    posterior->preprocessing.channels = 4;
    assert_fails(crd_posterior_write(path, posterior, &io_provenance), CRD_ERR_INPUT, "channels");
    crd_posterior_destroy(posterior);
    assert_int_equal(io_count_entries(), before);
}

enum { MAX_DATASETS = 64 };
typedef struct listing {
    int n;
    char path[MAX_DATASETS][128], shape[MAX_DATASETS][CRD_SHAPE_TEXT_SIZE];
    uint64_t digest[MAX_DATASETS];
    int matches;
} listing;

static void list_dataset(const char *path, const char *type, const crd_shape *shape,
                         uint64_t digest, int matches, void *payload)
{
    listing *list = payload;
    (void)type;
    assert_in_range(list->n, 0, MAX_DATASETS - 1);
    snprintf(list->path[list->n], sizeof list->path[0], "%s", path);
    crd_shape_text(list->shape[list->n], shape);
    list->digest[list->n++] = digest;
    list->matches += matches;
}

static int find_dataset(const listing *list, const char *path)
{
    for (int i = 0; i < list->n; i++)
        if (strcmp(list->path[i], path) == 0)
            return i;
    fail_msg("%s is missing", path);
    return -1;
}

static void prediction_is_listed_and_has_no_order(void **state)
{
    (void)state;
    static listing forward, backward;
    char path[2][IO_PATH_SIZE];
    crd_file_kind kind;
    assert_ok(io_prediction_write(io_path(path[0], "forward.h5"), 0));
    assert_ok(io_prediction_write(io_path(path[1], "backward.h5"), 1));
    assert_ok(crd_file_identify(&kind, path[0]));
    assert_int_equal(kind, CRD_FILE_PREDICTION);
    assert_ok(crd_file_datasets(path[0], list_dataset, &forward));
    assert_ok(crd_file_datasets(path[1], list_dataset, &backward));
    assert_int_equal(forward.matches, forward.n);
    assert_int_equal(forward.n, backward.n);
    for (int i = 0; i < forward.n; i++) {
        assert_string_equal(forward.path[i], backward.path[i]);
        assert_true(forward.digest[i] == backward.digest[i]);
        if (i > 0)
            assert_true(strcmp(forward.path[i - 1], forward.path[i]) < 0);
    }
    int logits = find_dataset(&forward, "/posterior_predictive/logits");
    assert_string_equal(forward.shape[logits], "(1, 5, 3, 4)");
    float expected[IO_N_DRAWS][IO_N_IMAGES][IO_N_CLASSES];
    for (int d = 0; d < IO_N_DRAWS; d++)
        for (int n = 0; n < IO_N_IMAGES; n++)
            for (int c = 0; c < IO_N_CLASSES; c++)
                expected[d][n][c] = (float)(100 * d + 10 * n + c);
    assert_true(forward.digest[logits] == XXH3_64bits(expected, sizeof expected));
    int classes = find_dataset(&forward, "/predictive/class");
    assert_true(forward.digest[classes] == XXH3_64bits("0\0001\0002\0003", 8));
}

static void find_attribute(const char *name, const char *value, void *payload)
{
    char *text = payload;
    snprintf(text + strlen(text), 1024 - strlen(text), "%s=%s;", name,
             strcmp(name, "created_at") == 0 ? "" : value);
}

static void root_attributes_are_listed(void **state)
{
    (void)state;
    char path[IO_PATH_SIZE], text[1024] = "";
    const float images[1 * 1 * 2 * 3] = {0};
    const char *const names[] = {"x"};
    crd_file_kind kind;
    io_path(path, "tensors.h5");
    assert_ok(crd_tensors_write(path, images, 1, 1, 2, 3, names, &io_provenance));
    assert_ok(crd_file_identify(&kind, path));
    assert_int_equal(kind, CRD_FILE_TENSORS);
    assert_ok(crd_file_attributes(path, find_attribute, text));
    assert_string_equal(text, "command=credence test;created_at=;credence_version=0.1.0;"
                              "format=credence-tensors;format_version=1;seed=7;");
}

static void prediction_keeps_its_contract(void **state)
{
    (void)state;
    char path[IO_PATH_SIZE];
    io_path(path, "contract.h5");
    int before = io_count_entries();
    crd_prediction_file *file;
    crd_summary summary;
    crd_prediction_meta meta = io_meta;
    float values[IO_N_DRAWS * IO_N_CLASSES] = {0};
    assert_ok(crd_summary_init(&summary, &io_reduction, 2));
    assert_ok(crd_prediction_create(&file, path, &meta, &io_provenance));
    assert_ok(crd_prediction_write_summary(file, &summary, 0));
    assert_fails(crd_prediction_write_summary(file, &summary, 2), CRD_ERR_INTERNAL, "fit");
    assert_fails(crd_prediction_write_draws(file, values, 1, IO_N_DRAWS, 0, 1), CRD_ERR_INTERNAL,
                 "fit");
    assert_int_equal(access(path, F_OK), -1);
    assert_fails(crd_prediction_finish(file), CRD_ERR_INTERNAL, "summary of image 2");
    meta.save_draws = 0;
    assert_ok(crd_prediction_create(&file, path, &meta, &io_provenance));
    assert_fails(crd_prediction_write_draws(file, values, 0, 1, 0, 1), CRD_ERR_INTERNAL, "fit");
    crd_prediction_abandon(file);
    crd_prediction_abandon(NULL);
    crd_reduction many; /* top classes are cut to the classes */
    assert_ok(crd_reduction_init(&many, CRD_OUTPUT_LOGITS, IO_N_CLASSES, 1000));
    meta.reduction = &many;
    assert_ok(crd_prediction_create(&file, path, &meta, &io_provenance));
    crd_summary_clear(&summary);
    assert_ok(crd_summary_init(&summary, &many, 2));
    assert_ok(crd_prediction_write_summary(file, &summary, 1));
    crd_prediction_abandon(file);
    meta.n_images = 0;
    assert_fails(crd_prediction_create(&file, path, &meta, &io_provenance), CRD_ERR_INTERNAL, "no");
    assert_null(file);
    crd_summary_clear(&summary);
    assert_int_equal(io_count_entries(), before);
}

static void a_file_too_large_for_the_disk_is_refused_at_once(void **state)
{
    (void)state;
    char path[IO_PATH_SIZE];
    int before = io_count_entries();
    crd_prediction_file *file;
    crd_prediction_meta meta = io_meta;
    meta.n_draws = CRD_MAX_DRAWS;
    crd_reduction large;
    assert_ok(crd_reduction_init(&large, CRD_OUTPUT_LOGITS, 1000000, 1));
    meta.reduction = &large;
    assert_fails(crd_prediction_create(&file, io_path(path, "huge.h5"), &meta, &io_provenance),
                 CRD_ERR_IO, "huge.h5: cannot be written: ");
    assert_int_equal(io_count_entries(), before);
}

/* Puts a file of 3 bytes in the way, so that "unchanged" can be seen. */
static void put_old_file(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("old", file);
    assert_int_equal(fclose(file), 0);
}

static int64_t file_size(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

static void replacing_is_atomic_and_modest(void **state)
{
    (void)state;
    char path[IO_PATH_SIZE], link[IO_PATH_SIZE], folder[IO_PATH_SIZE];
    struct stat info;
    io_path(path, "replaced.h5");
    io_path(link, "link.h5");
    io_path(folder, "folder");
    put_old_file(path);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(symlink("replaced.h5", link), 0);
    crd_prediction_file *file;
    assert_ok(crd_prediction_create(&file, path, &io_meta, &io_provenance));
    assert_int_equal(file_size(path), 3);
    crd_prediction_abandon(file);
    assert_int_equal(file_size(path), 3);
    mode_t mask = umask(027);
    crd_status status = io_prediction_write(link, 0);
    umask(mask);
    assert_ok(status);
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_size > 3);
    assert_int_equal(info.st_mode & 0777, 0600); /* as it was */
    assert_int_equal(unlink(path), 0);
    mask = umask(027);
    status = io_prediction_write(link, 0); /* to where the link leads, though nothing is there */
    umask(mask);
    assert_ok(status);
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISREG(info.st_mode));
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_fails(io_prediction_write(folder, 0), CRD_ERR_IO, "not a regular file");
    assert_fails(io_prediction_write("/dev/null", 0), CRD_ERR_IO, "/dev/null");
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    rmdir(folder);
}

static void long_names_work(void **state)
{
    (void)state;
    char path[IO_PATH_SIZE], name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    assert_ok(io_prediction_write(io_path(path, name), 0));
    assert_int_equal(unlink(path), 0);
}

static void unwritable_folders_are_named(void **state)
{
    (void)state;
    char path[IO_PATH_SIZE];
    int before = io_count_entries();
    assert_fails(io_prediction_write(io_path(path, "none/p.h5"), 0), CRD_ERR_IO,
                 "none/p.h5: cannot be written: No such file or directory");
    assert_fails(io_prediction_write(io_path(path, "forward.h5/p.h5"), 0), CRD_ERR_IO,
                 "Not a directory");
    /* Root may write everywhere: become nobody. */
    int is_root = geteuid() == 0;
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    crd_status status = io_prediction_write("/usr/p.h5", 0);
    crd_posterior *posterior = io_posterior(0);
    crd_status second = crd_posterior_write("/usr/p.h5", posterior, &io_provenance);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    crd_posterior_destroy(posterior);
    assert_fails(status, CRD_ERR_IO, "/usr/p.h5: cannot be written: ");
    assert_int_equal(second, CRD_ERR_IO);
    assert_int_equal(io_count_entries(), before);
}

static crd_status write_posterior(const char *path, int unused)
{
    (void)unused;
    crd_posterior *posterior = io_posterior(1);
    crd_status status = crd_posterior_write(path, posterior, &io_provenance);
    crd_posterior_destroy(posterior);
    return status;
}

/* A limit of the file size stands for the full disk: every write beyond it fails, as on a full
 * one. */
static void full_disk_leaves_nothing_behind(void **state)
{
    (void)state;
    crd_status (*const writers[])(const char *, int) = {write_posterior, io_prediction_write};
    enum { N_STEPS = 64 };
    char path[IO_PATH_SIZE];
    struct rlimit normal;
    io_path(path, "full.h5");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &normal), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (int w = 0; w < 2; w++) {
        assert_ok(writers[w](path, 0));
        int64_t size = file_size(path);
        int before = io_count_entries();
        put_old_file(path);
        for (int step = 0; step <= N_STEPS; step++) {
            int64_t bytes = step == N_STEPS ? size - 1 : size * step / N_STEPS;
            struct rlimit small = {(rlim_t)bytes, normal.rlim_max};
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
            crd_status status = writers[w](path, 0);
            char message[CRD_MESSAGE_SIZE];
            snprintf(message, sizeof message, "%s", crd_status_message());
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &normal), 0);
            if (status != CRD_ERR_IO || strstr(message, "full.h5: ") == NULL)
                fail_msg("limit %lld of %lld: status %d, %s", (long long)bytes, (long long)size,
                         (int)status, message);
            assert_int_equal(file_size(path), 3);
            assert_int_equal(io_count_entries(), before);
        }
        unlink(path);
    }
    signal(SIGXFSZ, handler);
}

/* Where a file cannot be closed, HDF5 itself loses a kilobyte; LeakSanitizer asks for this by
 * name. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

static void lost_writes_are_noticed_and_survived(void **state)
{
    (void)state;
    char path[IO_PATH_SIZE];
    struct rlimit normal;
    int before = io_count_entries();
    crd_prediction_file *file;
    crd_summary summary;
    assert_ok(crd_summary_init(&summary, &io_reduction, IO_N_IMAGES));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &normal), 0);
    struct rlimit none = {1, normal.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (int late = 0; late < 2; late++) {
        assert_ok(crd_prediction_create(&file, io_path(path, "lost.h5"), &io_meta, &io_provenance));
        if (late)
            assert_ok(crd_prediction_write_summary(file, &summary, 0));
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
        crd_status status =
            late ? crd_prediction_finish(file) : crd_prediction_write_summary(file, &summary, 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &normal), 0);
        assert_fails(status, CRD_ERR_IO, "File too large");
        if (!late)
            crd_prediction_abandon(file);
        assert_int_equal(io_count_entries(), before);
    }
    signal(SIGXFSZ, handler);
    crd_summary_clear(&summary);
    assert_ok(io_prediction_write(path, 0)); /* and HDF5 still works */
}

static void put_eps(hid_t file, const char *path, hid_t type, int rank, const hsize_t *dims,
                    const void *values)
{
    hid_t links = H5Pcreate(H5P_LINK_CREATE), space = H5Screate_simple(rank, dims, NULL);
    H5Pset_create_intermediate_group(links, 1);
    hid_t dataset = H5Dcreate2(file, path, type, space, links, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(dataset >= 0);
    assert_true(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Pclose(links);
}

static void eps_of_a_foreign_file_is_read(void **state)
{
    (void)state;
    char path[IO_PATH_SIZE];
    io_path(path, "eps.h5");
    crd_posterior *posterior = io_posterior(0);
    float *eps = NULL;
    double kernel[18];
    float bias[4] = {1, 2, 3, 4};
    const hsize_t kernel_dims[] = {2, 1, 3, 3}, bias_dims[] = {4};
    for (int i = 0; i < 18; i++)
        kernel[i] = 0.5 * i;
    assert_ok(
        crd_alloc_zeroed((void **)&eps, posterior->network->params.n_floats, sizeof *eps, "eps"));
    assert_fails(crd_eps_read(eps, path, posterior), CRD_ERR_INPUT,
                 "eps.h5: cannot be opened: No such file or directory");
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    put_eps(file, "/other/x", H5T_NATIVE_FLOAT, 1, bias_dims, bias);
    H5Fclose(file);
    assert_fails(crd_eps_read(eps, path, posterior), CRD_ERR_INPUT, "has no group /eps");
    file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    put_eps(file, "/eps/stem.0/eps_kernel", H5T_NATIVE_DOUBLE, 4, kernel_dims, kernel);
    put_eps(file, "/eps/fc/eps_bias", H5T_NATIVE_FLOAT, 1, bias_dims, bias);
    H5Fclose(file);
    assert_ok(crd_eps_read(eps, path, posterior));
    const crd_params *params = &posterior->network->params;
    int64_t w = crd_params_find(params, "stem.0.weight"), b = crd_params_find(params, "fc.bias"),
            v = crd_params_find(params, "fc.weight");
    assert_true(eps[params->entries[w].offset + 17] == 8.5f);
    assert_true(eps[params->entries[b].offset + 3] == 4);
    assert_true(eps[params->entries[v].offset] == 0);
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    put_eps(file, "/eps/fc/eps_kernel", H5T_NATIVE_FLOAT, 1, bias_dims, bias);
    H5Fclose(file);
    assert_fails(crd_eps_read(eps, path, posterior), CRD_ERR_INPUT, "/eps/fc/eps_kernel");
    file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    put_eps(file, "/eps/stem.0/eps_kernel", H5T_NATIVE_FLOAT, 1, bias_dims, bias);
    H5Fclose(file);
    assert_fails(crd_eps_read(eps, path, posterior), CRD_ERR_INPUT,
                 "/eps/stem.0/eps_kernel: shape (4), but the graph needs (2, 1, 3, 3)");
    crd_free(eps);
    crd_posterior_destroy(posterior);
}

static void text_becomes_valid_utf8(void **state)
{
    (void)state;
    const char *const cases[][2] = {
        {"plain", "plain"},
        {"", ""},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x95", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x95"},
        {"\xff-\xc3", "?-?"},
        {"\xc0\xaf", "??"},             /* overlong '/' */
        {"\xed\xa0\x80", "???"},        /* surrogate */
        {"\xf4\x90\x80\x80", "????"},   /* above U+10FFFF */
        {"\xe2\x82", "??"},             /* cut short */
        {"\xf0\x80\x80\x80x", "????x"}, /* overlong */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *clean;
        assert_ok(crd_utf8_copy(&clean, cases[i][0]));
        assert_string_equal(clean, cases[i][1]);
        crd_free(clean);
    }
}

static void names_that_are_no_links_are_refused(void **state)
{
    (void)state;
    char path[CRD_H5_PATH_SIZE], name[CRD_H5_PATH_SIZE + 1];
    assert_ok(crd_h5_join(path, "/parameters", "layer1.0.conv1"));
    assert_string_equal(path, "/parameters/layer1.0.conv1");
    const char *bad[] = {"", ".", "a/b", "/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(crd_h5_join(path, "/parameters", bad[i]), CRD_ERR_INPUT, "/parameters");
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_fails(crd_h5_join(path, "/parameters", name), CRD_ERR_INPUT, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posterior_comes_back_as_it_was),
        cmocka_unit_test(an_ensemble_comes_back_as_it_was),
        cmocka_unit_test(unusable_posterior_is_not_written),
        cmocka_unit_test(prediction_is_listed_and_has_no_order),
        cmocka_unit_test(root_attributes_are_listed),
        cmocka_unit_test(prediction_keeps_its_contract),
        cmocka_unit_test(a_file_too_large_for_the_disk_is_refused_at_once),
        cmocka_unit_test(replacing_is_atomic_and_modest),
        cmocka_unit_test(long_names_work),
        cmocka_unit_test(unwritable_folders_are_named),
        cmocka_unit_test(full_disk_leaves_nothing_behind),
        cmocka_unit_test(lost_writes_are_noticed_and_survived),
        cmocka_unit_test(eps_of_a_foreign_file_is_read),
        cmocka_unit_test(text_becomes_valid_utf8),
        cmocka_unit_test(names_that_are_no_links_are_refused),
    };
    return cmocka_run_group_tests_name("io", tests, io_setup, io_teardown);
}
