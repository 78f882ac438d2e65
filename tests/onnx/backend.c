/* Runs official ONNX backend tests through the importer: backend TEST_FOLDER...
 *
 * Of each folder's model.onnx and first test_data_set_0 it prints one line:
 *   NAME network     the model became a network, which gave the outputs
 *   NAME folded      its inputs taken as constants, the importer's folding gave the outputs
 *   NAME wrong ...   it ran and gave something else
 *   NAME lacking ... why the importer refuses it
 * A network is tried first: input 0 is the images, further inputs are constants. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "import/onnx/onnx_model.h"
#include "import/onnx/onnx_passes.h"
#include "import/onnx/onnx_proto.h"
#include "walker.h"

enum { MAX_IO = 16, PATH_BYTES = 4096 };

typedef struct test {
    const char *folder;
    crd_onnx_graph graph;
    crd_onnx_budget budget;
    crd_onnx_tensor *in[MAX_IO], *out[MAX_IO];
} test;

static crd_status read_tensor(crd_onnx_tensor **out, crd_onnx_budget *budget, const char *folder,
                              const char *kind, int64_t k)
{
    char path[PATH_BYTES], *bytes = NULL;
    int64_t n;
    ProtobufCMessage *message = NULL;
    crd_status status = CRD_OK;
    snprintf(path, sizeof path, "%s/test_data_set_0/%s_%d.pb", folder, kind, (int)k);
    CRD_TRY(crd_file_load(&bytes, &n, path, 1 << 28));
    CRD_TRY(crd_onnx_message_unpack(&message, budget, &onnx__tensor_proto__descriptor,
                                    (const uint8_t *)bytes, n));
    CRD_TRY(crd_onnx_tensor_from_proto(out, budget, (Onnx__TensorProto *)message, NULL));
cleanup:
    crd_onnx_message_free(message, budget);
    crd_free(bytes);
    return status;
}

/* As numpy's assert_allclose with the tolerances of the official runner. */
static bool is_close(double got, double wanted)
{
    return (isnan(got) && isnan(wanted)) || got == wanted ||
           fabs(got - wanted) <= 1e-7 + 1e-3 * fabs(wanted);
}

static crd_status open_test(test *t)
{
    crd_status status = CRD_OK;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/model.onnx", t->folder);
    CRD_TRY(crd_onnx_graph_read(&t->graph, path));
    CRD_REQUIRE(t->graph.n_inputs <= MAX_IO && t->graph.n_outputs <= MAX_IO, CRD_ERR_INPUT, "%s",
                "too many inputs");
    for (int64_t k = 0; k < t->graph.n_inputs; k++)
        CRD_TRY(read_tensor(&t->in[k], &t->budget, t->folder, "input", k));
    for (int64_t k = 0; k < t->graph.n_outputs; k++)
        CRD_TRY(read_tensor(&t->out[k], &t->budget, t->folder, "output", k));
cleanup:
    return status;
}

/* The files of bfloat16 numbers hold their bits as uint16, which the model says are bfloat16. */
static bool holds_bits(crd_onnx_type said, const crd_onnx_tensor *file)
{
    return said == CRD_ONNX_BFLOAT16 && file->type == CRD_ONNX_UINT16;
}

static double number_of(const crd_onnx_tensor *file, bool is_bits, int64_t i)
{
    return is_bits ? (double)crd_onnx_from_bfloat((uint16_t)crd_onnx_get_int(file, i))
                   : crd_onnx_get(file, i);
}

/* They were made by cutting off, where ONNX rounds to the nearest: up to one last place apart. */
static bool is_cut_off(double got, double file)
{
    return got * file >= 0 && fabs(got) >= fabs(file) && fabs(got - file) <= 0x1p-7 * fabs(file);
}

static crd_status bind_constant(test *t, int64_t k)
{
    crd_onnx_tensor *copy;
    crd_onnx_type said = t->graph.values[t->graph.inputs[k]].type;
    bool is_bits = holds_bits(said, t->in[k]);
    crd_status status = crd_onnx_tensor_create(&copy, &t->graph.budget,
                                               is_bits ? said : t->in[k]->type, &t->in[k]->shape);
    for (int64_t i = 0; status == CRD_OK && i < copy->count; i++)
        if (is_bits)
            crd_onnx_set(copy, i, number_of(t->in[k], true, i));
        else
            crd_onnx_copy(copy, i, t->in[k], i);
    return status == CRD_OK ? crd_onnx_graph_bind(&t->graph, t->graph.inputs[k], copy) : status;
}

/* Floats of a tensor; free with crd_free. */
static float *floats_of(const crd_onnx_tensor *tensor)
{
    float *out = NULL;
    if (crd_alloc_zeroed((void **)&out, tensor->count, sizeof *out, "images") == CRD_OK)
        for (int64_t i = 0; i < tensor->count; i++)
            out[i] = (float)crd_onnx_get(tensor, i);
    return out;
}

/* The whole output of a network, as ONNX lays it out. */
static crd_status run_network(float *out, const crd_onnx_model *model, const float *images,
                              int64_t n_images)
{
    const crd_shape *shape = crd_network_op_shape(model->network, model->network->n_ops - 1);
    int64_t features = shape->dims[0], positions = crd_shape_count(shape) / features;
    float *flat = NULL;
    crd_status status = CRD_OK;
    CRD_ALLOC(&flat, n_images * features * positions, "outputs");
    CRD_TRY(walker_run(flat, model->network, model->weights.data, images, NULL, n_images, 1));
    /* The walker reads (outputs, images); it is (features, images, positions). */
    int64_t n = features * positions;
    for (int64_t i = 0; i < n_images; i++)
        for (int64_t c = 0; c < features; c++)
            for (int64_t p = 0; p < positions; p++) {
                int64_t at = (c * n_images + i) * positions + p; /* in memory */
                out[(i * features + c) * positions + p] = flat[at % n_images * n + at / n_images];
            }
cleanup:
    crd_free(flat);
    return status;
}

static bool may_be_image(const crd_onnx_tensor *in)
{
    return in->type == CRD_ONNX_FLOAT && in->shape.n_dims >= 2 && in->shape.n_dims <= 5 &&
           in->count > 0;
}

/* *done: the model is a network with one output. */
static crd_status as_network(test *t, bool *done, char result[64])
{
    crd_status status = CRD_OK;
    crd_onnx_model model = {0};
    float *images = NULL, *got = NULL;
    *done = false;
    CRD_REQUIRE(t->graph.n_inputs > 0 && t->graph.n_outputs == 1 && may_be_image(t->in[0]) &&
                    t->out[0]->type == CRD_ONNX_FLOAT,
                CRD_ERR_INPUT, "%s", "no image");
    int64_t input = t->graph.inputs[0];
    t->graph.values[input].shape = t->in[0]->shape;
    for (int64_t k = 1; k < t->graph.n_inputs; k++)
        CRD_TRY(bind_constant(t, k));
    CRD_TRY(crd_onnx_model_make(&model, &t->graph, input, false));
    images = floats_of(t->in[0]);
    int64_t n_images = t->in[0]->shape.dims[0];
    int64_t n = crd_network_n_outputs(model.network) * n_images;
    CRD_REQUIRE(n == t->out[0]->count, CRD_ERR_INPUT, "%s", "another number of outputs");
    CRD_ALLOC(&got, n, "outputs");
    CRD_TRY(run_network(got, &model, images, n_images));
    *done = true;
    snprintf(result, 64, "network");
    for (int64_t i = 0; i < n; i++)
        if (!is_close((double)got[i], crd_onnx_get(t->out[0], i))) {
            snprintf(result, 64, "wrong: network: element %d is %g, not %g", (int)i, (double)got[i],
                     crd_onnx_get(t->out[0], i));
            break;
        }
cleanup:
    crd_free(images);
    crd_free(got);
    crd_onnx_model_clear(&model);
    return status;
}

static crd_status as_constants(test *t, char result[64])
{
    crd_status status = CRD_OK;
    for (int64_t k = 0; k < t->graph.n_inputs; k++)
        CRD_TRY(bind_constant(t, k));
    CRD_TRY(crd_onnx_run_passes(&t->graph));
    snprintf(result, 64, "folded");
    for (int64_t k = 0; k < t->graph.n_outputs; k++) {
        const crd_onnx_tensor *got = t->graph.values[t->graph.outputs[k]].constant;
        CRD_REQUIRE(got != NULL, CRD_ERR_INPUT, "%s", "is not folded");
        bool is_bits = holds_bits(got->type, t->out[k]);
        if ((got->type != t->out[k]->type && !is_bits) ||
            !crd_shape_equal(&got->shape, &t->out[k]->shape)) {
            snprintf(result, 64, "wrong: output %d has another type or shape", (int)k);
            break;
        }
        for (int64_t i = 0; i < got->count; i++)
            if (!is_close(crd_onnx_get(got, i), number_of(t->out[k], is_bits, i)) &&
                !(is_bits && is_cut_off(crd_onnx_get(got, i), number_of(t->out[k], true, i)))) {
                snprintf(result, 64, "wrong: folded: element %d is %g, not %g", (int)i,
                         crd_onnx_get(got, i), number_of(t->out[k], is_bits, i));
                break;
            }
    }
cleanup:
    return status;
}

static void close_test(test *t)
{
    crd_onnx_graph_clear(&t->graph);
    for (int k = 0; k < MAX_IO; k++) {
        crd_onnx_tensor_destroy(t->in[k]);
        crd_onnx_tensor_destroy(t->out[k]);
        t->in[k] = t->out[k] = NULL;
    }
}

static void run(const char *folder)
{
    test t = {.folder = folder, .budget = {.limit = 1 << 28}};
    const char *slash = strrchr(folder, '/');
    char result[64] = "", why[200] = "";
    bool done = false;
    crd_status status = open_test(&t);
    if (status == CRD_OK && as_network(&t, &done, result) != CRD_OK) {
        snprintf(why, sizeof why, "%.190s", crd_status_message());
        close_test(&t);
        status = open_test(&t);
        if (status == CRD_OK)
            status = as_constants(&t, result);
    }
    if (status != CRD_OK)
        snprintf(result, sizeof result, "lacking");
    printf("%s %s", slash == NULL ? folder : slash + 1, result);
    if (status != CRD_OK)
        printf(": %.190s | %s", crd_status_message(), why);
    putchar('\n');
    close_test(&t);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    return 0;
}
