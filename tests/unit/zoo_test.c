#include "crd_test.h"

#include "credence/zoo.h"
#include "zoo/builder.h"

/* Trainable parameters: running statistics are none. */
static int64_t count_parameters(const crd_params *params)
{
    int64_t count = 0;
    for (int64_t i = 0; i < params->n_params; i++)
        if (strstr(params->entries[i].name, ".running_") == NULL)
            count += params->entries[i].count;
    return count;
}

/* 64-bit FNV-1a. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001B3;
    return hash;
}

/* tests/golden/zoo_names.txt: "arch NAME PARAMETERS TENSORS HASH", the hash over lines "NAME
 * (SHAPE)" in torch's order, or the order of a pass where that is another one. */
static void parameters_are_those_of_torch(void **state)
{
    (void)state;
    FILE *file = fopen(CRD_TEST_DIR "/golden/zoo_names.txt", "r");
    assert_non_null(file);
    char line[256], name[128], shape[CRD_SHAPE_TEXT_SIZE], found[320], expected[320];
    long long total, n_tensors;
    unsigned long long hash;
    int64_t n_archs = 0;
    assert_non_null(fgets(line, sizeof line, file)); /* which script wrote it */
    for (; fscanf(file, " arch %127s %lld %lld %llx", name, &total, &n_tensors, &hash) == 4;
         n_archs++) {
        crd_network *network;
        uint64_t own = 0xCBF29CE484222325;
        assert_ok(crd_zoo_build(&network, name, 0, 0, 0));
        for (int64_t i = 0; i < network->params.n_params; i++) {
            const crd_param *param = &network->params.entries[i];
            snprintf(found, sizeof found, "%s %s\n", param->name,
                     crd_shape_text(shape, &param->shape));
            own = hash_text(own, found);
        }
        snprintf(found, sizeof found, "%s %lld %lld %llx", name,
                 (long long)count_parameters(&network->params), (long long)network->params.n_params,
                 (unsigned long long)own);
        snprintf(expected, sizeof expected, "%s %lld %lld %llx", name, total, n_tensors, hash);
        assert_string_equal(found, expected);
        crd_network_destroy(network);
    }
    assert_true(feof(file));
    fclose(file);
    assert_true(n_archs > 0);
    assert_null(crd_zoo_get(n_archs));
}

static void totals_are_the_published_ones(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t n_parameters, macs;
    } cases[] = {{"resnet18", 11689512, 1814073344}, {"resnet50", 25557032, 4089184256}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        crd_network *network;
        assert_ok(crd_zoo_build(&network, cases[i].name, 0, 0, 0));
        assert_int_equal(count_parameters(&network->params), cases[i].n_parameters);
        assert_int_equal(crd_network_macs(network), cases[i].macs);
        crd_network_destroy(network);
    }
}

static void every_graph_survives_its_json(void **state)
{
    (void)state;
    const crd_arch *arch;
    for (int64_t i = 0; (arch = crd_zoo_get(i)) != NULL; i++) {
        crd_network *network, *back;
        char *text, *text_back;
        assert_ptr_equal(crd_zoo_find(arch->name), arch);
        assert_ok(crd_zoo_build(&network, arch->name, 0, 0, 0));
        assert_ok(crd_network_to_json(&text, network));
        assert_ok(crd_network_from_json(&back, text));
        assert_ok(crd_network_to_json(&text_back, back));
        assert_string_equal(text, text_back);
        assert_int_equal(network->params.n_floats, back->params.n_floats);
        crd_network_text_free(text);
        crd_network_text_free(text_back);
        crd_network_destroy(network);
        crd_network_destroy(back);
    }
}

static void sizes_can_be_chosen(void **state)
{
    (void)state;
    const crd_arch *arch;
    for (int64_t i = 0; (arch = crd_zoo_get(i)) != NULL; i++) {
        crd_network *network;
        int64_t size = arch->image_size > 64 ? 97 : 47;
        if (strstr(arch->name, "vit_") != NULL) /* whole patches, and whole windows of MaxViT */
            size = arch->image_size;
        assert_ok(crd_zoo_build(&network, arch->name, 5, size, 7));
        crd_shape expected = crd_shape_make(3, 5, size, size);
        assert_true(crd_shape_equal(crd_network_input_shape(network), &expected));
        assert_int_equal(crd_network_n_outputs(network), 7);
        crd_network_destroy(network);
    }
}

static void impossible_requests_say_what_is_wrong(void **state)
{
    (void)state;
    crd_network *network;
    assert_fails(crd_zoo_build(&network, "resnet19", 0, 0, 0), CRD_ERR_USAGE,
                 "unknown architecture 'resnet19'; did you mean resnet18?");
    assert_fails(crd_zoo_build(&network, "ResNeXt50", 0, 0, 0), CRD_ERR_USAGE, "mean resnet50?");
    assert_fails(crd_zoo_build(&network, "ResNet18", 0, 0, 0), CRD_ERR_USAGE, "mean resnet18?");
    assert_fails(crd_zoo_build(&network, "bert", 0, 0, 0), CRD_ERR_USAGE,
                 "unknown architecture 'bert'; `credence models` lists all");
    assert_fails(crd_zoo_build(&network, "", 0, 0, 0), CRD_ERR_USAGE, "lists all");
    char long_name[1000];
    memset(long_name, 'l', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_fails(crd_zoo_build(&network, long_name, 0, 0, 0), CRD_ERR_USAGE, "unknown");
    assert_fails(crd_zoo_build(&network, "lenet", 0, 11, 0), CRD_ERR_INPUT,
                 "lenet for 11x11 images of 1 channels: op 'pool2' (MaxPool2d): input (16, 1, 1)");
    assert_fails(crd_zoo_build(&network, "simple_cnn", 0, 4, 0), CRD_ERR_INPUT,
                 "input (32, 2, 2) is smaller than kernel_size (3, 3)");
    assert_fails(crd_zoo_build(&network, "vit_b_16", 0, 97, 0), CRD_ERR_INPUT,
                 "vit_b_16 for 97x97 images of 3 channels: image size 97, needed is a multiple");
    assert_fails(crd_zoo_build(&network, "maxvit_t", 0, 96, 0), CRD_ERR_INPUT,
                 "op 'blocks.0.layers.0.layers.window_attention.attn_layer.1.attention'");
    assert_fails(crd_zoo_build(&network, "resnet18", -1, 0, 0), CRD_ERR_INPUT, "(-1, 224, 224)");
    assert_fails(crd_zoo_build(&network, "resnet18", 0, 0, -2), CRD_ERR_INPUT,
                 "out_features is -2");
    assert_fails(crd_zoo_build(&network, "resnet18", 0, INT64_MAX, 0), CRD_ERR_INPUT, "elements");
    assert_null(network);
    assert_null(crd_zoo_find("resnet"));
    assert_null(crd_zoo_get(1000));
}

/* A name is not cut: whatever is built after it is not built. */
static void a_path_that_is_too_long_is_a_fault(void **state)
{
    (void)state;
    const crd_zoo_size size = {3, 8, 10};
    char long_name[CRD_ZOO_NAME_SIZE];
    crd_builder b;
    memset(long_name, 'a', CRD_ZOO_NAME_SIZE - 1);
    long_name[CRD_ZOO_NAME_SIZE - 1] = '\0';
    crd_builder_init(&b, "long", &size);
    size_t outside = crd_builder_enter(&b, "layer%d", 3);
    assert_string_equal(b.prefix, "layer3.");
    crd_builder_simple(&b, 0, "ReLU", "relu%d", 1);
    assert_ok(b.status);
    assert_string_equal(crd_network_op_name(b.network, 1), "layer3.relu1");
    crd_builder_simple(&b, 0, "ReLU", "%s", long_name);
    assert_fails(b.status, CRD_ERR_INPUT, "has 206 bytes, allowed are 199");
    crd_builder_leave(&b, outside);
    assert_int_equal(crd_builder_simple(&b, 0, "ReLU", "relu"), 0);
    assert_int_equal(b.network->n_ops, 2);
    crd_network_destroy(b.network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_those_of_torch),
        cmocka_unit_test(totals_are_the_published_ones),
        cmocka_unit_test(every_graph_survives_its_json),
        cmocka_unit_test(sizes_can_be_chosen),
        cmocka_unit_test(impossible_requests_say_what_is_wrong),
        cmocka_unit_test(a_path_that_is_too_long_is_a_fault),
    };
    return cmocka_run_group_tests_name("zoo", tests, NULL, NULL);
}
