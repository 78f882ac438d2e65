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

/** What a forward pass reads and writes. */
typedef struct crd_layer_args {
    float *out; /**< overwritten; may equal in[0] if the kind is in_place */
    const float *in[CRD_NODE_MAX_INPUTS];
    const crd_shape *in_shape[CRD_NODE_MAX_INPUTS]; /**< without batch */
    const float *params[CRD_NODE_MAX_PARAMS]; /**< by slot; NULL: none (no bias, folded away) */
    int64_t n_images;
    float *scratch; /**< at least scratch_floats(node, n_images) floats */
} crd_layer_args;

struct crd_layer {
    const char *name; /**< torch's class name */
    int n_inputs;
    int is_weighted;            /**< weight and bias may carry a posterior */
    int in_place;               /**< out may be in[0] */
    const crd_attr_spec *attrs; /**< ends with a NULL name */
    /** Shape of the output, and parameter shapes by slot (n_dims -1: no such parameter). */
    crd_status (*infer)(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS], const crd_node *node,
                        const crd_shape *const *in);
    /** Floats of scratch for a pass over n_images; NULL: none. */
    int64_t (*scratch_floats)(const crd_node *node, const crd_shape *const *in, int64_t n_images);
    /** NULL for Input, which has nothing to infer or run. */
    void (*forward)(const crd_node *node, const crd_layer_args *args);
};

/** The kind of that name, or NULL. */
const crd_layer *crd_layer_find(const char *name);

#endif
