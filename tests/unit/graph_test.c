/* The graph: shapes, parameters, what is refused, and its JSON of both versions. */
#include "crd_test.h"

#include <math.h>

#include "test_ops.h"

static conv2d_attrs conv_attrs(int64_t in_channels, int64_t out_channels, int64_t kernel_size)
{
    return (conv2d_attrs){
        in_channels, out_channels, {kernel_size, kernel_size}, {1, 1}, {0, 0}, {1, 1}, 1, 0};
}

/* input (2, 6, 5) -> c (Conv2d) -> b (BatchNorm2d) -> r (ReLU) -> f (Flatten) -> l (Linear). */
static crd_network *make_network(void)
{
    crd_network *network;
    crd_shape input = crd_shape_make(3, 2, 6, 5);
    attr_list conv = conv2d_list(conv_attrs(2, 4, 3)), linear = linear_list(48, 3, 1);
    attr_list norm = batch_norm_list(4, 1e-5);
    int64_t x = 0;
    assert_ok(crd_network_create(&network, "tiny", &input));
    assert_ok(network_add(&x, network, "Conv2d", "c", &conv, &x, 1));
    assert_ok(network_add(&x, network, "BatchNorm2d", "b", &norm, &x, 1));
    assert_ok(network_add(&x, network, "ReLU", "r", NULL, &x, 1));
    assert_ok(network_add(&x, network, "Flatten", "f", NULL, &x, 1));
    assert_ok(network_add(&x, network, "Linear", "l", &linear, &x, 1));
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
    assert_string_equal(crd_shape_text(text, &network->ops[3].shape), "(4, 4, 3)");
    assert_int_equal(crd_network_n_outputs(network), 3);
    assert_int_equal(crd_network_macs(network), 4 * 2 * 9 * 12 + 48 * 3);
    assert_string_equal(crd_network_op_kind(network, 0), "Input");
    assert_string_equal(crd_network_op_name(network, 1), "c");
    assert_int_equal(crd_network_op_may_be_random(network, 1), 1);
    assert_int_equal(crd_network_op_may_be_random(network, 2), 0);
    assert_int_equal(crd_network_param_op(network, 4), 2);
    assert_int_equal(crd_network_op_param(network, 2), 1);
    assert_int_equal(crd_network_op_param(network, 3), -1);
    assert_true(crd_network_param_may_be_random(network, 0) &&
                !crd_network_param_may_be_random(network, 1));
    assert_true(crd_network_param_is_trained(network, 2) &&
                !crd_network_param_is_trained(network, 3));
    assert_null(network->params.data);
    crd_network_destroy(network);
}

static void batch_norm_folds_into_its_only_producer(void **state)
{
    (void)state;
    crd_network *network = make_network();
    attr_list norm = batch_norm_list(4, 1e-5);
    int64_t conv = 1, relu = 3, norm_after_relu;
    assert_int_equal(crd_network_fold_target(network, 2), 1);
    assert_int_equal(crd_network_fold_target(network, 1), -1);
    assert_int_equal(crd_network_fold_target(network, 3), -1);
    assert_ok(network_add(&norm_after_relu, network, "BatchNorm2d", "b2", &norm, &relu, 1));
    assert_int_equal(crd_network_fold_target(network, norm_after_relu), -1);
    assert_ok(network_add(NULL, network, "ReLU", "second_reader", NULL, &conv, 1));
    assert_int_equal(crd_network_fold_target(network, 2), -1);
    crd_network_destroy(network);
}

/* What is refused leaves the network as it was. */
/* Two ops that end nowhere, before and after the ones that stay; ops with parameters stay. */
static void unread_ops_are_dropped(void **state)
{
    (void)state;
    static const char *const names[] = {"input", "c", "b", "r", "f", "unread", "l"};
    crd_network *network;
    crd_shape input = crd_shape_make(3, 2, 6, 5);
    attr_list conv = conv2d_list(conv_attrs(2, 4, 3)), linear = linear_list(48, 3, 1);
    attr_list norm = batch_norm_list(4, 1e-5);
    int64_t x = 0, dead = 0;
    assert_ok(crd_network_create(&network, "tiny", &input));
    assert_ok(network_add(&dead, network, "ReLU", "dead_1", NULL, &x, 1));
    assert_ok(network_add(&x, network, "Conv2d", "c", &conv, &x, 1));
    assert_ok(network_add(&x, network, "BatchNorm2d", "b", &norm, &x, 1));
    assert_ok(network_add(&dead, network, "ReLU", "dead_2", NULL, &dead, 1));
    assert_ok(network_add(&x, network, "ReLU", "r", NULL, &x, 1));
    assert_ok(network_add(&x, network, "Flatten", "f", NULL, &x, 1));
    assert_ok(network_add(&dead, network, "Linear", "unread", &linear, &x, 1));
    assert_ok(network_add(&x, network, "Linear", "l", &linear, &x, 1));
    assert_ok(crd_network_drop_unread(network));
    assert_int_equal(network->n_ops, 7);
    for (int64_t i = 0; i < 7; i++)
        assert_string_equal(crd_network_op_name(network, i), names[i]);
    assert_int_equal(network->ops[3].inputs[0], 2);
    assert_int_equal(network->ops[6].inputs[0], 4);
    assert_int_equal(network->params.n_params, 9);
    assert_int_equal(crd_network_param_op(network, 8), 6);
    crd_network_destroy(network);
}

static void wrong_ops_are_refused(void **state)
{
    (void)state;
    crd_network *network = make_network();
    int64_t image = 3, flat = 4, late = 6;
    const conv2d_attrs good = conv_attrs(4, 4, 3);
    conv2d_attrs bad = good;
    attr_list conv = conv2d_list(good), list;
    int64_t n_params = network->params.n_params, n_floats = network->params.n_floats;
#define REFUSED(kind, name, attrs, inputs, n, text)                                                \
    assert_fails(network_add(NULL, network, kind, name, attrs, inputs, n), CRD_ERR_INPUT, text)
#define REFUSED_CONV(text)                                                                         \
    list = conv2d_list(bad);                                                                       \
    REFUSED("Conv2d", "x", &list, &image, 1, text)
    REFUSED("Conv9d", "x", &conv, &image, 1, "op 'x': unknown kind 'Conv9d'");
    REFUSED("Input", "x", NULL, NULL, 0, "op 'x': unknown kind 'Input'");
    REFUSED("ReLU", "c", NULL, &image, 1, "op 'c': the name is there twice");
    REFUSED("ReLU", "", NULL, &image, 1, "1 to 200");
    REFUSED("ReLU", "a/b", NULL, &image, 1, "letters, digits");
    REFUSED("ReLU", "a..b", NULL, &image, 1, "empty part");
    REFUSED("ReLU", ".a", NULL, &image, 1, "empty part");
    REFUSED("ReLU", "x", NULL, &late, 1, "op 'x' (ReLU): inputs[0] is 6, allowed are 0 to 5");
    REFUSED("ReLU", "x", NULL, (int64_t[]){-1}, 1, "inputs[0] is -1");
    REFUSED("Add", "x", NULL, &image, 1, "has 1 inputs, needed are 2");
    REFUSED("Add", "x", NULL, ((int64_t[]){2, 0}), 2, "shapes (4, 4, 3) and (2, 6, 5)");
    REFUSED("Conv2d", "x", NULL, &image, 1, "op 'x' (Conv2d): in_channels is missing");
    REFUSED("Conv2d", "x", &conv, &flat, 1, "input has shape (48)");
    REFUSED("ReLU", "x", &conv, &image, 1, "op 'x' (ReLU): unknown attribute 'in_channels'");
    list = ATTRS(CRD_ATTR("num_features", 4, 4));
    REFUSED("BatchNorm2d", "x", &list, &image, 1, "num_features has 2 numbers, needed are 1");
    list = ATTRS(CRD_ATTR_WORD("num_features", "four"));
    REFUSED("BatchNorm2d", "x", &list, &image, 1, "num_features has 0 numbers, needed are 1");
    list = ATTRS(CRD_ATTR("num_features", 3.5));
    REFUSED("BatchNorm2d", "x", &list, &image, 1, "num_features is 3.5, which is not an integer");
    bad.stride[1] = 0;
    REFUSED_CONV("stride[1] is 0, allowed are 1 to 65536");
    bad = good;
    bad.padding[0] = -1;
    REFUSED_CONV("padding[0] is -1");
    bad = good;
    bad.groups = 3;
    REFUSED_CONV("groups is 3");
    bad = conv_attrs(5, 4, 3);
    REFUSED_CONV("in_channels is 5, but its input has 4");
    bad = conv_attrs(4, 4, 5);
    REFUSED_CONV("input (4, 4, 3) is smaller than kernel_size (5, 5)");
    bad = good;
    bad.out_channels = INT32_MAX;
    REFUSED_CONV("allowed are 1 to 2147483647 elements");
    list = batch_norm_list(3, 1e-5);
    REFUSED("BatchNorm2d", "x", &list, &image, 1, "num_features is 3");
    list = batch_norm_list(4, -1);
    REFUSED("BatchNorm2d", "x", &list, &image, 1, "eps is -1, allowed are 0 to 1");
    list = linear_list(47, 3, 1);
    REFUSED("Linear", "x", &list, &flat, 1, "in_features is 47, but its input has shape (48)");
    list = linear_list(48, INT64_MAX, 1);
    REFUSED("Linear", "x", &list, &flat, 1, "out_features is 9223372036854775808");
    list = pool2d_list((pool2d_attrs){{2, 2}, {2, 2}, {0, 2}, 0});
    REFUSED("MaxPool2d", "x", &list, &image, 1,
            "padding[1] is 2, allowed is half of kernel_size 2");
    list = pool2d_list((pool2d_attrs){{5, 5}, {2, 2}, {0, 0}, 0});
    REFUSED("AvgPool2d", "x", &list, &image, 1, "smaller than kernel_size");
    list = adaptive_list(0, 1);
    REFUSED("AdaptiveAvgPool2d", "x", &list, &image, 1, "output_size[0] is 0");
    list = adaptive_list(65536, 65536);
    REFUSED("AdaptiveAvgPool2d", "x", &list, &image, 1, "output has shape (4, 65536, 65536)");
    list = ATTRS(CRD_ATTR("p", 1.5));
    REFUSED("Dropout", "x", &list, &image, 1, "p is 1.5");
    list = ATTRS(CRD_ATTR("p", NAN));
    REFUSED("Dropout", "x", &list, &image, 1, "p is ");
    assert_int_equal(network->n_ops, 6);
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
    assert_int_equal(back->n_ops, network->n_ops);
    assert_int_equal(back->params.n_floats, network->params.n_floats);
    for (int64_t i = 0; i < network->n_ops; i++) {
        assert_string_equal(back->ops[i].name, network->ops[i].name);
        assert_ptr_equal(back->ops[i].kind, network->ops[i].kind);
        if (network->ops[i].kind->attrs_size > 0)
            assert_memory_equal(back->ops[i].attrs, network->ops[i].attrs,
                                network->ops[i].kind->attrs_size);
        assert_true(crd_shape_equal(&back->ops[i].shape, &network->ops[i].shape));
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

typedef struct broken_case {
    const char *old, *new, *message;
} broken_case;

static void check_broken(const char *text, const broken_case *cases, size_t n)
{
    crd_network *bad;
    for (size_t i = 0; i < n; i++) {
        char *broken = replaced(text, cases[i].old, cases[i].new);
        assert_fails(crd_network_from_json(&bad, broken), CRD_ERR_INPUT, cases[i].message);
        assert_null(bad);
        free(broken);
    }
}

static void malformed_graphs_are_refused(void **state)
{
    (void)state;
    static const broken_case cases[] = {
        {"{", "", "not JSON: line 1"},
        {"}]}", "}]", "not JSON"},
        {"\"format\"", "\"Format\"", "top level: key 'format' is not a string"},
        {"\"credence-graph\"", "\"onnx\"", "key 'format' is 'onnx'"},
        {"\"credence-graph\"", "7", "key 'format' is not a string"},
        {"\"version\":2", "\"version\":3", "key 'version' is not 1 to 2"},
        {"\"version\":2", "\"version\":0", "key 'version' is not 1 to 2"},
        {"\"version\":2", "\"version\":1", "top level: key 'nodes' is missing"},
        {"\"version\":2", "\"version\":2.0", "key 'version' is not 1 to 2"},
        {"\"version\":2", "\"version\":2,\"extra\":0", "top level: unknown key 'extra'"},
        {"\"version\":2", "\"version\":2,\"version\":2", "duplicate object key"},
        {"\"version\":2", "\"version\":99999999999999999999", "not JSON"},
        {"\"tiny\"", "null", "key 'arch' is not a string"},
        {"\"ops\":[", "\"ops\":[],\"x\":[", "unknown key 'x'"},
        {"\"ops\":[", "\"ops\":7,\"x\":[", "unknown key 'x'"},
        {"\"name\":\"input\"", "\"name\":\"in\"", "input: key 'name' is 'in'"},
        {"\"inputs\":[{", "\"inputs\":[{},{", "key 'inputs' is not an array of one input"},
        {"\"outputs\":[\"l\"]", "\"outputs\":[]", "key 'outputs' is not an array of one name"},
        {"\"outputs\":[\"l\"]", "\"outputs\":[7]", "key 'outputs' is not an array of one name"},
        {"\"outputs\":[\"l\"]", "\"outputs\":[\"f\"]", "key 'outputs': 'f' is not the last op"},
        {"\"attrs\":{}", "\"attrs\":{\"a\":1}", "op 'r' (ReLU): unknown attribute 'a'"},
        {"\"attrs\":{}", "\"attrs\":[]", "op 'r': key 'attrs' is not an object"},
        {"[2,6,5]", "[2,6]", "input has shape (2, 6)"},
        {"[2,6,5]", "[2,6,-5]", "shape (2, 6, -5)"},
        {"[2,6,5]", "[4611686018427387904,4,4]", "elements"},
        {"[2,6,5]", "[1,1,1,1,1,1,1,1,1]", "key 'shape' is not an array of at most 8"},
        {"[2,6,5]", "[2,6,5.5]", "key 'shape'[2] is not an integer"},
        {"{\"name\":\"c\"", "7,{\"name\":\"c\"", "op 1: needed is an object"},
        {"{\"name\":\"c\"", "{\"name\":\"c\",\"color\":1", "op 1: unknown key 'color'"},
        {"{\"name\":\"c\",", "{", "op 1: key 'name' is missing"},
        {"\"name\":\"c\"", "\"name\":3", "op 1: key 'name' is not a string"},
        {"\"name\":\"c\"", "\"name\":\"c/../d\"", "op 'c/../d': a name has"},
        {"\"name\":\"c\"", "\"name\":\"\\u0000\"", "not JSON"},
        {"\"name\":\"b\"", "\"name\":\"c\"", "op 'c': the name is there twice"},
        {"\"Conv2d\"", "\"Conv9d\"", "op 'c': unknown kind 'Conv9d'"},
        {"\"BatchNorm2d\"", "\"Input\"", "op 'b': unknown kind 'Input'"},
        {"\"inputs\":[\"c\"]", "\"inputs\":[\"r\"]", "op 'b': key 'inputs'[0]: no op 'r'"},
        {"\"inputs\":[\"c\"]", "\"inputs\":[\"b\"]", "op 'b': key 'inputs'[0]: no op 'b'"},
        {"\"inputs\":[\"c\"]", "\"inputs\":\"c\"", "op 'b': key 'inputs' is not an array"},
        {"\"inputs\":[\"c\"]", "\"inputs\":[1]", "op 'b': key 'inputs'[0] is not a string"},
        {"\"inputs\":[\"c\"]", "\"inputs\":[]", "op 'b' (BatchNorm2d): has 0 inputs"},
        {"\"inputs\":[\"c\"]", "\"inputs\":[\"c\",\"c\"]", "has 2 inputs, needed are 1"},
        {"\"in_channels\":2,", "", "op 'c' (Conv2d): in_channels is missing"},
        {"\"groups\":1", "\"groups\":1,\"mode\":0", "op 'c' (Conv2d): unknown attribute 'mode'"},
        {"\"groups\":1", "\"groups\":0", "op 'c' (Conv2d): groups is 0"},
        {"\"groups\":1", "\"groups\":1.5", "groups is 1.5, which is not an integer"},
        {"\"groups\":1", "\"groups\":true", "op 'c': key 'groups' is not a number"},
        {"\"groups\":1", "\"groups\":\"1\"", "op 'c' (Conv2d): groups has 0 numbers"},
        {"\"groups\":1", "\"groups\":[]", "op 'c': key 'groups' has 0 numbers"},
        {"\"groups\":1", "\"groups\":[1,1,1,1,1,1,1,1,1]", "key 'groups' has 9 numbers"},
        {"\"stride\":[1,1]", "\"stride\":1", "stride has 1 numbers, needed are 2"},
        {"\"stride\":[1,1]", "\"stride\":[1,1,1]", "stride has 3 numbers, needed are 2"},
        {"\"stride\":[1,1]", "\"stride\":[1,\"1\"]", "op 'c': key 'stride' is not a number"},
        {"\"stride\":[1,1]", "\"stride\":[2,2]", "op 'c': key 'shape' is (4, 4, 3), but"},
        {"\"stride\":[1,1]", "\"stride\":[1,9223372036854775807]", "stride[1] is 92"},
        {"\"eps\":", "\"eps\":\"x\",\"e\":", "op 'b' (BatchNorm2d): unknown attribute 'e'"},
        {"\"momentum\":", "\"momentum\":[],\"eps\":", "duplicate object key"},
        {"\"num_features\":4", "\"num_features\":5", "op 'b' (BatchNorm2d): num_features is 5"},
        {"\"bias\":1", "\"bias\":2", "op 'l' (Linear): bias is 2, allowed are 0 to 1"},
        {"[4,4,3]", "[4,4,4]", "op 'c': key 'shape' is (4, 4, 4), but"},
    };
    crd_network *network = make_network(), *bad;
    char *text;
    assert_ok(crd_network_to_json(&text, network));
    check_broken(text, cases, sizeof cases / sizeof *cases);
    /* Cut anywhere, it is refused and never read beyond its end. */
    for (size_t n = 0; n < strlen(text); n++) {
        char *cut = strndup(text, n);
        assert_fails(crd_network_from_json(&bad, cut), CRD_ERR_INPUT, "graph: ");
        free(cut);
    }
    crd_network_text_free(text);
    crd_network_destroy(network);
}

/* What files of version 1 hold for make_network. */
static const char version_1[] =
    "{\"format\":\"credence-graph\",\"version\":1,\"arch\":\"tiny\",\"nodes\":["
    "{\"name\":\"input\",\"kind\":\"Input\",\"inputs\":[],\"attrs\":{},\"shape\":[2,6,5]},"
    "{\"name\":\"c\",\"kind\":\"Conv2d\",\"inputs\":[\"input\"],\"attrs\":{\"in_channels\":2,"
    "\"out_channels\":4,\"kernel_size\":[3,3],\"stride\":[1,1],\"padding\":[0,0],"
    "\"dilation\":[1,1],\"groups\":1,\"bias\":0},\"shape\":[4,4,3]},"
    "{\"name\":\"b\",\"kind\":\"BatchNorm2d\",\"inputs\":[\"c\"],\"attrs\":{\"num_features\":4,"
    "\"eps\":1e-05,\"momentum\":0.1},\"shape\":[4,4,3]},"
    "{\"name\":\"r\",\"kind\":\"ReLU\",\"inputs\":[\"b\"],\"attrs\":{},\"shape\":[4,4,3]},"
    "{\"name\":\"f\",\"kind\":\"Flatten\",\"inputs\":[\"r\"],\"attrs\":{},\"shape\":[48]},"
    "{\"name\":\"l\",\"kind\":\"Linear\",\"inputs\":[\"f\"],\"attrs\":{\"in_features\":48,"
    "\"out_features\":3,\"bias\":1},\"shape\":[3]}]}";

static void version_1_is_read(void **state)
{
    (void)state;
    static const broken_case cases[] = {
        {"\"nodes\":[", "\"nodes\":[],\"x\":[", "unknown key 'x'"},
        {"\"kind\":\"Input\"", "\"kind\":\"ReLU\"", "first node: kind is 'ReLU'"},
        {"\"name\":\"input\"", "\"name\":\"in\"", "first node: key 'name' is 'in'"},
        {"\"name\":\"input\",", "", "first node: key 'name' is missing"},
        {"\"version\":1", "\"version\":2", "top level: key 'inputs' is missing"},
        {"[4,4,3]", "[4,4,4]", "op 'c': key 'shape' is (4, 4, 4), but"},
    };
    crd_network *network = make_network(), *back;
    char *text, *text_back;
    assert_ok(crd_network_to_json(&text, network));
    assert_ok(crd_network_from_json(&back, version_1));
    assert_ok(crd_network_to_json(&text_back, back));
    assert_string_equal(text_back, text);
    check_broken(version_1, cases, sizeof cases / sizeof *cases);
    crd_network_text_free(text);
    crd_network_text_free(text_back);
    crd_network_destroy(network);
    crd_network_destroy(back);
}

/* What a file leaves out takes torch's value. */
static void attributes_have_defaults(void **state)
{
    (void)state;
    crd_network *network = make_network(), *back;
    char *text;
    assert_ok(crd_network_to_json(&text, network));
    char *shorter = replaced(text, "\"dilation\":[1,1],\"groups\":1,", "");
    assert_ok(crd_network_from_json(&back, shorter));
    assert_int_equal(attr_of(&back->ops[1], "dilation", 1), 1);
    assert_int_equal(attr_of(&back->ops[1], "groups", 0), 1);
    free(shorter);
    crd_network_text_free(text);
    crd_network_destroy(network);
    crd_network_destroy(back);
}

static void an_attribute_changes_without_shapes(void **state)
{
    (void)state;
    crd_network *network = make_network();
    const crd_attr eps = CRD_ATTR("eps", 0.25), bad = CRD_ATTR("eps", 2), other = CRD_ATTR("p", 1);
    const crd_attr wide = CRD_ATTR("padding", 1, 1), bias = CRD_ATTR("bias", 1);
    assert_true(crd_network_has_attr(network, 2, "eps") && !crd_network_has_attr(network, 3, "p"));
    assert_ok(crd_network_set_attr(network, 2, &eps));
    assert_true(attr_of(&network->ops[2], "eps", 0) == 0.25);
    assert_true(attr_of(&network->ops[2], "momentum", 0) == 0.1);
    assert_fails(crd_network_set_attr(network, 2, &bad), CRD_ERR_INPUT, "eps is 2");
    assert_fails(crd_network_set_attr(network, 2, &other), CRD_ERR_INPUT, "attribute 'p'");
    assert_fails(crd_network_set_attr(network, 1, &wide), CRD_ERR_INPUT, "shape of the output");
    assert_fails(crd_network_set_attr(network, 1, &bias), CRD_ERR_INPUT, "shape of a parameter");
    assert_true(attr_of(&network->ops[2], "eps", 0) == 0.25);
    assert_true(attr_of(&network->ops[1], "padding", 0) == 0);
    crd_network_destroy(network);
}

static void hostile_sizes_are_refused(void **state)
{
    (void)state;
    enum { DEPTH = 100000, MAX_OPS = 10000 };
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
    for (int i = 1; i < MAX_OPS - 1; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_ok(network_add(&x, network, "ReLU", name, NULL, &x, 1));
    }
    assert_ok(network_add(&x, network, "ReLU", "last", NULL, &x, 1));
    assert_fails(network_add(&x, network, "ReLU", "beyond", NULL, &x, 1), CRD_ERR_INPUT,
                 "op 'beyond': more than 10000 ops");
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
        cmocka_unit_test(unread_ops_are_dropped),
        cmocka_unit_test(wrong_ops_are_refused),
        cmocka_unit_test(json_round_trip_keeps_all),
        cmocka_unit_test(malformed_graphs_are_refused),
        cmocka_unit_test(version_1_is_read),
        cmocka_unit_test(attributes_have_defaults),
        cmocka_unit_test(an_attribute_changes_without_shapes),
        cmocka_unit_test(hostile_sizes_are_refused),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
