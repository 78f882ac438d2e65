#include "io_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/seal.h"
#include "test_ops.h"

static char folder[] = "/tmp/credence-io-XXXXXX";

crd_reduction io_reduction;

int io_setup(void **state)
{
    if (crd_reduction_init(&io_reduction, CRD_OUTPUT_LOGITS, IO_N_CLASSES, IO_N_TOP) != CRD_OK)
        return 1;
    (void)state;
    /* Other users are let in: a test drops root's rights for a moment. */
    return mkdtemp(folder) == NULL || chmod(folder, 0755) != 0;
}

int io_teardown(void **state)
{
    (void)state;
    DIR *dir = opendir(folder);
    char path[IO_PATH_SIZE];
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            remove(io_path(path, entry->d_name));
    if (dir != NULL)
        closedir(dir);
    return rmdir(folder); /* fails if a temporary file was left behind */
}

const char *io_path(char out[IO_PATH_SIZE], const char *name)
{
    snprintf(out, IO_PATH_SIZE, "%s/%s", folder, name);
    return out;
}

int io_count_entries(void)
{
    int n = -2; /* "." and ".." */
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

void io_remove_temporary(void)
{
    DIR *dir = opendir(folder);
    char path[IO_PATH_SIZE];
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const char *end = strrchr(entry->d_name, '.');
        if (entry->d_name[0] == '.' && strcmp(end, ".tmp") == 0)
            assert_int_equal(unlink(io_path(path, entry->d_name)), 0);
    }
    closedir(dir);
}

static const char *const keys[] = {"credence_version"}, *const values[] = {"0.1.0"};
const crd_provenance io_provenance = {
    .command = "credence test", .seed = 7, .keys = keys, .values = values, .n_pairs = 1};

crd_posterior *io_posterior(int bells)
{
    crd_network *network;
    crd_posterior *posterior;
    crd_shape input = crd_shape_make(3, 1, 5, 5);
    int64_t at = 0;
    assert_ok(crd_network_create(&network, "small", &input));
    attr_list conv = conv2d_list((conv2d_attrs){1, 2, {3, 3}, {1, 1}, {0, 0}, {1, 1}, 1, 0});
    assert_ok(network_add(&at, network, "Conv2d", "stem.0", &conv, &at, 1));
    attr_list norm = batch_norm_list(2, 1e-5);
    assert_ok(network_add(&at, network, "BatchNorm2d", "stem.1", &norm, &at, 1));
    assert_ok(network_add(&at, network, "Flatten", "flatten", NULL, &at, 1));
    attr_list linear = linear_list(18, IO_N_CLASSES, 1);
    assert_ok(network_add(&at, network, "Linear", "fc", &linear, &at, 1));
    assert_ok(crd_posterior_create(&posterior, network));
    posterior->preprocessing = (crd_preprocessing){
        .channels = 1, .crop = 5, .interpolation = CRD_BICUBIC, .mean = {0.25f}, .sd = {0.5f}};
    for (int64_t p = 0; p < network->params.n_params; p++) {
        const crd_param *param = &network->params.entries[p];
        posterior->bayesian[p] = strncmp(param->name, "stem.1", 6) != 0;
        for (int64_t i = 0; i < param->count; i++) {
            posterior->mu[param->offset + i] = (float)p + 0.01f * (float)i;
            posterior->rho[param->offset + i] = posterior->bayesian[p] ? -3 - 0.1f * (float)i : 0;
        }
    }
    if (!bells)
        return posterior;
    posterior->conversion = (crd_conversion){.prior_mu = 0.125,
                                             .prior_sigma = 0.1,
                                             .prior_kind = CRD_PRIOR_MIXTURE,
                                             .prior_scale = CRD_PRIOR_SCALE_HE,
                                             .prior_pi = 0.375,
                                             .prior_sigma2 = 0.01,
                                             .posterior_mu_init = 0.5,
                                             .posterior_rho_init = -4,
                                             .type = "flipout",
                                             .moped_enable = 1,
                                             .moped_delta = 0.2,
                                             .moped_prior = 1,
                                             .sigma_min = 1e-6,
                                             .seed = UINT64_MAX,
                                             .initial = CRD_INITIAL_IMPORTED};
    assert_ok(crd_alloc_zeroed((void **)&posterior->prior_mu, network->params.n_floats,
                               sizeof(float), "prior"));
    for (int64_t p = 0; p < network->params.n_params; p++)
        for (int64_t i = 0; posterior->bayesian[p] && i < network->params.entries[p].count; i++)
            posterior->prior_mu[network->params.entries[p].offset + i] = 0.5f * (float)i;
    assert_ok(
        crd_alloc_zeroed((void **)&posterior->classes, IO_N_CLASSES, sizeof(char *), "names"));
    for (int c = 0; c < IO_N_CLASSES; c++)
        assert_ok(crd_alloc_string(&posterior->classes[c], c == 1 ? "caf\xc3\xa9" : ""));
    return posterior;
}

static const char *const image_names[IO_N_IMAGES] = {"a.jpg", "a.jpg", "b.jpg"};
static const int64_t labels[IO_N_IMAGES] = {0, -1, 3};
const crd_prediction_meta io_meta = {.reduction = &io_reduction,
                                     .n_images = IO_N_IMAGES,
                                     .n_draws = IO_N_DRAWS,
                                     .image_names = image_names,
                                     .labels = labels,
                                     .save_draws = 1};

crd_status io_prediction_write(const char *path, int reverse)
{
    crd_status status = CRD_OK;
    crd_prediction_file *file = NULL;
    crd_summary summary = {0};
    float logits[IO_N_DRAWS][1][IO_N_CLASSES];
    CRD_TRY(crd_prediction_create(&file, path, &io_meta, &io_provenance));
    CRD_TRY(crd_summary_init(&summary, &io_reduction, 1));
    const crd_class_rows rows = crd_class_rows_view(&summary);
    for (int k = 0; k < IO_N_IMAGES; k++) {
        int n = reverse ? IO_N_IMAGES - 1 - k : k;
        for (int c = 0; c < IO_N_CLASSES; c++) {
            rows.probs_mean[c] = (float)(n + 1) / (float)(c + 2);
            rows.votes[c] = 10 * n + c;
            for (int d = 0; d < IO_N_DRAWS; d++)
                logits[d][0][c] = (float)(100 * d + 10 * n + c);
        }
        rows.predictive_entropy[0] = n;
        CRD_TRY(crd_prediction_write_summary(file, &summary, n));
        CRD_TRY(crd_prediction_write_draws(file, &logits[0][0][0], 0, IO_N_DRAWS, n, 1));
    }
    status = crd_prediction_finish(file);
    file = NULL;
cleanup:
    crd_summary_clear(&summary);
    crd_prediction_abandon(file);
    return status;
}

void io_reseal(const char *path)
{
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_ok(crd_seal_append(fd, path, NULL, 0));
    close(fd);
}

void io_copy(const char *to, const char *from)
{
    static char bytes[1 << 20];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in != NULL && out != NULL);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) > 0;)
        assert_true(fwrite(bytes, 1, n, out) == n);
    assert_int_equal(ferror(in), 0);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}
