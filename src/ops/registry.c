/* All operators. A new one is one line of the list, which declares it and puts it into the
 * table. */
#include <string.h>

#include "ops/op.h"

/* clang-format off */
#define OPERATORS(X) \
    X(conv2d) \
    X(linear) \
    X(in_projection) \
    X(qkv_projection) \
    X(attention) \
    X(parameter) \
    X(buffer) \
    X(relative_coords) \
    X(batch_norm2d) \
    X(layer_norm) \
    X(filter_response_norm2d) \
    X(layer_scale) \
    X(max_pool2d) \
    X(avg_pool2d) \
    X(adaptive_avg_pool2d) \
    X(relu) \
    X(relu6) \
    X(leaky_relu) \
    X(elu) \
    X(sigmoid) \
    X(tanh) \
    X(silu) \
    X(gelu) \
    X(hardsigmoid) \
    X(hardswish) \
    X(add) \
    X(concat) \
    X(narrow) \
    X(channel_shuffle) \
    X(mul) \
    X(flatten) \
    X(unflatten) \
    X(reshape) \
    X(zero_pad2d) \
    X(space_to_depth) \
    X(softmax) \
    X(dropout) \
    X(stochastic_depth) \
    X(pad_shortcut) \
    X(hardtanh) \
    X(scale_shift) \
    X(pow) \
    X(celu) \
    X(threshold) \
    X(abs) \
    X(neg) \
    X(exp) \
    X(log) \
    X(sqrt) \
    X(reciprocal) \
    X(sin) \
    X(cos) \
    X(erf) \
    X(softplus) \
    X(softsign) \
    X(mish) \
    X(prelu) \
    X(group_norm) \
    X(broadcast_add) \
    X(sub) \
    X(div) \
    X(maximum) \
    X(minimum) \
    X(conv_transpose2d) \
    X(upsample) \
    X(conv1d) \
    X(conv3d) \
    X(lstm) \
    X(gru) \
    X(rnn) \
    X(embedding) \
    X(reflection_pad2d) \
    X(replication_pad2d) \
    X(circular_pad2d) \
    X(conv_transpose1d) \
    X(conv_transpose3d) \
    X(max_pool1d) \
    X(max_pool3d) \
    X(avg_pool1d) \
    X(avg_pool3d) \
    X(adaptive_max_pool1d) \
    X(adaptive_max_pool2d) \
    X(adaptive_max_pool3d) \
    X(adaptive_avg_pool1d) \
    X(adaptive_avg_pool3d) \
    X(local_response_norm) \
    X(permute) \
    X(mat_mul)
/* clang-format on */

#define DECLARE(op) extern const crd_op crd_op_##op;
OPERATORS(DECLARE)

#define ENTER(op) &crd_op_##op,
static const crd_op *const operators[] = {OPERATORS(ENTER)};
enum { N_OPERATORS = sizeof operators / sizeof *operators };

const crd_op *crd_op_find(const char *name)
{
    for (int i = 0; i < N_OPERATORS; i++)
        if (strcmp(operators[i]->name, name) == 0)
            return operators[i];
    return NULL;
}
