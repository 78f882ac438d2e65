/* Which ops can become part of the one before them: a map gain x + shift of every channel, whose
 * input an affine op makes for nobody else. Folding itself is arithmetic on parameters:
 * src/bayes/model.c. */
#include "graph/graph.h"

int64_t crd_network_fold_target(const crd_network *network, int64_t index)
{
    const crd_graph_op *op = &network->ops[index];
    if (op->kind->fold == NULL || !network->ops[op->inputs[0]].kind->takes_fold)
        return -1;
    int64_t target = op->inputs[0];
    for (int64_t i = target + 1; i < network->n_ops; i++)
        for (int k = 0; k < network->ops[i].n_inputs; k++)
            if (i != index && network->ops[i].inputs[k] == target)
                return -1;
    return target;
}
