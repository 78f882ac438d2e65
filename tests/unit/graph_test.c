#include "crd_test.h"

#include "credence/network.h"

static crd_attrs conv_attrs(int64_t in_channels, int64_t out_channels, int64_t kernel_size)
{
    return (crd_attrs){
        .conv2d = {
            in_channels, out_channels, {kernel_size, kernel_size}, {1, 1}, {0, 0}, {1, 1}, 1, 0}};
}

/* input (2, 6, 5) -> c (Conv2d) -> b (BatchNorm2d) -> r (ReLU) -> f (Flatten) -> l (Linear). */
static crd_network *make_network(void)
{
    crd_network *network;
    crd_shape input = crd_shape_make(3, 2, 6, 5);
    crd_attrs conv = conv_attrs(2, 4, 3), linear = {.linear = {48, 3, 1}};
    crd_attrs norm = {.batch_norm2d = {4, 1e-5, 0.1}};
    int64_t x = 0;
    assert_ok(crd_network_create(&network, "tiny", &input));
    assert_ok(crd_network_add(&x, network, "Conv2d", "c", &conv, &x, 1));
    assert_ok(crd_network_add(&x, network, "BatchNorm2d", "b", &norm, &x, 1));
    assert_ok(crd_network_add(&x, network, "ReLU", "r", NULL, &x, 1));
    assert_ok(crd_network_add(&x, network, "Flatten", "f", NULL, &x, 1));
    assert_ok(crd_network_add(&x, network, "Linear", "l", &linear, &x, 1));
    assert_int_equal(x, 5);
    return network;
}

static void network_knows_shapes_and_parameters(void **state)
{
    (void)state;
    static const char *const names[] = {"c.weight",      "b.weight", "b.bias", "b.running_mean",
                                        "b.running_var", "l.weight", "l.bias"};
    static const char *const shapes[] = {"(4, 2, 3, 3)", "(4)",     "(4)", "(4)",
                                         "(4)",          "(3, 48)", "(3)"};
    crd_network *network = make_network();
    char text[CRD_SHAPE_TEXT_SIZE];
    assert_int_equal(network->params.n_params, 7);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(network->params.entries[i].name, names[i]);
        assert_string_equal(crd_shape_text(text, &network->params.entries[i].shape), shapes[i]);
    }
    assert_string_equal(crd_shape_text(text, crd_network_input_shape(network)), "(2, 6, 5)");
    assert_string_equal(crd_shape_text(text, &network->nodes[3].shape), "(4, 4, 3)");
    assert_int_equal(crd_network_n_outputs(network), 3);
    assert_int_equal(crd_network_macs(network), 4 * 2 * 9 * 12 + 48 * 3);
    assert_string_equal(crd_node_kind(&network->nodes[0]), "Input");
    assert_int_equal(crd_node_is_weighted(&network->nodes[1]), 1);
    assert_int_equal(crd_node_is_weighted(&network->nodes[2]), 0);
    assert_null(network->params.data);
    crd_network_destroy(network);
}

static void batch_norm_folds_into_its_only_producer(void **state)
{
    (void)state;
    crd_network *network = make_network();
    crd_attrs norm = {.batch_norm2d = {4, 1e-5, 0.1}};
    int64_t conv = 1, relu = 3, norm_after_relu;
    assert_int_equal(crd_network_fold_target(network, 2), 1);
    assert_int_equal(crd_network_fold_target(network, 1), -1);
    assert_int_equal(crd_network_fold_target(network, 3), -1);
    assert_ok(crd_network_add(&norm_after_relu, network, "BatchNorm2d", "b2", &norm, &relu, 1));
    assert_int_equal(crd_network_fold_target(network, norm_after_relu), -1);
    assert_ok(crd_network_add(NULL, network, "ReLU", "second_reader", NULL, &conv, 1));
    assert_int_equal(crd_network_fold_target(network, 2), -1);
    crd_network_destroy(network);
}

/* What is refused leaves the network as it was. */
static void wrong_nodes_are_refused(void **state)
{
    (void)state;
    crd_network *network = make_network();
    int64_t image = 3, flat = 4, late = 6;
    crd_attrs conv = conv_attrs(4, 4, 3), bad = conv;
    int64_t n_params = network->params.n_params, n_floats = network->params.n_floats;
#define REFUSED(kind, name, attrs, inputs, n, text)                                                \
    assert_fails(crd_network_add(NULL, network, kind, name, attrs, inputs, n), CRD_ERR_INPUT, text)
    REFUSED("Conv3d", "x", &conv, &image, 1, "node 'x': unknown kind 'Conv3d'");
    REFUSED("Input", "x", NULL, NULL, 0, "node 'x': unknown kind 'Input'");
    REFUSED("ReLU", "c", NULL, &image, 1, "node 'c': the name is there twice");
    REFUSED("ReLU", "", NULL, &image, 1, "1 to 200");
    REFUSED("ReLU", "a/b", NULL, &image, 1, "letters, digits");
    REFUSED("ReLU", "a..b", NULL, &image, 1, "empty part");
    REFUSED("ReLU", ".a", NULL, &image, 1, "empty part");
    REFUSED("ReLU", "x", NULL, &late, 1, "node 'x' (ReLU): inputs[0] is 6, allowed are 0 to 5");
    REFUSED("ReLU", "x", NULL, (int64_t[]){-1}, 1, "inputs[0] is -1");
    REFUSED("Add", "x", NULL, &image, 1, "has 1 inputs, needed are 2");
    REFUSED("Add", "x", NULL, ((int64_t[]){2, 0}), 2, "shapes (4, 4, 3) and (2, 6, 5)");
    REFUSED("Conv2d", "x", NULL, &image, 1, "in_channels is 0");
    REFUSED("Conv2d", "x", &conv, &flat, 1, "input has shape (48)");
    bad.conv2d.stride[1] = 0;
    REFUSED("Conv2d", "x", &bad, &image, 1, "stride[1] is 0, allowed are 1 to 65536");
    bad = conv;
    bad.conv2d.padding[0] = -1;
    REFUSED("Conv2d", "x", &bad, &image, 1, "padding[0] is -1");
    bad = conv;
    bad.conv2d.groups = 3;
    REFUSED("Conv2d", "x", &bad, &image, 1, "groups is 3");
    bad = conv_attrs(5, 4, 3);
    REFUSED("Conv2d", "x", &bad, &image, 1, "in_channels is 5, but its input has 4");
    bad = conv_attrs(4, 4, 5);
    REFUSED("Conv2d", "x", &bad, &image, 1, "input (4, 4, 3) is smaller than kernel_size (5, 5)");
    bad = conv;
    bad.conv2d.out_channels = INT32_MAX;
    REFUSED("Conv2d", "x", &bad, &image, 1, "allowed are 1 to 2147483647 elements");
    bad = (crd_attrs){.batch_norm2d = {3, 1e-5, 0.1}};
    REFUSED("BatchNorm2d", "x", &bad, &image, 1, "num_features is 3");
    bad = (crd_attrs){.batch_norm2d = {4, -1, 0.1}};
    REFUSED("BatchNorm2d", "x", &bad, &image, 1, "eps is -1, allowed are 0 to 1");
    bad = (crd_attrs){.linear = {47, 3, 1}};
    REFUSED("Linear", "x", &bad, &flat, 1, "in_features is 47, but its input has shape (48)");
    bad = (crd_attrs){.linear = {48, INT64_MAX, 1}};
    REFUSED("Linear", "x", &bad, &flat, 1, "out_features is 9223372036854775807");
    bad = (crd_attrs){.pool2d = {{2, 2}, {2, 2}, {0, 2}, 0}};
    REFUSED("MaxPool2d", "x", &bad, &image, 1, "padding[1] is 2, allowed is half of kernel_size 2");
    bad = (crd_attrs){.pool2d = {{5, 5}, {2, 2}, {0, 0}, 0}};
    REFUSED("AvgPool2d", "x", &bad, &image, 1, "smaller than kernel_size");
    bad = (crd_attrs){.adaptive_pool2d = {{0, 1}}};
    REFUSED("AdaptiveAvgPool2d", "x", &bad, &image, 1, "output_size[0] is 0");
    bad = (crd_attrs){.adaptive_pool2d = {{65536, 65536}}};
    REFUSED("AdaptiveAvgPool2d", "x", &bad, &image, 1, "output has shape (4, 65536, 65536)");
    bad = (crd_attrs){.dropout = {1.5}};
    REFUSED("Dropout", "x", &bad, &image, 1, "p is 1.5");
    assert_int_equal(network->n_nodes, 6);
    assert_int_equal(network->params.n_params, n_params);
    assert_int_equal(network->params.n_floats, n_floats);
    crd_network_destroy(network);
    crd_shape flat_input = crd_shape_make(1, 5), empty = crd_shape_make(3, 0, 1, 1);
    crd_shape huge = crd_shape_make(3, INT64_MAX, 2, 2);
    assert_fails(crd_network_create(&network, "x", &flat_input), CRD_ERR_INPUT, "(5)");
    assert_fails(crd_network_create(&network, "x", &empty), CRD_ERR_INPUT, "(0, 1, 1)");
    assert_fails(crd_network_create(&network, "x", &huge), CRD_ERR_INPUT, "elements");
    assert_null(network);
}

static void json_round_trip_keeps_all(void **state)
{
    (void)state;
    crd_network *network = make_network(), *back;
    char *text, *text_back;
    assert_ok(crd_network_to_json(&text, network));
    assert_ok(crd_network_from_json(&back, text));
    assert_string_equal(back->arch, "tiny");
    assert_int_equal(back->n_nodes, network->n_nodes);
    assert_int_equal(back->params.n_floats, network->params.n_floats);
    for (int64_t i = 0; i < network->n_nodes; i++) {
        assert_string_equal(back->nodes[i].name, network->nodes[i].name);
        assert_ptr_equal(back->nodes[i].layer, network->nodes[i].layer);
        assert_memory_equal(&back->nodes[i].attrs, &network->nodes[i].attrs, sizeof(crd_attrs));
        assert_true(crd_shape_equal(&back->nodes[i].shape, &network->nodes[i].shape));
    }
    assert_ok(crd_network_to_json(&text_back, back));
    assert_string_equal(text_back, text);
    crd_network_text_free(text);
    crd_network_text_free(text_back);
    crd_network_destroy(network);
    crd_network_destroy(back);
}

/* `text` with the first `old` replaced by `new`. Freed by the caller. */
static char *replaced(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    if (at == NULL)
        fail_msg("'%s' is not in the text", old);
    size_t head = (size_t)(at - text), size = strlen(text) + strlen(new) + 1;
    char *out = malloc(size);
    assert_non_null(out);
    snprintf(out, size, "%.*s%s%s", (int)head, text, new, at + strlen(old));
    return out;
}

static void malformed_graphs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *message;
    } cases[] = {
        {"{", "", "not JSON: line 1"},
        {"}]}", "}]", "not JSON"},
        {"\"format\"", "\"Format\"", "top level: key 'format' is missing"},
        {"\"credence-graph\"", "\"onnx\"", "key 'format' is 'onnx'"},
        {"\"credence-graph\"", "7", "key 'format' is not a string"},
        {"\"version\":1", "\"version\":2", "key 'version' is not 1"},
        {"\"version\":1", "\"version\":1.0", "key 'version' is not 1"},
        {"\"version\":1", "\"version\":1,\"extra\":0", "top level: unknown key 'extra'"},
        {"\"version\":1", "\"version\":1,\"version\":1", "duplicate object key"},
        {"\"version\":1", "\"version\":99999999999999999999", "not JSON"},
        {"\"tiny\"", "null", "key 'arch' is not a string"},
        {"\"nodes\":[", "\"nodes\":[],\"x\":[", "unknown key 'x'"},
        {"\"kind\":\"Input\"", "\"kind\":\"ReLU\"", "the first node is a 'ReLU'"},
        {"\"name\":\"input\"", "\"name\":\"in\"", "the first node's name is 'in'"},
        {"\"inputs\":[]", "\"inputs\":[\"c\"]", "node 'input': key 'inputs'"},
        {"\"attrs\":{}", "\"attrs\":{\"a\":1}", "node 'input': unknown key 'a'"},
        {"\"attrs\":{}", "\"attrs\":[]", "node 'input': needed is an object"},
        {"[2,6,5]", "[2,6]", "input has shape (2, 6)"},
        {"[2,6,5]", "[2,6,-5]", "shape (2, 6, -5)"},
        {"[2,6,5]", "[4611686018427387904,4,4]", "elements"},
        {"[2,6,5]", "[1,1,1,1,1,1,1,1,1]", "key 'shape' is not an array of at most 8"},
        {"[2,6,5]", "[2,6,5.5]", "key 'shape'[2] is not an integer"},
        {"{\"name\":\"c\"", "7,{\"name\":\"c\"", "node 1: needed is an object"},
        {"{\"name\":\"c\"", "{\"name\":\"c\",\"color\":1", "node 1: unknown key 'color'"},
        {"{\"name\":\"c\",", "{", "node 1: key 'name' is missing"},
        {"\"name\":\"c\"", "\"name\":3", "node 1: key 'name' is not a string"},
        {"\"name\":\"c\"", "\"name\":\"c/../d\"", "node 'c/../d': a name has"},
        {"\"name\":\"c\"", "\"name\":\"\\u0000\"", "not JSON"},
        {"\"name\":\"b\"", "\"name\":\"c\"", "node 'c': the name is there twice"},
        {"\"Conv2d\"", "\"Conv9d\"", "node 'c': key 'kind': unknown kind 'Conv9d'"},
        {"\"BatchNorm2d\"", "\"Input\"", "node 'b': unknown key 'num_features'"},
        {"\"inputs\":[\"c\"]", "\"inputs\":[\"r\"]", "node 'b': key 'inputs'[0]: no node 'r'"},
        {"\"inputs\":[\"c\"]", "\"inputs\":[\"b\"]", "node 'b': key 'inputs'[0]: no node 'b'"},
        {"\"inputs\":[\"c\"]", "\"inputs\":\"c\"", "node 'b': key 'inputs' is not an array"},
        {"\"inputs\":[\"c\"]", "\"inputs\":[1]", "node 'b': key 'inputs'[0] is not a string"},
        {"\"inputs\":[\"c\"]", "\"inputs\":[]", "node 'b' (BatchNorm2d): has 0 inputs"},
        {"\"inputs\":[\"c\"]", "\"inputs\":[\"c\",\"c\"]", "has 2 inputs, needed are 1"},
        {"\"inputs\":[\"c\"]", "\"inputs\":[\"c\",\"c\",\"c\"]", "at most 2"},
        {"\"groups\":1,", "", "node 'c': key 'groups' is missing"},
        {"\"groups\":1", "\"groups\":1,\"mode\":0", "node 'c': unknown key 'mode'"},
        {"\"groups\":1", "\"groups\":0", "node 'c' (Conv2d): groups is 0"},
        {"\"groups\":1", "\"groups\":true", "node 'c': key 'groups' is not an integer"},
        {"\"stride\":[1,1]", "\"stride\":1", "key 'stride' is not an array of 2 integers"},
        {"\"stride\":[1,1]", "\"stride\":[1,1,1]", "key 'stride' is not an array of 2"},
        {"\"stride\":[1,1]", "\"stride\":[1,\"1\"]", "node 'c': key 'stride' is not an integer"},
        {"\"stride\":[1,1]", "\"stride\":[2,2]", "node 'c': key 'shape' is (4, 4, 3), but"},
        {"\"stride\":[1,1]", "\"stride\":[1,9223372036854775807]", "stride[1] is 92"},
        {"\"eps\":", "\"eps\":\"x\",\"e\":", "node 'b': unknown key 'e'"},
        {"\"momentum\":", "\"momentum\":[],\"eps\":", "duplicate object key"},
        {"\"num_features\":4", "\"num_features\":5", "node 'b' (BatchNorm2d): num_features is 5"},
        {"\"bias\":1", "\"bias\":2", "node 'l' (Linear): bias is 2, allowed are 0 to 1"},
        {"[4,4,3]", "[4,4,4]", "node 'c': key 'shape' is (4, 4, 4), but"},
    };
    crd_network *network = make_network(), *bad;
    char *text;
    assert_ok(crd_network_to_json(&text, network));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *broken = replaced(text, cases[i].old, cases[i].new);
        assert_fails(crd_network_from_json(&bad, broken), CRD_ERR_INPUT, cases[i].message);
        assert_null(bad);
        free(broken);
    }
    /* Cut anywhere, it is refused and never read beyond its end. */
    for (size_t n = 0; n < strlen(text); n++) {
        char *cut = strndup(text, n);
        assert_fails(crd_network_from_json(&bad, cut), CRD_ERR_INPUT, "graph: ");
        free(cut);
    }
    crd_network_text_free(text);
    crd_network_destroy(network);
}

static void hostile_sizes_are_refused(void **state)
{
    (void)state;
    enum { DEPTH = 100000, MAX_NODES = 10000 };
    crd_network *network, *bad;
    char *deep = malloc(DEPTH + 1), *text;
    memset(deep, '[', DEPTH);
    deep[DEPTH] = '\0';
    assert_fails(crd_network_from_json(&bad, deep), CRD_ERR_INPUT, "maximum parsing depth");
    free(deep);
    size_t size = (16 << 20) + 2;
    char *big = malloc(size);
    memset(big, ' ', size - 1);
    big[size - 1] = '\0';
    assert_fails(crd_network_from_json(&bad, big), CRD_ERR_INPUT, "allowed are at most 16777216");
    free(big);
    crd_shape input = crd_shape_make(3, 1, 1, 1);
    int64_t x = 0;
    char name[16];
    assert_ok(crd_network_create(&network, "many", &input));
    for (int i = 1; i < MAX_NODES - 1; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_ok(crd_network_add(&x, network, "ReLU", name, NULL, &x, 1));
    }
    assert_ok(crd_network_add(&x, network, "ReLU", "last", NULL, &x, 1));
    assert_fails(crd_network_add(&x, network, "ReLU", "beyond", NULL, &x, 1), CRD_ERR_INPUT,
                 "node 'beyond': more than 10000 nodes");
    assert_ok(crd_network_to_json(&text, network));
    assert_ok(crd_network_from_json(&bad, text));
    crd_network_destroy(bad);
    crd_network_text_free(text);
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_knows_shapes_and_parameters),
        cmocka_unit_test(batch_norm_folds_into_its_only_producer),
        cmocka_unit_test(wrong_nodes_are_refused),
        cmocka_unit_test(json_round_trip_keeps_all),
        cmocka_unit_test(malformed_graphs_are_refused),
        cmocka_unit_test(hostile_sizes_are_refused),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
