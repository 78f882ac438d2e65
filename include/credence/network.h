/** A network without probability: a graph of layers in topological order, its parameters and
 * shapes.
 *
 * Node 0 is the input, the last node the output. Shapes leave the batch out: (channels, height,
 * width) or (features). Parameters carry torchvision's names: module path, dot, "weight", "bias",
 * "running_mean" or "running_var". Room: nn.
 */
#ifndef CREDENCE_NETWORK_H
#define CREDENCE_NETWORK_H

#include "credence/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A layer kind; opaque here, see nn/layer.h. */
typedef struct crd_layer crd_layer;

typedef struct crd_conv2d_attrs {
    int64_t in_channels, out_channels;
    int64_t kernel_size[2], stride[2], padding[2], dilation[2]; /**< height, width */
    int64_t groups;
    int64_t bias; /**< 0 or 1 */
} crd_conv2d_attrs;

typedef struct crd_linear_attrs {
    int64_t in_features, out_features;
    int64_t bias; /**< 0 or 1 */
} crd_linear_attrs;

typedef struct crd_batch_norm2d_attrs {
    int64_t num_features;
    double eps;
    double momentum;
} crd_batch_norm2d_attrs;

/** Max and average pooling. Average counts padding in (torch's count_include_pad). */
typedef struct crd_pool2d_attrs {
    int64_t kernel_size[2], stride[2], padding[2];
    int64_t ceil_mode; /**< 0 or 1 */
} crd_pool2d_attrs;

typedef struct crd_adaptive_pool2d_attrs {
    int64_t output_size[2];
} crd_adaptive_pool2d_attrs;

typedef struct crd_dropout_attrs {
    double p; /**< probability of zeroing; prediction ignores it */
} crd_dropout_attrs;

/** CIFAR ResNet's parameter-free shortcut ("option A"): every stride-th pixel, zero channels before
 * and after. Source: He et al. 2016, section 4.2. */
typedef struct crd_pad_shortcut_attrs {
    int64_t stride;
    int64_t pad_channels[2]; /**< zero channels in front and behind */
} crd_pad_shortcut_attrs;

/** What the factors of products are held in; sums are fp32 always. bf16: a float's upper half, rounded
 * to nearest, where an algorithm for it is there and gains: in convolutions but those of groups of a
 * few channels. */
typedef enum crd_precision { CRD_FP32, CRD_BF16 } crd_precision;

/** Their names in that order, "fp32" and "bf16"; NULL behind the last. */
const char *const *crd_precision_names(void);

/** Attributes of a node; which member holds is said by its layer kind. */
typedef union crd_attrs {
    crd_conv2d_attrs conv2d;
    crd_linear_attrs linear;
    crd_batch_norm2d_attrs batch_norm2d;
    crd_pool2d_attrs pool2d;
    crd_adaptive_pool2d_attrs adaptive_pool2d;
    crd_dropout_attrs dropout;
    crd_pad_shortcut_attrs pad_shortcut;
} crd_attrs;

#define CRD_NODE_MAX_INPUTS 2
#define CRD_NODE_MAX_PARAMS 4

/** Slots of crd_node.params. */
enum { CRD_PARAM_WEIGHT, CRD_PARAM_BIAS, CRD_PARAM_RUNNING_MEAN, CRD_PARAM_RUNNING_VAR };

typedef struct crd_node {
    char *name;             /**< module path, unique: "layer1.0.conv1" */
    const crd_layer *layer; /**< kind: static table */
    crd_attrs attrs;
    int n_inputs;
    int64_t inputs[CRD_NODE_MAX_INPUTS]; /**< node indices, all smaller than this node's */
    int64_t params[CRD_NODE_MAX_PARAMS]; /**< indices into crd_network.params by slot; -1: none */
    crd_shape shape;                     /**< of the output, without batch */
} crd_node;

typedef struct crd_network {
    char *arch; /**< name in the zoo, or any text */
    crd_node *nodes;
    int64_t n_nodes, capacity;
    crd_params params; /**< names, shapes, offsets; its data stays NULL */
} crd_network;

/** Name of the kind of a node: torch's class name, "Conv2d", "Linear", "BatchNorm2d", "ReLU", ...
 */
const char *crd_node_kind(const crd_node *node);
/** 1 if this node's weight and bias can carry a posterior (convolutions and linear layers), else 0.
 */
int crd_node_is_weighted(const crd_node *node);

/** New network whose node 0 is the input "input" of shape (channels, height, width).
 * Errors: CRD_ERR_INPUT for an impossible shape. *out is NULL after an error. Destroy with
 * _destroy. */
crd_status crd_network_create(crd_network **out, const char *arch, const crd_shape *input);
void crd_network_destroy(crd_network *network);

/** Appends a node of the kind, with its parameters; infers its shape. attrs NULL where the kind has
 * none. Its index goes to *index (may be NULL). Errors: CRD_ERR_INPUT: unknown kind, name taken,
 * inputs that are not before it, attributes out of range, shapes that do not fit; the network is
 * unchanged then. */
crd_status crd_network_add(int64_t *index, crd_network *network, const char *kind, const char *name,
                           const crd_attrs *attrs, const int64_t *inputs, int n_inputs);

/** The graph as JSON text (data/FORMATS.md, "/graph"). *out is freed with crd_network_text_free. */
crd_status crd_network_to_json(char **out, const crd_network *network);
void crd_network_text_free(char *text);
/** Reads it back, checking everything as crd_network_add does. Errors: CRD_ERR_INPUT naming node
 * and key. */
crd_status crd_network_from_json(crd_network **out, const char *text);

/** Extents of the input (channels, height, width) and number of outputs (classes). */
const crd_shape *crd_network_input_shape(const crd_network *network);
int64_t crd_network_n_outputs(const crd_network *network);

/** Index of the node that batch norm `node` can be folded into: a weighted layer that is its only
 * input and has no other consumer; -1 if none, or if `node` is no batch norm. */
int64_t crd_network_fold_target(const crd_network *network, int64_t node);

/** Multiply-adds of one image at one node by direct convolution; 0 for nodes without weights. */
int64_t crd_node_macs(const crd_network *network, int64_t node);
/** Their sum over all nodes. */
int64_t crd_network_macs(const crd_network *network);

#ifdef __cplusplus
}
#endif
#endif
