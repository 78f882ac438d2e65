#include "crd_test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "credence/weights.h"
#include "import/gather.h"

enum { MAX_LINE = 1 << 16, MAX_PATH = 512 };

/* Memory the reader may hold beyond twice the file. */
static const int64_t spare_bytes = 64 << 20;

static const char *golden_path(char out[MAX_PATH], const char *name, const char *ending)
{
    snprintf(out, MAX_PATH, "%s/golden/weights/%s%s", CRD_TEST_DIR, name, ending);
    return out;
}

/* One line of a .expected file: name, extents, bits. */
static void check_param(const crd_params *params, char *line)
{
    char *rest, *name = strtok_r(line, " \n", &rest), *extents = strtok_r(NULL, " \n", &rest);
    int64_t index = crd_params_find(params, name);
    assert_true(index >= 0);
    const crd_param *entry = &params->entries[index];
    assert_string_equal(entry->name, name);
    int n_dims = 0;
    if (strcmp(extents, "-") != 0)
        for (char *at = extents; *at != '\0'; at += *at == ',')
            assert_int_equal(strtoll(at, &at, 10), entry->shape.dims[n_dims++]);
    assert_int_equal(n_dims, entry->shape.n_dims);
    for (int64_t i = 0; i < entry->count; i++) {
        const char *bits = strtok_r(NULL, " \n", &rest);
        uint32_t got;
        memcpy(&got, crd_params_view(params, index) + i, sizeof got);
        assert_non_null(bits);
        if (got != (uint32_t)strtoul(bits, NULL, 16))
            fail_msg("%s[%lld]: %08x, expected %s", name, (long long)i, (unsigned)got, bits);
    }
    assert_null(strtok_r(NULL, " \n", &rest));
}

static void files_of_torch_are_read_to_the_bit(void **state)
{
    (void)state;
    static const char *const names[] = {"dtypes",
                                        "views",
                                        "network",
                                        "protocol4",
                                        "parameters",
                                        "parallel",
                                        "mixed_prefix",
                                        "checkpoint_model",
                                        "checkpoint_state_dict",
                                        "tied",
                                        "torch2",
                                        "checkpoint_model_state_dict",
                                        "checkpoint_protocol4",
                                        "stacked",
                                        "stacked_protocol4",
                                        "not_tensors",
                                        "t2_plain",
                                        "t2_stacked",
                                        "t2_no_crc",
                                        "t2_objects2",
                                        "t2_objects4",
                                        "t2_objects5",
                                        "t2_averaged",
                                        "t2_ema_only",
                                        "t2_compiled",
                                        "t2_parallel_compiled",
                                        "t2_parameter_with_state",
                                        "t2_half",
                                        "t2_mixed"};
    static char line[MAX_LINE];
    char path[MAX_PATH];
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        crd_state_dict dict;
        assert_ok(crd_state_dict_read(&dict, golden_path(path, names[k], ".pth"), NULL));
        FILE *file = fopen(golden_path(path, names[k], ".expected"), "r");
        assert_non_null(file);
        int64_t n = 0;
        while (fgets(line, sizeof line, file) != NULL)
            check_param(&dict.params, line), n++;
        fclose(file);
        assert_int_equal(n, dict.params.n_params);
        crd_state_dict_clear(&dict);
    }
}

static void assert_refused(const char *path, const char *text)
{
    crd_state_dict dict;
    int64_t before = crd_alloc_bytes();
    crd_status status = crd_state_dict_read(&dict, path, NULL);
    const char *message = crd_status_message();
    if (status != CRD_ERR_INPUT || strstr(message, text) == NULL || strstr(message, path) == NULL)
        fail_msg("%s: status %d, message '%s', expected '%s'", path, (int)status, message, text);
    for (const char *c = message; *c != '\0'; c++)
        assert_in_range(*c, ' ', '~');
    assert_null(dict.params.data);
    assert_int_equal(dict.params.n_params, 0);
    assert_int_equal(crd_alloc_bytes(), before);
}

static void other_things_of_torch_are_refused_with_advice(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"module", "save model.state_dict() instead"},
        {"script", "save module.state_dict() instead"},
        {"tensor", "holds a tensor, not a dict"},
        {"list", "holds a list, not a dict"},
        {"integers", "no floating-point tensor"},
        {"nothing", "the state dict is empty"},
        {"rank9", "w: 9 dimensions"},
        {"big_endian", "big-endian"},
        {"odd_endian", "member byteorder"},
        {"t2_module", "whole module (torch.nn.modules.container.Sequential)"},
        {"t2_module_inside", "model: holds a whole module"},
        {"t2_quantized", "w: is made by torch._utils._rebuild_qtensor"},
        {"t2_sparse", "w: is made by torch._utils._rebuild_sparse_tensor"},
    };
    char path[MAX_PATH];
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        assert_refused(golden_path(path, cases[k][0], ".pth"), cases[k][1]);
    assert_refused("no/such/file.pth", "No such file");
    assert_refused("/", "is a folder, not a file");
}

/* The averages' weights are twice those beside. */
static void a_key_chooses_among_state_dicts(void **state)
{
    (void)state;
    char path[MAX_PATH];
    crd_state_dict last, average;
    golden_path(path, "t2_objects4", ".pth");
    assert_ok(crd_state_dict_read(&last, path, "model"));
    assert_ok(crd_state_dict_read(&average, path, "model_ema"));
    assert_int_equal(last.params.n_params, average.params.n_params);
    assert_string_equal(last.params.entries[0].name, average.params.entries[0].name);
    for (int64_t i = 0; i < last.params.n_floats; i++)
        assert_true(average.params.data[i] == 2 * last.params.data[i]);
    crd_state_dict_clear(&last);
    crd_state_dict_clear(&average);
    assert_fails(crd_state_dict_read(&last, path, "args"), CRD_ERR_INPUT, "no dict under 'args'");
    assert_fails(crd_state_dict_read(&last, path, "none"), CRD_ERR_INPUT, "no dict under 'none'");
    golden_path(path, "t2_mixed", ".pth");
    assert_fails(crd_state_dict_read(&last, path, "model"), CRD_ERR_INPUT, "one state dict");
}

/* A state dict of zeros with a network's names and shapes, all behind `prefix`, and one more tensor
 * unless `more` is NULL. */
static void make_dict(crd_state_dict *out, const crd_network *network, const char *prefix,
                      const char *more)
{
    char name[MAX_PATH];
    *out = (crd_state_dict){0};
    for (int64_t i = 0; i < network->params.n_params; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, network->params.entries[i].name);
        assert_ok(crd_params_add(NULL, &out->params, name, &network->params.entries[i].shape));
    }
    if (more != NULL)
        assert_ok(crd_params_add(NULL, &out->params, more, &(crd_shape){0}));
    assert_ok(crd_params_allocate(&out->params));
}

static void prefixes_are_found_by_what_fits(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"", NULL, ""},
        {"model.", NULL, "model."},
        {"model.", "loss.weight", "model."},
        {"a.b.", "n", "a.b."},
        {"encoder_q.", "conv1.weight", "encoder_q."},
        {"fc.", "x.fc.bias", "fc."},
    };
    crd_network *network;
    assert_ok(crd_zoo_build(&network, "cifar_resnet8", 1, 28, 4));
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        crd_state_dict dict;
        crd_state_fit fit;
        make_dict(&dict, network, cases[k][0], cases[k][1]);
        assert_ok(crd_state_dict_fit(&fit, &dict, network));
        assert_int_equal(crd_state_fit_faults(&fit), 0);
        assert_string_equal(fit.prefix, cases[k][2]);
        assert_int_equal(fit.n_beside, cases[k][1] != NULL);
        crd_state_dict_keep(&dict, fit.prefix, NULL);
        assert_int_equal(dict.params.n_params, network->params.n_params);
        assert_int_equal(crd_params_find(&dict.params, "conv1.weight"), 0);
        crd_state_dict_clear(&dict);
    }
    crd_network_destroy(network);
}

static void misfits_are_counted_and_named(void **state)
{
    (void)state;
    crd_network *network, *other;
    crd_state_dict dict;
    crd_state_fit fit;
    const crd_arch *nearest;
    char text[CRD_STATE_TEXT_SIZE];
    assert_ok(crd_zoo_build(&network, "cifar_resnet8", 1, 28, 4));
    assert_ok(crd_zoo_build(&other, "cifar_resnet14", 1, 28, 9));
    make_dict(&dict, other, "", "extra");
    assert_ok(crd_state_dict_fit(&fit, &dict, network));
    assert_int_equal(fit.n_missing, 0);
    assert_int_equal(fit.n_misshaped, 2); /* of the head: 9 classes for 4 */
    assert_int_equal(fit.n_unexpected, 1 + other->params.n_params - network->params.n_params);
    assert_non_null(strstr(crd_state_fit_text(text, &fit), "(9, 64), needed is (4, 64)"));
    assert_ok(crd_state_dict_fit(&fit, &dict, other));
    assert_int_equal(crd_state_fit_faults(&fit), 1);
    assert_string_equal(fit.unexpected, "extra");
    assert_ok(crd_state_dict_guess(&nearest, &fit, &dict, 28));
    assert_string_equal(nearest->name, "cifar_resnet14");
    crd_network_destroy(other);
    assert_ok(crd_state_dict_network(&other, &dict, "cifar_resnet14", 28));
    assert_int_equal(crd_network_input_shape(other)->dims[0], 1);
    assert_int_equal(other->params.entries[other->params.n_params - 1].shape.dims[0], 9);
    crd_state_dict_clear(&dict);
    make_dict(&dict, network, "", NULL);
    char wanted[] = "bn1.weight";
    crd_state_other int8 = {.name = wanted, .type = "int8"};
    snprintf(dict.params.entries[crd_params_find(&dict.params, "bn1.weight")].name, 11,
             "xn1.weight");
    dict.others = &int8;
    dict.n_others = 1;
    assert_ok(crd_state_dict_fit(&fit, &dict, network));
    assert_non_null(
        strstr(crd_state_fit_text(text, &fit),
               "1 missing, the first is bn1.weight (there as int8, which is not read); 1 "
               "that it does not have, the first is xn1.weight"));
    dict.others = NULL;
    dict.n_others = 0;
    crd_state_dict_clear(&dict);
    crd_network_destroy(other);
    crd_network_destroy(network);
}

/* Every architecture must be told from all others by its names and shapes. */
static void every_architecture_is_found_again(void **state)
{
    (void)state;
    for (int64_t i = 0; crd_zoo_get(i) != NULL; i++) {
        crd_network *network;
        crd_state_dict dict;
        crd_state_fit fit;
        const crd_arch *arch = crd_zoo_get(i), *found;
        assert_ok(crd_zoo_build(&network, arch->name, 0, 0, 7));
        dict = (crd_state_dict){.params = network->params}; /* names and shapes are all it takes */
        assert_ok(crd_state_dict_guess(&found, &fit, &dict, 0));
        assert_string_equal(found->name, arch->name);
        assert_int_equal(crd_state_fit_faults(&fit), 0);
        crd_network_destroy(network);
    }
}

/* Heads that only training runs may be there or not; they do not get into a posterior. */
static void heads_of_training_are_passed_over(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(1, 4);
    crd_network *network;
    crd_state_dict dict = {0};
    crd_state_fit fit;
    const crd_arch *found;
    assert_ok(crd_zoo_build(&network, "googlenet", 0, 0, 0));
    crd_params_init(&dict.params);
    for (int64_t i = 0; i < network->params.n_params; i++)
        assert_ok(crd_params_add(NULL, &dict.params, network->params.entries[i].name,
                                 &network->params.entries[i].shape));
    assert_ok(crd_params_add(NULL, &dict.params, "aux1.fc1.bias", &shape));
    assert_ok(crd_params_add(NULL, &dict.params, "aux2.fc1.bias", &shape));
    assert_ok(crd_state_dict_guess(&found, &fit, &dict, 0));
    assert_string_equal(found->name, "googlenet");
    assert_int_equal(crd_state_fit_faults(&fit), 0);
    assert_int_equal(fit.n_beside, 2);
    crd_state_dict_keep(&dict, fit.prefix, found);
    assert_int_equal(dict.params.n_params, network->params.n_params);
    /* Of another architecture they are too much. */
    assert_ok(crd_params_add(NULL, &dict.params, "aux3.fc1.bias", &shape));
    assert_ok(crd_state_dict_fit(&fit, &dict, network));
    assert_int_equal(fit.n_unexpected, 1);
    crd_state_dict_clear(&dict);
    crd_network_destroy(network);
}

/* What is written as safetensors is read again, and becomes the same posterior. */
static void an_exported_posterior_comes_back(void **state)
{
    (void)state;
    static const char *const globs[] = {"conv1", "fc*"};
    char path[] = "/tmp/credence-export-XXXXXX";
    crd_network *network;
    crd_params weights;
    crd_posterior *first, *second;
    crd_state_dict dict;
    crd_state_fit fit;
    crd_conversion conversion = crd_conversion_defaults();
    conversion.moped_enable = 1;
    assert_ok(crd_zoo_build(&network, "cifar_resnet8", 1, 28, 4));
    assert_ok(crd_zoo_initial_weights(&weights, network, 5));
    assert_ok(crd_posterior_convert(&first, network, &weights, &conversion, globs, 1));
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_ok(crd_state_dict_export(fd, first, CRD_STATE_SAFETENSORS, path));
    close(fd);
    assert_ok(crd_state_dict_read(&dict, path, NULL));
    assert_true(crd_params_find(&dict.params, "conv1.mu_kernel") >= 0);
    assert_true(crd_params_find(&dict.params, "bn1.running_var") >= 0);
    assert_string_equal(dict.others[0].name, "bn1.num_batches_tracked");
    assert_string_equal(dict.others[0].type, "int64");
    assert_ok(crd_zoo_build(&network, "cifar_resnet8", 1, 28, 4));
    assert_ok(crd_state_dict_fit(&fit, &dict, network));
    assert_int_equal(crd_state_fit_faults(&fit), 0);
    assert_ok(crd_posterior_convert(&second, network, &dict.params, &conversion, globs, 0));
    assert_int_equal(second->conversion.initial, CRD_INITIAL_IMPORTED);
    assert_int_equal(second->conversion.moped_enable, 0);
    size_t n = (size_t)network->params.n_floats * sizeof(float);
    assert_memory_equal(second->mu, first->mu, n);
    assert_memory_equal(second->rho, first->rho, n);
    assert_memory_equal(second->bayesian, first->bayesian, (size_t)network->params.n_params);
    fd = open("/dev/full", O_WRONLY);
    assert_fails(crd_state_dict_export(fd, first, CRD_STATE_NPZ, "x.npz"), CRD_ERR_IO,
                 "x.npz: cannot");
    close(fd);
    unlink(path);
    crd_state_dict_clear(&dict);
    crd_params_clear(&weights);
    crd_posterior_destroy(first);
    crd_posterior_destroy(second);
}

/* A token has no module. What a network makes by itself is no weight of it. */
static void parameters_and_buffers_of_a_module(void **state)
{
    (void)state;
    static const char *const names[] = {"class_token", "attn.bias_table",
                                        "attn.relative_coords_table"};
    static const char *const none[] = {NULL};
    const crd_attr attrs[] = {CRD_ATTR("shape", 1, 3, 2), CRD_ATTR("dim", 2), CRD_ATTR_END};
    const crd_shape shape = crd_shape_make(3, 2, 3, 1);
    char path[] = "/tmp/credence-export-XXXXXX";
    const crd_conversion conversion = crd_conversion_defaults();
    crd_network *network;
    crd_params weights;
    crd_posterior *posterior;
    crd_state_dict dict;
    assert_ok(crd_network_create(&network, "test", &shape));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_ok(crd_network_add(NULL, network,
                                  &(crd_op_request){"Parameter", names[i], attrs, NULL, 0}));
    assert_ok(crd_zoo_initial_weights(&weights, network, 5));
    assert_ok(crd_posterior_convert(&posterior, network, &weights, &conversion, none, 0));
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_ok(crd_state_dict_export(fd, posterior, CRD_STATE_SAFETENSORS, path));
    close(fd);
    assert_ok(crd_state_dict_read(&dict, path, NULL));
    assert_int_equal(dict.params.n_params, 2);
    assert_true(crd_params_find(&dict.params, "class_token") >= 0);
    assert_true(crd_params_find(&dict.params, "attn.bias_table") >= 0);
    assert_string_equal(dict.others[0].name, "attn.relative_coords_table");
    unlink(path);
    crd_state_dict_clear(&dict);
    crd_params_clear(&weights);
    crd_posterior_destroy(posterior);
}

static void hostile_files_are_refused_by_name(void **state)
{
    (void)state;
    char path[MAX_PATH], line[MAX_PATH];
    FILE *list = fopen(CRD_HOSTILE_DIR "/list.txt", "r");
    assert_non_null(list); /* made by the test unit.import_files */
    int n = 0;
    for (; fgets(line, sizeof line, list) != NULL; n++) {
        char *rest, *name = strtok_r(line, "\t\n", &rest), *text = strtok_r(NULL, "\t\n", &rest);
        snprintf(path, sizeof path, "%s/%s.pth", CRD_HOSTILE_DIR, name);
        if (strcmp(text, "OK") == 0) {
            crd_state_dict dict;
            assert_ok(crd_state_dict_read(&dict, path, NULL));
            for (int i = 0; i < 6; i++)
                assert_true(crd_params_view(&dict.params, 0)[i] == (float)(i + 1));
            crd_state_dict_clear(&dict);
        } else {
            assert_refused(path, text);
        }
    }
    fclose(list);
    assert_true(n > 400);
    /* No file of this program is larger than 6.1 MB. */
    assert_true(crd_alloc_peak_bytes() <= spare_bytes + 2 * 6100000);
}

/* A small file in memory, and what is read from it. */
typedef struct original {
    char bytes[8192];
    size_t n_bytes;
    crd_state_dict dict;
    char copy_path[MAX_PATH];
} original;

static void original_init(original *o)
{
    char path[MAX_PATH];
    FILE *file = fopen(golden_path(path, "network", ".pth"), "rb");
    assert_non_null(file);
    o->n_bytes = fread(o->bytes, 1, sizeof o->bytes, file);
    fclose(file);
    assert_in_range(o->n_bytes, 1000, sizeof o->bytes - 1);
    assert_ok(crd_state_dict_read(&o->dict, path, NULL));
    snprintf(o->copy_path, sizeof o->copy_path, "%s/damaged.pth", CRD_HOSTILE_DIR);
}

static void original_clear(original *o)
{
    crd_state_dict_clear(&o->dict);
    unlink(o->copy_path);
}

/* Writes the first n bytes, reads them, and returns the status; values that are read must be true. */
static crd_status read_copy(const original *o, size_t n)
{
    FILE *file = fopen(o->copy_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(o->bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    crd_state_dict dict;
    const crd_params *params = &dict.params, *true_ones = &o->dict.params;
    crd_status status = crd_state_dict_read(&dict, o->copy_path, NULL);
    assert_int_equal(params->n_floats, status == CRD_OK ? true_ones->n_floats : 0);
    assert_int_equal(params->n_params, status == CRD_OK ? true_ones->n_params : 0);
    for (int64_t i = 0; i < params->n_params; i++) {
        assert_string_equal(params->entries[i].name, true_ones->entries[i].name);
        assert_true(crd_shape_equal(&params->entries[i].shape, &true_ones->entries[i].shape));
    }
    if (status == CRD_OK)
        assert_memory_equal(params->data, true_ones->data,
                            (size_t)params->n_floats * sizeof *params->data);
    crd_state_dict_clear(&dict);
    return status;
}

static void truncated_files_are_refused_at_every_length(void **state)
{
    (void)state;
    static original o;
    original_init(&o);
    for (size_t n = 0; n < o.n_bytes; n++)
        assert_int_equal(read_copy(&o, n), CRD_ERR_INPUT);
    assert_int_equal(read_copy(&o, o.n_bytes), CRD_OK);
    original_clear(&o);
}

static void flipped_bytes_never_change_a_value(void **state)
{
    (void)state;
    static original o;
    original_init(&o);
    int n_refused = 0;
    for (size_t i = 0; i < o.n_bytes; i++) {
        char kept = o.bytes[i];
        /* Every byte, one bit of it; which one goes round with the position. */
        o.bytes[i] = (char)(kept ^ (1 << i % 8));
        crd_status status = read_copy(&o, o.n_bytes);
        assert_true(status == CRD_OK || status == CRD_ERR_INPUT);
        n_refused += status != CRD_OK;
        o.bytes[i] = kept;
    }
    assert_true(n_refused > 1000); /* the rest are times, paddings and the data of unused members */
    original_clear(&o);
}

/* Any cut of a storage into pieces must give what indexing gives. */
static void views_are_gathered_across_pieces(void **state)
{
    (void)state;
    static const crd_torch_view views[] = {
        {CRD_TORCH_FLOAT32, {3, {4, 5, 6}}, {30, 6, 1}, 0},
        {CRD_TORCH_FLOAT32, {2, {6, 20}}, {1, 6}, 0},
        {CRD_TORCH_FLOAT32, {3, {6, 5, 4}}, {1, 6, 30}, 0},
        {CRD_TORCH_FLOAT32, {3, {2, 3, 2}}, {60, 12, 5}, 7},
        {CRD_TORCH_FLOAT32, {2, {3, 4}}, {7, 0}, 90},
        {CRD_TORCH_FLOAT32, {2, {3, 4}}, {0, 7}, 90},
        {CRD_TORCH_FLOAT32, {1, {1}}, {119}, 119},
        {CRD_TORCH_FLOAT32, {0, {0}}, {0}, 77},
        {CRD_TORCH_FLOAT32, {2, {0, 3}}, {3, 1}, 120},
        {CRD_TORCH_FLOAT32, {2, {3, 0}}, {3, 1}, 120},
    };
    float storage[120], out[120];
    for (int i = 0; i < 120; i++)
        storage[i] = (float)i;
    for (size_t k = 0; k < sizeof views / sizeof *views; k++) {
        assert_ok(crd_torch_view_check(&views[k], 120));
        crd_torch_view simple = views[k];
        crd_torch_view_simplify(&simple);
        int64_t count = crd_shape_count(&views[k].shape);
        for (int64_t piece = 1; piece <= 120; piece++) {
            memset(out, 0xff, sizeof out);
            for (int64_t first = 0; first < 120; first += piece)
                crd_torch_view_gather(out, &simple, storage + first, first,
                                      first + piece < 120 ? piece : 120 - first);
            for (int64_t i = 0; i < count; i++) {
                int64_t at = views[k].offset, rest = i;
                for (int d = views[k].shape.n_dims - 1; d >= 0; d--) {
                    at += rest % views[k].shape.dims[d] * views[k].strides[d];
                    rest /= views[k].shape.dims[d];
                }
                assert_true(out[i] == storage[at]);
            }
        }
    }
    crd_torch_view contiguous = views[0];
    crd_torch_view_simplify(&contiguous);
    assert_int_equal(contiguous.shape.n_dims, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_torch_are_read_to_the_bit),
        cmocka_unit_test(other_things_of_torch_are_refused_with_advice),
        cmocka_unit_test(parameters_and_buffers_of_a_module),
        cmocka_unit_test(hostile_files_are_refused_by_name),
        cmocka_unit_test(a_key_chooses_among_state_dicts),
        cmocka_unit_test(prefixes_are_found_by_what_fits),
        cmocka_unit_test(misfits_are_counted_and_named),
        cmocka_unit_test(every_architecture_is_found_again),
        cmocka_unit_test(heads_of_training_are_passed_over),
        cmocka_unit_test(an_exported_posterior_comes_back),
        cmocka_unit_test(truncated_files_are_refused_at_every_length),
        cmocka_unit_test(flipped_bytes_never_change_a_value),
        cmocka_unit_test(views_are_gathered_across_pieces),
    };
    return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
