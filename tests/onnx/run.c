/* Runs an ONNX model on images: run MODEL HEIGHT WIDTH N_IMAGES <images >outputs, both raw float32;
 * 0 0: the file's size. The end (Softmax) is taken off, as convert does. Prints on stderr what the
 * model became. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "credence/onnx.h"
#include "walker.h"

static void describe(const crd_onnx_model *model)
{
    const crd_network *network = model->network;
    fprintf(stderr, "%s: %lld ops, %lld parameters, end %s\n", network->arch,
            (long long)network->n_ops, (long long)network->params.n_params,
            model->end == NULL ? "none" : model->end);
    for (int64_t i = 0; i < network->n_ops; i++) {
        char text[CRD_SHAPE_TEXT_SIZE];
        fprintf(stderr, "  %-20s %-40s %s\n", crd_network_op_kind(network, i),
                crd_network_op_name(network, i),
                crd_shape_text(text, crd_network_op_shape(network, i)));
    }
    for (int64_t i = 0; i < network->params.n_params; i++)
        fprintf(stderr, "  parameter %s\n", network->params.entries[i].name);
}

int main(int argc, char **argv)
{
    crd_status status = CRD_OK;
    crd_onnx_model model = {0};
    float *images = NULL, *outputs = NULL;
    if (argc != 5)
        return 2;
    const crd_onnx_options options = {atoi(argv[2]), atoi(argv[3])};
    int64_t n_images = atoi(argv[4]);
    CRD_TRY(crd_onnx_model_read(&model, argv[1], &options));
    describe(&model);
    int64_t n = n_images * crd_shape_count(crd_network_input_shape(model.network));
    int64_t n_out = n_images * crd_network_n_outputs(model.network);
    CRD_ALLOC(&images, n, "images");
    CRD_ALLOC(&outputs, n_out, "outputs");
    if (fread(images, sizeof *images, (size_t)n, stdin) != (size_t)n)
        status = CRD_FAIL(CRD_ERR_INPUT, "needed are %lld numbers", (long long)n);
    CRD_TRY(status);
    CRD_TRY(walker_run(outputs, model.network, model.weights.data, images, NULL, n_images, 1));
    fwrite(outputs, sizeof *outputs, (size_t)n_out, stdout);
cleanup:
    if (status != CRD_OK)
        fprintf(stderr, "%s\n", crd_status_message());
    crd_free(images);
    crd_free(outputs);
    crd_onnx_model_clear(&model);
    return (int)status;
}
