/* A file, step by step: graph, sizes, passes, network, weights. */
#include "import/onnx/onnx_model.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "credence/log.h"
#include "import/onnx/onnx_passes.h"

int crd_onnx_is_built(void)
{
    return 1;
}

/* An extent that the file leaves open takes `given`; one that it fixes must be that, if any. */
static crd_status settle(int64_t *extent, int64_t given, const char *what)
{
    if (*extent < 0 && given < 1)
        return CRD_FAIL(CRD_ERR_USAGE,
                        "the file leaves the %s of the images open: give --input-size", what);
    if (*extent > 0 && given > 0 && *extent != given)
        return CRD_FAIL(CRD_ERR_USAGE,
                        "--input-size: the file's images have a %s of %lld, not %lld", what,
                        (long long)*extent, (long long)given);
    *extent = *extent < 0 ? given : *extent;
    return CRD_OK;
}

crd_status crd_onnx_model_size(crd_onnx_graph *graph, int64_t input,
                               const crd_onnx_options *options, int64_t batch)
{
    crd_status status = CRD_OK;
    crd_onnx_value *value = &graph->values[input];
    crd_shape *shape = &value->shape;
    CRD_REQUIRE(value->type == CRD_ONNX_FLOAT || value->type == CRD_ONNX_FLOAT16 ||
                    value->type == CRD_ONNX_DOUBLE,
                CRD_ERR_INPUT, "input '%.80s' has type %s, needed are floating numbers",
                value->name, crd_onnx_type_name((int)value->type));
    CRD_REQUIRE(shape->n_dims == 4, CRD_ERR_INPUT,
                "input '%.80s' has %d extents, needed are (batch, channels, height, width)",
                value->name, shape->n_dims);
    CRD_REQUIRE(shape->dims[1] > 0, CRD_ERR_INPUT, "input '%.80s' leaves its channels open",
                value->name);
    shape->dims[0] = shape->dims[0] < 0 ? batch : shape->dims[0];
    CRD_TRY(settle(&shape->dims[2], options->height, "height"));
    CRD_TRY(settle(&shape->dims[3], options->width, "width"));
    CRD_TRY(crd_onnx_shape_check(shape));
cleanup:
    return status;
}

/* Takes a Softmax over the classes off the end: the classes' logits are the output then. */
static void take_end(const char **end, crd_onnx_graph *graph)
{
    static const char *const ends[] = {"Softmax", "LogSoftmax", "Sigmoid"};
    int64_t producer = graph->values[graph->outputs[0]].producer;
    crd_onnx_node *node = producer < 0 ? NULL : &graph->nodes[producer];
    while (node != NULL && crd_onnx_is(node, "Identity"))
        node = crd_onnx_maker(graph, node, 0, "");
    *end = NULL;
    for (int i = 0; node != NULL && i < 3; i++)
        *end = crd_onnx_is(node, ends[i]) ? ends[i] : *end;
    if (*end == NULL || *end == ends[2])
        return;
    const crd_shape *shape = crd_onnx_shape_of(graph, node, 0);
    int64_t axis = crd_onnx_attr_int(node, "axis", graph->opset >= 13 ? -1 : 1);
    if (shape->n_dims == 2 && (axis == 1 || axis == -1)) {
        graph->outputs[0] = node->inputs[0];
        node->is_dead = true;
    } else
        *end = NULL;
}

/* The network's input as an image, whatever its rank: of volumes the planes are one below the
 * other. */
static crd_status image_of(crd_shape *out, const crd_shape *shape)
{
    crd_shape own = crd_onnx_network_shape(shape);
    *out = crd_shape_make(3, own.dims[0], own.n_dims > 1 ? own.dims[1] : 1,
                          own.n_dims > 2 ? own.dims[2] : 1);
    if (own.n_dims == 4)
        *out = crd_shape_make(3, own.dims[0], own.dims[1] * own.dims[2], own.dims[3]);
    return shape->n_dims >= 2 && shape->n_dims <= 5
               ? CRD_OK
               : CRD_FAIL(CRD_ERR_INPUT, "its input has %d extents, allowed are 2 to 5",
                          shape->n_dims);
}

crd_status crd_onnx_model_make(crd_onnx_model *out, crd_onnx_graph *graph, int64_t input,
                               bool takes_end)
{
    crd_status status = CRD_OK;
    crd_onnx_lowering lowering = {.graph = graph};
    crd_shape image;
    *out = (crd_onnx_model){0};
    CRD_REQUIRE(graph->n_outputs > 0, CRD_ERR_INPUT, "%s", "it has no output");
    graph->n_outputs = 1;
    CRD_TRY(crd_onnx_run_passes(graph));
    if (takes_end) {
        take_end(&out->end, graph);
        CRD_TRY(crd_onnx_prune(graph));
    }
    const crd_onnx_value *result = &graph->values[graph->outputs[0]];
    CRD_REQUIRE(result->constant == NULL && result->producer >= 0, CRD_ERR_INPUT,
                "its output '%.80s' does not depend on the images", result->name);
    CRD_TRY(image_of(&image, &graph->values[input].shape));
    CRD_TRY(crd_network_create(&lowering.network, graph->name, &image));
    CRD_TRY(crd_onnx_lower(&lowering, input));
    int64_t end = lowering.views[graph->outputs[0]].op;
    CRD_REQUIRE(end == lowering.network->n_ops - 1 && end > 0, CRD_ERR_INPUT, "%s",
                "its output is no op of the network: nothing is computed");
    CRD_TRY(crd_network_drop_unread(lowering.network));
    CRD_TRY(crd_onnx_lower_weights(&out->weights, &lowering));
    out->network = lowering.network;
    lowering.network = NULL;
    out->outputs =
        out->end != NULL && strcmp(out->end, "Sigmoid") == 0 ? CRD_OUTPUT_MEANS : CRD_OUTPUT_LOGITS;
cleanup:
    crd_onnx_lowering_clear(&lowering);
    if (status != CRD_OK)
        crd_onnx_model_clear(out);
    return status;
}

/* The network's name: the file's, without its folder. */
static crd_status name_of_file(char **out, const char *path)
{
    char name[64];
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "%s", slash == NULL ? path : slash + 1);
    for (char *c = name; *c != '\0'; c++)
        if (*c < '!' || *c > '~')
            *c = '_';
    return crd_alloc_string(out, name);
}

/* Images that a graph is read with where the file leaves their number open: one that no other
 * extent is likely to be a multiple of, so that a Reshape shows where they go; or one, which suits
 * files whose numbers have been made with one image. */
enum { OPEN_BATCH = 23 };

/* *is_open: the file leaves the number of images open. */
static crd_status read_graph(crd_onnx_model *out, bool *is_open, const char *path,
                             const crd_onnx_options *options, int64_t batch)
{
    crd_status status = CRD_OK;
    crd_onnx_graph graph = {0};
    CRD_TRY(crd_onnx_graph_read(&graph, path));
    crd_free(graph.name);
    graph.name = NULL;
    CRD_TRY(name_of_file(&graph.name, path));
    CRD_REQUIRE(graph.n_inputs == 1, CRD_ERR_INPUT, "it has %lld inputs, needed is 1",
                (long long)graph.n_inputs);
    if (graph.n_outputs > 1 && batch == OPEN_BATCH)
        crd_log(CRD_LOG_INFO, "%s: of its %lld outputs the first, %s, is taken", path,
                (long long)graph.n_outputs, graph.values[graph.outputs[0]].name);
    *is_open = graph.values[graph.inputs[0]].shape.dims[0] < 0;
    CRD_TRY(crd_onnx_model_size(&graph, graph.inputs[0], options, batch));
    CRD_TRY(crd_onnx_model_make(out, &graph, graph.inputs[0], true));
    CRD_REQUIRE(out->network->ops[out->network->n_ops - 1].shape.n_dims == 1, CRD_ERR_INPUT, "%s",
                "its output is no vector");
cleanup:
    crd_onnx_graph_clear(&graph);
    if (status != CRD_OK)
        crd_onnx_model_clear(out);
    return status;
}

/* What cannot be opened says its path itself. */
static crd_status check_file(const char *path)
{
    crd_status status = CRD_OK;
    int64_t n_bytes;
    int fd;
    CRD_TRY(crd_file_open(&fd, &n_bytes, path, INT64_MAX));
    CRD_REQUIRE(n_bytes > 0, CRD_ERR_INPUT, "%s: is empty", path);
cleanup:
    if (fd >= 0)
        close(fd);
    return status;
}

crd_status crd_onnx_model_read(crd_onnx_model *out, const char *path,
                               const crd_onnx_options *options)
{
    *out = (crd_onnx_model){0};
    crd_status status = check_file(path);
    if (status != CRD_OK)
        return status;
    bool is_open = false;
    status = read_graph(out, &is_open, path, options, OPEN_BATCH);
    if (status == CRD_ERR_INPUT && is_open)
        status = read_graph(out, &is_open, path, options, 1);
    return status == CRD_OK || status == CRD_ERR_IO
               ? status
               : CRD_FAIL(status, "%s: %s", path, crd_status_message());
}

void crd_onnx_model_clear(crd_onnx_model *model)
{
    crd_network_destroy(model->network);
    crd_params_clear(&model->weights);
    *model = (crd_onnx_model){0};
}
