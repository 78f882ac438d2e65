/** Networks in ONNX files, read without executing anything in them. Room: import.
 */
#ifndef CREDENCE_ONNX_H
#define CREDENCE_ONNX_H

#include "credence/network.h"
#include "credence/outputs.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a file leaves open. */
typedef struct crd_onnx_options {
    int64_t height, width; /**< of the images, where the file does not fix them; 0: not given */
} crd_onnx_options;

/** A network of an ONNX file. */
typedef struct crd_onnx_model {
    crd_network *network; /**< owned */
    crd_params weights;   /**< its parameters, by its names */
    crd_output_kind outputs;
    /** The node that was taken off the end: "Softmax", "LogSoftmax"; "Sigmoid": it is the end, and
     * stays; NULL: none of them. */
    const char *end;
} crd_onnx_model;

/** Whether the program was built with what reads ONNX. */
int crd_onnx_is_built(void);
/** Whether the file looks like an ONNX model. */
int crd_onnx_fits(const char *path);

/** Reads the network of an ONNX file of opset 9 to 25 (and down to 1, as far as operators say the
 * same): its first input, which must be images (batch, channels, height, width), to its first
 * output. Weights may lie in files beside it, below its folder and not behind links. What depends
 * on constants only is evaluated; patterns that exporters make of one layer become that layer
 * again; names come from the file's weights. Within, the images may be any extent of a value, or
 * part of one. Errors: CRD_ERR_INPUT: damaged, or with nodes that no operator here is: they are
 * listed; out is empty then. CRD_ERR_USAGE: built without ONNX, sizes that contradict the file's.
 * Collective: no. Cost: at most twice the file's size and 64 MiB of memory, and files beside it
 * twice. */
crd_status crd_onnx_model_read(crd_onnx_model *out, const char *path,
                               const crd_onnx_options *options);
/** Frees all; a zeroed one is allowed. */
void crd_onnx_model_clear(crd_onnx_model *model);

#ifdef __cplusplus
}
#endif
#endif
