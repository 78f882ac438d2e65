/** A network without probability: a graph of ops in topological order, its parameters and shapes.
 *
 * Op 0 is the input, the last op the output. Shapes leave the batch out: (channels, height, width)
 * or (features). Parameters carry torchvision's names: module path, dot, "weight", "bias",
 * "running_mean", ... What an op is, its operator says (src/ops). Room: graph.
 */
#ifndef CREDENCE_NETWORK_H
#define CREDENCE_NETWORK_H

#include "credence/attr.h"
#include "credence/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** An op of a graph: opaque. */
typedef struct crd_graph_op crd_graph_op;

typedef struct crd_network {
    char *arch; /**< name in the zoo, or any text */
    crd_graph_op *ops;
    int64_t n_ops, capacity;
    crd_params params; /**< names, shapes, offsets; its data stays NULL */
} crd_network;

/** New network whose op 0 is the input "input" of shape (channels, height, width).
 * Errors: CRD_ERR_INPUT for an impossible shape. *out is NULL after an error. Destroy with
 * _destroy. */
crd_status crd_network_create(crd_network **out, const char *arch, const crd_shape *input);
void crd_network_destroy(crd_network *network);

/** An op to append. */
typedef struct crd_op_request {
    const char *kind, *name; /**< operator, torch's class name; module path */
    const crd_attr *attrs;   /**< NULL-terminated list; NULL: empty */
    const int64_t *inputs;   /**< [n_inputs] indices of ops */
    int n_inputs;
} crd_op_request;

/** Appends an op, with its parameters; infers its shape. Its index goes to *index (may be NULL).
 * Errors: CRD_ERR_INPUT: unknown operator, name taken, inputs that are not before it, attributes
 * missing, unknown or out of range, shapes that do not fit; the network is unchanged then. */
crd_status crd_network_add(int64_t *index, crd_network *network, const crd_op_request *request);

/** Gives one attribute of an op another value that changes no shape. Errors: CRD_ERR_INPUT: as
 * above; the op is unchanged then. */
crd_status crd_network_set_attr(crd_network *network, int64_t op, const crd_attr *attr);
/** Whether the op's operator has an attribute of that name. */
int crd_network_has_attr(const crd_network *network, int64_t op, const char *name);

/** The graph as JSON text, version 2 (data/FORMATS.md, "/graph"). *out is freed with
 * crd_network_text_free. */
crd_status crd_network_to_json(char **out, const crd_network *network);
void crd_network_text_free(char *text);
/** Reads it back, version 1 or 2, checking everything as crd_network_add does. Errors:
 * CRD_ERR_INPUT naming op and key. */
crd_status crd_network_from_json(crd_network **out, const char *text);

/** Extents of the input (channels, height, width) and number of outputs (classes). */
const crd_shape *crd_network_input_shape(const crd_network *network);
int64_t crd_network_n_outputs(const crd_network *network);

/** Name, operator (torch's class name: "Conv2d", "ReLU", ...) and output shape of an op.
 * Borrowed. */
const char *crd_network_op_name(const crd_network *network, int64_t op);
const char *crd_network_op_kind(const crd_network *network, int64_t op);
const crd_shape *crd_network_op_shape(const crd_network *network, int64_t op);
/** 1 if the op has a parameter that can have a posterior. */
int crd_network_op_may_be_random(const crd_network *network, int64_t op);
/** 1 if any op differs from draw to draw without random parameters: MC dropout. */
int crd_network_is_stochastic(const crd_network *network);

/** First parameter of an op, its weight where it has one; -1: none. */
int64_t crd_network_op_param(const crd_network *network, int64_t op);
/** The op that has a parameter. */
int64_t crd_network_param_op(const crd_network *network, int64_t param);
/** 1 if the parameter can have a posterior; 1 if it is trained, not a statistic. */
int crd_network_param_may_be_random(const crd_network *network, int64_t param);
int crd_network_param_is_trained(const crd_network *network, int64_t param);
/** Numbers of all parameters that are trained. */
int64_t crd_network_n_trained(const crd_network *network);

/** Multiply-adds of one image at one op, by direct convolution; their sum over all ops. */
int64_t crd_network_op_macs(const crd_network *network, int64_t op);
int64_t crd_network_macs(const crd_network *network);

#ifdef __cplusplus
}
#endif
#endif
