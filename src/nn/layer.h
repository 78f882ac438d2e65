/** Layer kinds: the table that says all about a kind, and how a layer is run.
 *
 * Activations are float32 arrays (channels, images, height, width), so that a convolution of a
 * whole batch is one matrix product whose output needs no transposition; a linear layer's are
 * (features, images).
 */
#ifndef CRD_NN_LAYER_H
#define CRD_NN_LAYER_H

#include <stddef.h>

#include "credence/network.h"

/** One attribute in crd_attrs and in the graph's JSON. */
typedef struct crd_attr_spec {
    const char *name; /**< JSON key: torch's argument name */
    size_t offset;    /**< into crd_attrs */
    int count;        /**< 1 or 2 numbers; 2 is a JSON array */
    int is_double;    /**< 0: int64_t, 1: double */
    double min, max;  /**< allowed values */
} crd_attr_spec;

/** What training adds to a pass. */
typedef struct crd_layer_training {
    /** Address of dropout's mask, with the images' numbers: a function, as every random number. */
    uint64_t seed;
    int64_t draw, first_image, node;
    /** Batch norm on the batch's own statistics, [channels] each; variance divided by the number of
     * values. Written by forward, read by backward. NULL: on the running statistics. */
    float *mean, *variance;
} crd_layer_training;

/** What a forward pass reads and writes. */
typedef struct crd_layer_args {
    float *out; /**< overwritten; may equal in[0] if the kind is in_place */
    const float *in[CRD_NODE_MAX_INPUTS];
    const crd_shape *in_shape[CRD_NODE_MAX_INPUTS]; /**< without batch */
    const float *params[CRD_NODE_MAX_PARAMS]; /**< by slot; NULL: none (no bias, folded away) */
    int64_t n_images;
    float *scratch;                     /**< at least scratch_floats(node, n_images) floats */
    const crd_layer_training *training; /**< NULL: prediction */
} crd_layer_args;

/** What a backward pass reads and writes beside the args of its forward pass, whose `in` and `out`
 * still hold what the kind keeps (keeps_in, keeps_out) and may hold anything else. */
typedef struct crd_layer_grads {
    const float *dout;
    float *din[CRD_NODE_MAX_INPUTS];     /**< added to; NULL: not asked for */
    float *dparams[CRD_NODE_MAX_PARAMS]; /**< likewise, by slot; running statistics have none */
} crd_layer_grads;

struct crd_layer {
    const char *name; /**< torch's class name */
    int n_inputs;
    int is_weighted;            /**< weight and bias may carry a posterior */
    int in_place;               /**< out may be in[0] */
    int keeps_in, keeps_out;    /**< backward reads in, out */
    const crd_attr_spec *attrs; /**< ends with a NULL name */
    /** Shape of the output, and parameter shapes by slot (n_dims -1: no such parameter). */
    crd_status (*infer)(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS], const crd_node *node,
                        const crd_shape *const *in);
    /** Floats of scratch for a pass over n_images, either way; NULL: none. */
    int64_t (*scratch_floats)(const crd_node *node, const crd_shape *const *in, int64_t n_images);
    /** NULL for Input, which has nothing to infer or run. */
    void (*forward)(const crd_node *node, const crd_layer_args *args);
    void (*backward)(const crd_node *node, const crd_layer_args *args,
                     const crd_layer_grads *grads);
};

/** The kind of that name, or NULL. */
const crd_layer *crd_layer_find(const char *name);

#endif
