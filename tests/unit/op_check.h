/** Checks one op against a plain version of it in double: its output, and all its gradients by central
 * differences, added to what is there and overwriting it, in place where it can be; and that NaN
 * in an input or a parameter reaches the outputs that depend on it.
 *
 * The plain version's activations are (image, feature, position), not the library's layout. */
#ifndef CRD_TESTS_UNIT_OP_CHECK_H
#define CRD_TESTS_UNIT_OP_CHECK_H

#include "test_ops.h"

enum { OP_CHECK_MAX_INPUTS = 4 };

/** Output of the op; params by slot, NULL: none. */
typedef void op_reference(double *out, const crd_graph_op *op, const double *const *in,
                          const double *const *params, int64_t n_images, const void *payload);

typedef struct op_case {
    const char *kind;
    const attr_list *attrs;                /**< NULL: none */
    crd_shape shapes[OP_CHECK_MAX_INPUTS]; /**< of the inputs; n_dims 0: no more of them */
    int64_t n_images;
    int on_batch_statistics;
    op_reference *reference;
    const void *payload;
    crd_op_random random; /**< of a stochastic op: address of its numbers; op is set by the check */
} op_case;

/** Fails the test at the first mismatch. */
void op_check(const op_case *c);

/** Holds an op of one input against given values, (image, feature, position), to 1e-6 of 1: `out` for
 * `in` and params by slot (NULL: none), and `din` for `dout` (NULL: not compared). */
typedef struct op_values {
    const float *in, *dout, *params[4];
    const double *out, *din;
} op_values;
void op_check_values(const op_case *c, const op_values *values);

/** The pieces of a check, for tests that look further: an op on inputs of its own, with values by a
 * formula, as floats in the library's layout and as doubles in the reference's. */
typedef struct op_fixture {
    const op_case *c;
    crd_network *network;
    const crd_graph_op *op; /**< the last one */
    int n_inputs;
    int64_t n_in[OP_CHECK_MAX_INPUTS], n_out; /**< elements of all images */
    double *in[OP_CHECK_MAX_INPUTS], *params[CRD_OP_MAX_PARAMS], *weights, *out;
    float *in_f[OP_CHECK_MAX_INPUTS], *params_f, *out_f, *dout_f, *scratch, *statistics;
} op_fixture;
void op_fixture_init(op_fixture *f, const op_case *c);
void op_fixture_clear(op_fixture *f);
/** Number of elements, and a parameter of the float block; 0 and NULL: none. */
int64_t op_fixture_count(const op_fixture *f, int slot);
float *op_fixture_param(const op_fixture *f, float *block, int slot);
/** Where element i of (image, feature, position) is in (feature, image, position). */
int64_t op_fixture_place(int64_t i, const crd_shape *shape, int64_t n_images);
/** sum(weights * out) of the plain version; leaves its output in f->out. */
double op_fixture_loss(op_fixture *f);
/** Arguments of a forward pass. */
crd_op_args op_fixture_args(const op_fixture *f);

#endif
