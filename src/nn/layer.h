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

/** Floats beyond those asked for that crd_weight_source may write. */
#define CRD_WEIGHT_SLACK 64

/** Weights that are made where they are used, a stretch at a time, so that they come from the cache
 * and the whole tensor never exists. */
typedef struct crd_weight_source {
    /** Elements [first, first + n) in torch's order. Returns where they lie: in `out`, which has
     * room for n + CRD_WEIGHT_SLACK floats, or in place. */
    const float *(*get)(float *out, int64_t first, int64_t n, const void *payload);
    const void *payload;
} crd_weight_source;

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
    const crd_weight_source *source;          /**< instead of params[CRD_PARAM_WEIGHT]; NULL: not */
    const float
        *residual; /**< added to the output, laid out like it; NULL: nothing; of a convolution
                                it may be out itself */
    int relu;      /**< 1: negative outputs become 0, after all else */
    int64_t n_images;
    crd_precision precision;
    float *scratch; /**< at least scratch_floats(node, n_images, precision) floats */
    const crd_layer_training *training; /**< NULL: prediction */
} crd_layer_args;

/** What a backward pass reads and writes beside the args of its forward pass, whose `in` and `out`
 * still hold what the kind keeps (keeps_in, keeps_out) and may hold anything else. */
typedef struct crd_layer_grads {
    const float *dout;
    float *din[CRD_NODE_MAX_INPUTS];     /**< NULL: not asked for; din[0] may be dout if it is not
                                              added to and the kind is in_place */
    int adds[CRD_NODE_MAX_INPUTS];       /**< 1: din is added to; 0: overwritten */
    float *dparams[CRD_NODE_MAX_PARAMS]; /**< overwritten, by slot; NULL: not asked for; running
                                              statistics have none */
} crd_layer_grads;

struct crd_layer {
    const char *name; /**< torch's class name */
    int n_inputs;
    int is_weighted;            /**< weight and bias may carry a posterior */
    int in_place;               /**< out may be in[0], and din[0] dout */
    int has_epilogue;           /**< heeds residual and relu */
    int keeps_in, keeps_out;    /**< backward reads in, out */
    const crd_attr_spec *attrs; /**< ends with a NULL name */
    /** Shape of the output, and parameter shapes by slot (n_dims -1: no such parameter). */
    crd_status (*infer)(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS], const crd_node *node,
                        const crd_shape *const *in);
    /** Floats of scratch for a forward pass over n_images; NULL: none. */
    int64_t (*scratch_floats)(const crd_node *node, const crd_shape *const *in, int64_t n_images,
                              crd_precision precision);
    /** And for a backward pass. */
    int64_t (*backward_scratch_floats)(const crd_node *node, const crd_shape *const *in,
                                       int64_t n_images);
    /** NULL for Input, which has nothing to infer or run. */
    void (*forward)(const crd_node *node, const crd_layer_args *args);
    /** Name of the algorithm for a pass over n_images; NULL: there is but one. */
    const char *(*method)(const crd_node *node, const crd_shape *const *in, int64_t n_images,
                          crd_precision precision);
    void (*backward)(const crd_node *node, const crd_layer_args *args,
                     const crd_layer_grads *grads);
};

/** Elements [first, first + n) of the weight, from wherever it comes. `out`: see
 * crd_weight_source. */
const float *crd_layer_weights(float *out, const crd_layer_args *args, int64_t first, int64_t n);

/** out = out + residual, then relu, of n elements: for what has no epilogue of its own. */
void crd_layer_finish(float *out, const float *residual, int relu, int64_t n);

/** The gradient at an input of n elements for a backward pass that adds to it piece by piece: zeros if
 * it is to be overwritten. NULL: not asked for. */
float *crd_layer_cleared_din(const crd_layer_grads *grads, int input, int64_t n);

/** The kind of that name, or NULL. */
const crd_layer *crd_layer_find(const char *name);

#endif
