/** The import graph: a loose dialect. Values have names, nodes any operator, inputs may be omitted,
 * a value may be a constant. The closed dialect, in which every op is one of src/ops, is
 * crd_network; onnx_lower.h leads there. Private to this room.
 *
 * Shapes include the images: the first extent of what depends on the input. While a graph is
 * imported it has the number that the file gives, or 1. */
#ifndef CRD_IMPORT_ONNX_GRAPH_H
#define CRD_IMPORT_ONNX_GRAPH_H

#include "import/onnx/onnx_tensor.h"

typedef struct crd_onnx_operator crd_onnx_operator;

/** One attribute of a node; what is not given is zero. */
typedef struct crd_onnx_attr {
    char *name;
    char *text;     /**< of a string, cut at its first zero byte; of strings, a blank after each */
    int64_t i;      /**< of an int */
    double f;       /**< of a float; of an int too */
    int64_t n;      /**< numbers of a list */
    int64_t *ints;  /**< [n] of ints, or NULL */
    double *floats; /**< [n] of floats, or NULL */
    crd_onnx_tensor *tensor;
    bool is_other; /**< of a type that no operator here has, e.g. a graph */
} crd_onnx_attr;

typedef struct crd_onnx_value {
    char *name;
    int64_t producer; /**< node; -1: an input of the graph, or a constant from the start */
    crd_onnx_type type;
    crd_shape shape;           /**< n_dims -1: not known */
    crd_onnx_tensor *constant; /**< owned; NULL: depends on the input, or not known yet */
} crd_onnx_value;

typedef struct crd_onnx_node {
    const crd_onnx_operator *kind; /**< row of the table; NULL: lacking */
    char *op_type, *name, *domain;
    int n_inputs, n_outputs;
    int64_t *inputs, *outputs; /**< indices of values; -1: omitted */
    crd_onnx_attr *attributes;
    int64_t n_attributes;
    bool is_dead; /**< folded, or taken into another node */
} crd_onnx_node;

typedef struct crd_onnx_graph {
    crd_onnx_budget budget;
    char *name;
    int64_t opset; /**< of the default domain */
    crd_onnx_value *values;
    int64_t n_values, value_capacity;
    crd_onnx_node *nodes; /**< in topological order, dead ones included */
    int64_t n_nodes;
    int64_t *inputs, *outputs;
    int64_t n_inputs, n_outputs;
    int64_t work; /**< arithmetic spent on constants so far */
} crd_onnx_graph;

/** Reads a model file. Errors: CRD_ERR_INPUT: damaged; names that are there twice or not at all, an
 * opset outside of 1 to 25 ... */
crd_status crd_onnx_graph_read(crd_onnx_graph *out, const char *path);
void crd_onnx_graph_clear(crd_onnx_graph *graph);

/** The dialect's rules: nodes in topological order, one producer a value, shapes of constants that
 * are those of their values. `after` names the pass in the message. Errors: CRD_ERR_INPUT. */
crd_status crd_onnx_graph_verify(const crd_onnx_graph *graph, const char *after);

/** Makes an input of the graph a constant (taken over), or gives it a shape. Errors: CRD_ERR_INPUT:
 * it does not fit the input's type or shape. */
crd_status crd_onnx_graph_bind(crd_onnx_graph *graph, int64_t input, crd_onnx_tensor *constant);

/** A further value; its index goes to *index. */
crd_status crd_onnx_graph_add_value(int64_t *index, crd_onnx_graph *graph, const char *name);

/** "node 'NAME' (OP)" for messages. */
#define CRD_ONNX_LABEL_SIZE 160
const char *crd_onnx_label(char out[CRD_ONNX_LABEL_SIZE], const crd_onnx_graph *graph,
                           const crd_onnx_node *node);

/** The attribute of that name, or NULL; its value, or the fallback where it is missing. */
const crd_onnx_attr *crd_onnx_attr_find(const crd_onnx_node *node, const char *name);
int64_t crd_onnx_attr_int(const crd_onnx_node *node, const char *name, int64_t fallback);
double crd_onnx_attr_real(const crd_onnx_node *node, const char *name, double fallback);
const char *crd_onnx_attr_text(const crd_onnx_node *node, const char *name, const char *fallback);
/** Gives a node a number under a name. */
crd_status crd_onnx_attr_add(crd_onnx_node *node, const char *name, double value);

/** The constant that is input k of a node; NULL: omitted, or none. */
const crd_onnx_tensor *crd_onnx_constant(const crd_onnx_graph *graph, const crd_onnx_node *node,
                                         int k);
/** Its shape; n_dims -1: omitted, or not known. */
const crd_shape *crd_onnx_shape_of(const crd_onnx_graph *graph, const crd_onnx_node *node, int k);

#endif
