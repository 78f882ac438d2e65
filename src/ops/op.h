/** Operators: the table that says all about one, and how an op of a graph is run.
 *
 * An operator is one file of src/ops, one line in registry.c and one test (README.md). Graph,
 * planner, passes, initial values, names, files and reports ask the table. Nobody outside of this
 * room reads an operator's attributes or compares it with another.
 *
 * Activations are float32 arrays (features, images, positions): of an image (channels, images,
 * height, width), of a vector (features, images). Shapes leave the batch out. Room: ops.
 */
#ifndef CRD_OPS_OP_H
#define CRD_OPS_OP_H

#include <stdbool.h>
#include <stddef.h>

#include "credence/attr.h"
#include "credence/precision.h"
#include "credence/tensor.h"
#include "kernels/activation.h"
#include "tensor/weight_source.h"

/** Most parameters of an operator. */
enum { CRD_OP_MAX_PARAMS = 16 };

/** Largest number of elements of one image at one op, and of one parameter tensor: the product of
 * two such numbers fits int64. */
#define CRD_OP_MAX_ELEMENTS INT32_MAX
/** Largest kernel size, stride, padding, dilation. */
#define CRD_OP_MAX_WINDOW 65536

/** One attribute, in the operator's own structure and in the graph's JSON. */
typedef struct crd_attr_spec {
    const char *name; /**< torch's argument */
    size_t offset;    /**< into the operator's structure: int64_t, or double if is_real */
    int count;        /**< numbers; more than 1 are a JSON array */
    bool is_real;
    double min, max;            /**< allowed values */
    const char *const *choices; /**< NULL, or words, NULL-terminated: the number is an index */
    bool is_optional;
    double fallback; /**< of one that is optional */
    /** A list of 1 to `count` numbers, always a JSON array. After its last one the structure
     * holds a number below min. */
    bool is_list;
} crd_attr_spec;

typedef enum crd_param_role {
    CRD_TRAINED,   /**< has a gradient */
    CRD_STATISTIC, /**< follows the data in training, e.g. a running mean */
    CRD_CONSTANT   /**< stays what it is */
} crd_param_role;

/** Values to train from. */
typedef enum crd_init_rule {
    CRD_INIT_ZERO,
    CRD_INIT_ONE,
    CRD_INIT_HE, /**< N(0, 2 / fan_in) */
    CRD_INIT_OWN /**< what the operator's `initial` says */
} crd_init_rule;

typedef struct crd_param_spec {
    /** Torch's name within its module: "weight". "": the parameter's name is that of the op. */
    const char *leaf;
    const char *bayesian_leaf; /**< bayesian-torch's, after "mu_" and "rho_": "kernel" */
    crd_param_role role;
    bool may_be_random;   /**< can have a posterior */
    bool is_by_name_only; /**< has none unless it is asked for: bayesian-torch leaves it as it is */
    bool is_streamed;     /**< read piece by piece through its source; else its values are whole */
    bool is_non_negative; /**< a variance */
    crd_init_rule initial;
} crd_param_spec;

/** Slots of an affine operator's parameters. */
enum { CRD_SLOT_WEIGHT, CRD_SLOT_BIAS };

typedef struct crd_op crd_op;

/** An operator's use in a graph: an op. */
typedef struct crd_graph_op {
    char *name;         /**< module path, unique: "layer1.0.conv1" */
    const crd_op *kind; /**< static table */
    void *attrs;        /**< kind->attrs_size bytes that only the operator reads; or NULL */
    int n_inputs;
    int64_t *inputs; /**< [n_inputs] indices of ops before this one */
    crd_shape *in;   /**< [n_inputs] their shapes */
    crd_shape shape; /**< of the output */
    /** By slot of kind->params: indices into the network's parameters; -1: none. */
    int64_t params[CRD_OP_MAX_PARAMS];
} crd_graph_op;

/** Where random numbers of an operator without random weights come from: a function of draw, image
 * and op, so that backward makes them again. */
typedef struct crd_op_random {
    uint64_t seed;
    int64_t draw, first_image;
    int64_t op; /**< index in the graph */
} crd_op_random;

/** Parameters that each step of a sequence has of its own. */
typedef struct crd_op_steps {
    /** The one of this slot at a step, until the next call for the slot; NULL: there is none. */
    const float *(*get)(int slot, int64_t step, const void *payload);
    /** Backward: takes the gradient at it. The op's dparams are not written then. */
    void (*take)(int slot, int64_t step, const float *dparam, const void *payload);
    const void *payload;
} crd_op_steps;

/** What a forward pass reads and writes. */
typedef struct crd_op_args {
    float *out;             /**< overwritten; may equal in[0] if the operator is in_place */
    const float *const *in; /**< [n_inputs] */
    crd_weight_source params[CRD_OP_MAX_PARAMS]; /**< by slot */
    const crd_op_steps *steps; /**< in place of params, if has_steps; NULL: all steps share them */
    crd_epilogue epilogue; /**< without bias, which is a parameter; of no other than has_epilogue */
    int64_t n_images;
    crd_precision precision;
    float *scratch;              /**< crd_op_scratch_floats, or _backward_ for the way back */
    const crd_op_random *random; /**< NULL: nothing but parameters is random: dropout keeps all */
    /** Batch statistics: the pass runs on them; written by forward, read by backward, see
     * crd_op_statistics. NULL: the pass runs on the running ones, which are parameters. */
    float *statistics;
} crd_op_args;

/** What a backward pass reads and writes beside the args of its forward pass. `in` and `out` still
 * hold what the operator keeps (keeps_in, keeps_out), and may hold anything else. */
typedef struct crd_op_grads {
    const float *dout;
    /** [n_inputs]; NULL: not asked for; din[0] may be dout if it is not added to and the operator
     * is in_place. */
    float *const *din;
    const bool *adds; /**< [n_inputs] din is added to; else overwritten */
    /** By slot; overwritten; NULL: not asked for. Of a statistic in a pass on batch statistics:
     * the value that it is to move towards. */
    float *dparams[CRD_OP_MAX_PARAMS];
} crd_op_grads;

/** Of an operator that can run on a batch's own statistics (normalisation in training). */
typedef struct crd_op_statistics {
    int64_t (*floats)(const crd_graph_op *op);
    double (*momentum)(const crd_graph_op *op); /**< share of a step in the running ones */
    /** After a forward pass: what the running ones move towards, by slot; NULL: not asked for. */
    void (*put)(const crd_graph_op *op, const struct crd_op_args *args,
                float *const dparams[CRD_OP_MAX_PARAMS]);
    /** Fails if n_images have none. */
    crd_status (*check)(const crd_graph_op *op, int64_t n_images);
} crd_op_statistics;

/** Of an operator that is out = gain x + shift for each channel: it can become part of an affine
 * one that makes x. */
typedef struct crd_op_fold {
    /** By its parameters' values, by slot. Fails if a number is not finite. */
    crd_status (*affine)(double *gain, double *shift, const crd_graph_op *op,
                         const float *const *params, int64_t channel);
    /** Parameter, one element a channel, that holds the shifts if the other op lacks a bias. */
    int shift_slot;
} crd_op_fold;

struct crd_op {
    const char *name;           /**< torch's class name */
    const crd_attr_spec *attrs; /**< ends with a NULL name; NULL: none */
    size_t attrs_size;
    int min_inputs, max_inputs; /**< max -1: any number */
    const crd_param_spec *params;
    int n_params;

    /* Traits. */
    bool is_affine;  /**< one input; linear in it, and in its parameters 0 and 1, weight and bias */
    bool takes_fold; /**< is_affine, and the weight's first extent is that of the output's features:
                        a norm after it can become part of it */
    bool has_epilogue;        /**< applies args.epilogue */
    bool has_steps;           /**< goes through a sequence step by step: takes args.steps */
    bool is_sum;              /**< adds two inputs of equal shape: can be another one's residual */
    bool in_place;            /**< out may be in[0], and din[0] dout */
    bool keeps_in, keeps_out; /**< backward reads in, out */
    /** Output is the input's numbers as they are: nothing runs if they share their place. Or
     * NULL. */
    bool (*is_view)(const crd_graph_op *op);
    /** Output is whole features of its one input, from this one on; -1: it is not. NULL: never. */
    int64_t (*first_feature)(const crd_graph_op *op);
    bool is_idle_in_prediction; /**< its output is its input there, unless it is stochastic */
    /** Differs from draw to draw without random parameters. NULL: never. */
    bool (*is_stochastic)(const crd_graph_op *op);
    /** The function of one element that it is: can be an epilogue's. NULL: it is no such
     * function. */
    crd_activation (*activation)(const crd_graph_op *op);
    const crd_op_statistics *statistics; /**< or NULL */
    const crd_op_fold *fold;             /**< or NULL */

    /** Sets op->shape, and parameter shapes by slot (n_dims -1 as given: no such parameter).
     * Attributes and the number of inputs are checked before. */
    crd_status (*infer)(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS]);
    /** Mean and deviation of normal values to train from, of CRD_INIT_OWN. */
    void (*initial)(double *mean, double *sd, const crd_graph_op *op);
    /** Multiply-adds of one image. NULL: 0. */
    int64_t (*work)(const crd_graph_op *op);
    /** Floats of scratch of a pass over exactly n_images; NULL: none. */
    int64_t (*scratch_floats)(const crd_graph_op *op, int64_t n_images, crd_precision precision);
    int64_t (*backward_scratch_floats)(const crd_graph_op *op, int64_t n_images);
    /** Name of the algorithm for n_images; NULL: there is but one. */
    const char *(*method)(const crd_graph_op *op, int64_t n_images, crd_precision precision);
    void (*forward)(const crd_graph_op *op, const crd_op_args *args);
    void (*backward)(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads);
};

/** A fault of an op: names it and its kind. */
#define CRD_OP_FAIL(op, format, ...)                                                               \
    CRD_FAIL(CRD_ERR_INPUT, "op '%s' (%s): " format, (op)->name, (op)->kind->name, __VA_ARGS__)

/** The operator of that name, or NULL. */
const crd_op *crd_op_find(const char *name);
/** The one that is a graph's input; not in the registry. */
extern const crd_op crd_op_input;

/** Fills op->attrs, which it allocates, from a list by name (NULL: empty) and the fallbacks, and
 * checks all. Errors: CRD_ERR_INPUT naming op and attribute: unknown, missing, of another type, out
 * of range. */
crd_status crd_op_set_attrs(crd_graph_op *op, const crd_attr *attrs);
/** Value of an attribute of this spec. */
crd_attr crd_op_get_attr(const crd_graph_op *op, const crd_attr_spec *spec);

/** Whether any of its parameters may be random; whether the output may take the first input's
 * place, because the operator can run in place or is a view. */
bool crd_op_may_be_random(const crd_graph_op *op);
bool crd_op_can_run_in_place(const crd_graph_op *op);
bool crd_op_is_view(const crd_graph_op *op);
bool crd_op_is_stochastic(const crd_graph_op *op);
/** Whether nothing runs in prediction if input and output share their place. */
bool crd_op_is_idle(const crd_graph_op *op);

/** Scratch of a forward, and of a backward pass over up to n_images. A convolution cuts its columns
 * evenly, so fewer images in fewer pieces may need more. */
int64_t crd_op_scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision);
int64_t crd_op_backward_scratch_floats(const crd_graph_op *op, int64_t n_images);

#endif
