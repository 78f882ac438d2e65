/** ONNX's operators: one row each says what shape it gives, how constants of it are evaluated, and
 * what it becomes in a network. Private to this room. */
#ifndef CRD_IMPORT_ONNX_OPERATORS_H
#define CRD_IMPORT_ONNX_OPERATORS_H

#include <stddef.h>

#include "import/onnx/onnx_graph.h"

typedef struct crd_onnx_lowering crd_onnx_lowering;

typedef struct crd_onnx_arg {
    bool is_given;
    crd_onnx_type type;
    crd_shape shape; /**< n_dims -1: not known */
    const crd_onnx_tensor *constant;
} crd_onnx_arg;

typedef struct crd_onnx_result {
    crd_onnx_type type;
    crd_shape shape;
    crd_onnx_tensor *tensor; /**< of eval: zeros of that type and shape, to be filled */
} crd_onnx_result;

/** A node with what is known of its inputs. */
typedef struct crd_onnx_call {
    const crd_onnx_node *node;
    int64_t opset;
    crd_onnx_budget *budget;
    int n_in, n_out;
    const crd_onnx_arg *in;
    crd_onnx_result *out;
} crd_onnx_call;

/** Two numbers that a function takes beside its argument: attributes, with ONNX's fallbacks. */
typedef struct crd_onnx_numbers {
    const char *a;
    double a_fallback;
    const char *b;
    double b_fallback;
} crd_onnx_numbers;

struct crd_onnx_operator {
    const char *name;
    int min_inputs;
    /** Sets type and shape of every output; before, they are the first input's type and "not
     * known", which may stay so. All of its inputs' shapes are known. */
    crd_status (*shape)(crd_onnx_call *call);
    /** Fills the outputs; all inputs are constants. NULL: is never folded. */
    crd_status (*eval)(crd_onnx_call *call);
    /** Appends what it is in a network; NULL: lacking there. */
    crd_status (*lower)(crd_onnx_lowering *lowering, const crd_onnx_node *node);
    bool takes_views; /**< lower takes its inputs as they lie; else they are in plain view */
    /* Of those that share a shape and an eval. */
    double (*unary)(double x, double a, double b);
    crd_onnx_numbers numbers;
    double (*binary)(double a, double b);
    int64_t (*integer)(int64_t a, int64_t b);
    bool tells_shapes; /**< its output is known with its inputs' shapes */
    enum { CRD_ONNX_ONCE, CRD_ONNX_PRODUCT, CRD_ONNX_SORT } cost; /**< arithmetic for an element */
    int rule;         /**< a choice among relatives; what, their file says */
    const char *kind; /**< of a plain lowering: the operator of src/ops */
};

/** Domain of the nodes that passes make. */
#define CRD_ONNX_OWN_DOMAIN "credence"

/** Row of an operator of the default domain, or of our own; NULL: there is none. */
const crd_onnx_operator *crd_onnx_operator_find(const char *op_type, const char *domain);
/** Whether the node is a living one of that operator. */
bool crd_onnx_is(const crd_onnx_node *node, const char *op_type);

/* What evaluations share. */

/** Fails naming nothing: callers name the node. */
#define CRD_ONNX_FAIL(...) CRD_FAIL(CRD_ERR_INPUT, __VA_ARGS__)

/** *axis from -n to n - 1 to one from 0. */
crd_status crd_onnx_axis(int *out, int64_t axis, int n);
/** Broadcasts b onto *out, as numpy does. */
crd_status crd_onnx_broadcast(crd_shape *out, const crd_shape *b);
/** Row-major strides of a shape; and of one that is broadcast to `to`: 0 along extents of 1. */
void crd_onnx_strides(int64_t out[CRD_MAX_DIMS], const crd_shape *shape);
void crd_onnx_strides_to(int64_t out[CRD_MAX_DIMS], const crd_shape *from, const crd_shape *to);
/** Place of element i of a shape under other strides. */
int64_t crd_onnx_place(int64_t i, const crd_shape *shape, const int64_t strides[CRD_MAX_DIMS]);
/** The integers that an operator has as attribute in old opsets and as constant input k in new
 * ones; *n -1: not given. Errors: more than `most`; an input that is not constant: *n is -2. */
crd_status crd_onnx_integers(int64_t *out, int *n, const crd_onnx_call *call, const char *attr,
                             int k, int most);
/** Extents before, along and after one axis. */
typedef struct crd_onnx_rows {
    int64_t before, extent, after;
} crd_onnx_rows;
crd_onnx_rows crd_onnx_rows_of(const crd_shape *shape, int axis);

#define CRD_ONNX_SHAPE(name) crd_status crd_onnx_shape_##name(crd_onnx_call *call)
#define CRD_ONNX_EVAL(name) crd_status crd_onnx_eval_##name(crd_onnx_call *call)

#endif
