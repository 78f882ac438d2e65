/* Reading ONNX models: outputs of exported ones against torch's (tests/golden/make_onnx.py), names,
 * and what is refused. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "crd_test.h"
#include "credence/onnx.h"
#include "kernels/kernels.h"
#include "slopes.h"
#include "walker.h"

#define MODELS CRD_TEST_DIR "/golden/onnx/"

static const crd_onnx_options no_size = {0};

/* Numbers of a raw file; free with crd_free. */
static float *load(const char *name, const char *end)
{
    char path[256], *bytes;
    int64_t n;
    snprintf(path, sizeof path, MODELS "%s.%s", name, end);
    assert_ok(crd_file_load(&bytes, &n, path, 1 << 20));
    return (float *)(void *)bytes;
}

static void read_model(crd_onnx_model *model, const char *name, const crd_onnx_options *options)
{
    char path[256];
    snprintf(path, sizeof path, MODELS "%s.onnx", name);
    assert_ok(crd_onnx_model_read(model, path, options));
}

static void check_outputs(const char *name, const crd_onnx_options *options)
{
    enum { N_IMAGES = 2, MOST = 128 };
    crd_onnx_model model;
    read_model(&model, name, options);
    float *images = load(name, "in.f32"), *wanted = load(name, "out.f32"), got[MOST];
    int64_t n = crd_network_n_outputs(model.network) * N_IMAGES;
    assert_true(n <= MOST);
    assert_ok(walker_run(got, model.network, model.weights.data, images, NULL, N_IMAGES, 1));
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - wanted[i]) < 1e-5F * (1 + fabsf(wanted[i]))))
            fail_msg("%s: output %d is %g, torch has %g", name, (int)i, (double)got[i],
                     (double)wanted[i]);
    crd_free(images);
    crd_free(wanted);
    crd_onnx_model_clear(&model);
}

static void outputs_are_torchs(void **state)
{
    (void)state;
    static const char *const names[] = {
        "mobile_9",     "mobile_kept_13", "mobile_18",      "next_13",        "next_20",
        "decoder_11",   "decoder_18",     "outside",        "typed_float",    "typed_half",
        "typed_double", "typed_int32",    "shuffle",        "widened",        "empty",
        "one_name",     "recurrent_17",   "recurrent_20",   "sequence_17",    "recurrent_last",
        "shuffle_last", "lrn_last",       "transformer_17", "transformer_20", "transformer_one",
        "windows_17",   "windows_20",     "windows_one",    "einsum",         "axes",
        "attention",    "plain_17",       "encoder_17",     "encoder_20"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_outputs(names[i], &no_size);
    check_outputs("next_17", &(crd_onnx_options){8, 8});
}

static bool has_op(const crd_network *network, const char *kind)
{
    for (int64_t i = 0; i < network->n_ops; i++)
        if (strcmp(crd_network_op_kind(network, i), kind) == 0)
            return true;
    return false;
}

static void patterns_become_one_operator(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"mobile_9", "Hardswish", "SiLU"},
        {"mobile_kept_13", "Hardswish", "BatchNorm2d"},
        {"mobile_18", "Hardswish", "Hardsigmoid"},
        {"next_13", "LayerNorm", "GELU"},
        {"next_20", "LayerNorm", "GELU"},
        {"decoder_11", "ConvTranspose2d", "Upsample"},
        {"shuffle", "ChannelShuffle", "Flatten"},
        {"recurrent_17", "LSTM", "GRU"},
        {"recurrent_20", "LSTM", "GRU"},
        {"sequence_17", "LSTM", "MaxPool3d"},
        {"plain_17", "RNN", "GRU"},
        {"transformer_17", "MatMul", "LayerNorm"},
        {"windows_20", "MatMul", "Permute"},
        {"encoder_17", "Attention", "Concat"},
        {"encoder_20", "Attention", "Concat"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        crd_onnx_model model;
        read_model(&model, rows[i][0], &no_size);
        for (int k = 1; k < 3; k++)
            if (!has_op(model.network, rows[i][k]))
                fail_msg("%s has no %s", rows[i][0], rows[i][k]);
        crd_onnx_model_clear(&model);
    }
}

/* Of what patterns had in them: neither is used elsewhere, nor left beside. */
static void patterns_leave_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"encoder_17", "encoder_20"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        crd_onnx_model model;
        read_model(&model, names[i], &no_size);
        const crd_network *network = model.network;
        assert_false(has_op(network, "MatMul") || has_op(network, "Softmax"));
        assert_false(has_op(network, "ScaleShift"));
        for (int64_t op = 0; op < network->n_ops - 1; op++) {
            bool is_read = false;
            for (int64_t reader = op + 1; reader < network->n_ops; reader++)
                for (int k = 0; k < network->ops[reader].n_inputs; k++)
                    is_read |= network->ops[reader].inputs[k] == op;
            if (!is_read)
                fail_msg("%s: nobody reads %s", names[i], crd_network_op_name(network, op));
        }
        crd_onnx_model_clear(&model);
    }
}

/* Products of two inputs, permutations, masks and reductions on the way back. */
static void transformers_follow_their_gradients(void **state)
{
    (void)state;
    static const char *const names[] = {"transformer_17", "transformer_20", "windows_17",
                                        "windows_20",     "encoder_17",     "encoder_20"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        crd_onnx_model model;
        read_model(&model, names[i], &no_size);
        slopes_check(names[i], model.network, i % 2 == 0 ? "reparameterization" : "flipout",
                     strncmp(names[i], "windows", 7) != 0); /* ReLU */
        model.network = NULL;
        crd_onnx_model_clear(&model);
    }
}

static void names_are_those_of_modules(void **state)
{
    (void)state;
    static const char *const names[] = {"stem.weight", "fc1.bias", "depth.weight", "head.weight"};
    static const char *const models[] = {"mobile_9", "mobile_kept_13", "mobile_18"};
    for (size_t m = 0; m < 3; m++) {
        crd_onnx_model model;
        read_model(&model, models[m], &no_size);
        for (size_t i = 0; i < 4; i++)
            if (crd_params_find(&model.network->params, names[i]) < 0)
                fail_msg("%s has no %s", models[m], names[i]);
        crd_onnx_model_clear(&model);
    }
}

static void nodes_of_one_name_are_numbered(void **state)
{
    (void)state;
    static const char *const names[] = {"input", "a", "a_2", "a_3", "a_4", "a_2_2"};
    crd_onnx_model model;
    read_model(&model, "one_name", &no_size);
    assert_int_equal(model.network->n_ops, 6);
    for (int64_t i = 0; i < 6; i++)
        assert_string_equal(crd_network_op_name(model.network, i), names[i]);
    crd_onnx_model_clear(&model);
}

static void a_final_softmax_is_taken_off(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"decoder_11", "Softmax"}, {"next_13", "LogSoftmax"}, {"mobile_9", NULL}};
    for (size_t i = 0; i < 3; i++) {
        crd_onnx_model model;
        read_model(&model, rows[i][0], &no_size);
        assert_true((model.end == NULL) == (rows[i][1] == NULL));
        if (model.end != NULL)
            assert_string_equal(model.end, rows[i][1]);
        assert_int_equal(model.outputs, CRD_OUTPUT_LOGITS);
        crd_onnx_model_clear(&model);
    }
}

static void bad_models_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        crd_onnx_options options;
        crd_status code;
        const char *text;
    } rows[] = {
        {"lacking", {0}, CRD_ERR_INPUT, "node 'warp' (GridSample); node 'det' (Det)"},
        {"opset_99", {0}, CRD_ERR_INPUT, "its opset is 99, known are"},
        {"outside_above", {0}, CRD_ERR_INPUT, "allowed is a path below the model's folder"},
        {"outside_absolute", {0}, CRD_ERR_INPUT, "allowed is a path below the model's folder"},
        {"outside_link", {0}, CRD_ERR_INPUT, "links are not followed"},
        {"outside_short", {0}, CRD_ERR_INPUT, "ends beyond the 64 bytes of 'weights.bin'"},
        {"next_17", {0}, CRD_ERR_USAGE, "leaves the height of the images open: give --input-size"},
        {"next_13", {9, 9}, CRD_ERR_USAGE, "the file's images have a height of 8, not 9"},
        {"not_there", {0}, CRD_ERR_INPUT, "No such file"},
        {"omitted", {0}, CRD_ERR_INPUT, "node 'largest' (Max): input 1 is omitted"},
        {"over_images", {0}, CRD_ERR_INPUT, "node 'sum' (Einsum): its images are rows or columns"},
        {"huge_shape", {0}, CRD_ERR_INPUT, "impossible shape"},
        {"two_types", {0}, CRD_ERR_INPUT, "node 'join' (Concat): input 1 has another type"},
        {"beyond",
         {0},
         CRD_ERR_INPUT,
         "node 'some' (Gather): of too many elements, or beyond them"},
        {"many_tokens", {0}, CRD_ERR_INPUT, "output has shape (1, 50176, 50176), allowed are 1 to"},
        {"scale_nan", {0}, CRD_ERR_INPUT, "node 'scaled' (Mul)"},
        {"no_first", {0}, CRD_ERR_INPUT, "node 'parts' (Split): has no first output"},
        {"twice", {0}, CRD_ERR_INPUT, "damaged: field 7 of onnx.ModelProto is there twice"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        crd_onnx_model model;
        char path[256];
        snprintf(path, sizeof path, MODELS "%s.onnx", rows[i].name);
        assert_fails(crd_onnx_model_read(&model, path, &rows[i].options), rows[i].code,
                     rows[i].text);
        assert_null(model.network);
    }
}

/* Every byte changed, and every length cut: an error or a network, never more. */
static void damaged_models_do_no_harm(void **state)
{
    (void)state;
    char *bytes, path[] = "/tmp/onnx_test_XXXXXX";
    int64_t n, before = crd_alloc_bytes();
    assert_ok(crd_file_load(&bytes, &n, MODELS "typed_float.onnx", 1 << 20));
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w+");
    for (int64_t i = 0; i < 2 * n; i++) {
        int64_t length = i < n ? n : i - n;
        char kept = bytes[i % n];
        bytes[i % n] = (char)(i < n ? ~kept : kept);
        assert_true(freopen(path, "w", file) != NULL);
        assert_int_equal(fwrite(bytes, 1, (size_t)length, file), length);
        fflush(file);
        bytes[i % n] = kept;
        crd_onnx_model model;
        crd_status status = crd_onnx_model_read(&model, path, &no_size);
        assert_true(status == CRD_OK || status == CRD_ERR_INPUT || status == CRD_ERR_USAGE);
        crd_onnx_model_clear(&model);
    }
    fclose(file);
    remove(path);
    crd_free(bytes);
    assert_int_equal(crd_alloc_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_torchs),
        cmocka_unit_test(patterns_become_one_operator),
        cmocka_unit_test(patterns_leave_nothing),
        cmocka_unit_test(transformers_follow_their_gradients),
        cmocka_unit_test(names_are_those_of_modules),
        cmocka_unit_test(nodes_of_one_name_are_numbered),
        cmocka_unit_test(a_final_softmax_is_taken_off),
        cmocka_unit_test(bad_models_are_refused),
        cmocka_unit_test(damaged_models_do_no_harm),
    };
    return cmocka_run_group_tests_name("onnx", tests, NULL, NULL);
}
