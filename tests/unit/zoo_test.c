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

/* tests/golden/zoo_names.txt: "arch NAME TOTAL", then "NAME (SHAPE)" a parameter in torch's order.
 */
static void parameters_are_those_of_torch(void **state)
{
    (void)state;
    FILE *file = fopen(CRD_TEST_DIR "/golden/zoo_names.txt", "r");
    assert_non_null(file);
    char line[256], name[128], shape[128], text[CRD_SHAPE_TEXT_SIZE];
    crd_network *network = NULL;
    int64_t at = 0, n_archs = 0;
    assert_non_null(fgets(line, sizeof line, file)); /* which script wrote it */
    for (int more = 1; more;) {
        more = fgets(line, sizeof line, file) != NULL;
        long long total;
        if (!more || sscanf(line, "arch %127s %lld", name, &total) == 2) {
            if (network != NULL)
                assert_int_equal(at, network->params.n_params);
            crd_network_destroy(network);
            network = NULL;
            if (!more)
                break;
            assert_ok(crd_zoo_build(&network, name, 0, 0, 0));
            assert_int_equal(count_parameters(&network->params), total);
            n_archs++;
            at = 0;
        } else {
            assert_int_equal(sscanf(line, "%127s %127[^\n]", name, shape), 2);
            assert_non_null(network);
            assert_in_range(at, 0, network->params.n_params - 1);
            const crd_param *param = &network->params.entries[at++];
            assert_string_equal(param->name, name);
            /* Python writes one extent as "(64,)"; the list leaves the comma out. */
            assert_string_equal(crd_shape_text(text, &param->shape), shape);
        }
    }
    fclose(file);
    assert_int_equal(n_archs, 19);
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
        assert_ok(crd_zoo_build(&network, arch->name, 5, 47, 7));
        crd_shape expected = crd_shape_make(3, 5, 47, 47);
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
    assert_fails(crd_zoo_build(&network, "vgg16", 0, 0, 0), CRD_ERR_USAGE,
                 "lists them: resnet18, ");
    assert_fails(crd_zoo_build(&network, "", 0, 0, 0), CRD_ERR_USAGE, "lists them");
    char long_name[1000];
    memset(long_name, 'l', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_fails(crd_zoo_build(&network, long_name, 0, 0, 0), CRD_ERR_USAGE, "unknown");
    assert_fails(crd_zoo_build(&network, "lenet", 0, 11, 0), CRD_ERR_INPUT,
                 "lenet for 11x11 images of 1 channels: op 'pool2' (MaxPool2d): input (16, 1, 1)");
    assert_fails(crd_zoo_build(&network, "simple_cnn", 0, 4, 0), CRD_ERR_INPUT,
                 "input (32, 2, 2) is smaller than kernel_size (3, 3)");
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
    char path[CRD_ZOO_NAME_SIZE], long_name[CRD_ZOO_NAME_SIZE + 1];
    crd_builder b;
    memset(long_name, 'a', CRD_ZOO_NAME_SIZE);
    long_name[CRD_ZOO_NAME_SIZE] = '\0';
    crd_builder_init(&b, "long", &size);
    assert_string_equal(crd_builder_path(path, &b, "layer%d.", 3), "layer3.");
    assert_ok(b.status);
    crd_builder_path(path, &b, "%s", long_name);
    assert_fails(b.status, CRD_ERR_INPUT, "has 200 bytes, allowed are 199");
    assert_int_equal(crd_builder_simple(&b, "ReLU", "", "relu", 0), 0);
    assert_int_equal(b.network->n_ops, 1);
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
