#include "walker.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

void walker_fill(float *out, int64_t n, const char *name, float scale, float offset)
{
    uint32_t seed = 2166136261u;
    for (const char *c = name; *c != '\0'; c++)
        seed = (seed ^ (unsigned char)*c) * 16777619u;
    for (int64_t i = 0; i < n; i++) {
        uint32_t x = (uint32_t)i * 0x9E3779B1u + seed;
        x ^= x >> 16;
        x *= 0x7FEB352Du;
        x ^= x >> 15;
        x *= 0x846CA68Bu;
        x ^= x >> 16;
        float u = (float)(x >> 8) * 0x1p-23f - 1;
        out[i] = u * scale + offset;
    }
}

crd_status walker_make_params(float **out, const crd_network *network)
{
    crd_status status = CRD_OK;
    CRD_ALLOC(out, network->params.n_floats, "parameters");
    for (int64_t i = 0; i < network->params.n_params; i++) {
        const crd_param *param = &network->params.entries[i];
        const char *dot = strrchr(param->name, '.'), *leaf = dot == NULL ? param->name : dot;
        float scale = 0.1f, offset = 0;
        if (param->shape.n_dims > 1 && param->count > param->shape.dims[0]) {
            scale = (float)sqrt(6.0 / (double)(param->count / param->shape.dims[0]));
        } else if (strcmp(leaf, ".weight") == 0 || strcmp(leaf, ".layer_scale") == 0) {
            scale = 0.2f;
            offset = 0.7f;
        } else if (strcmp(leaf, ".running_var") == 0) {
            scale = 0.2f;
            offset = 1;
        }
        walker_fill(*out + param->offset, param->count, param->name, scale, offset);
    }
cleanup:
    return status;
}

crd_status plan_plainly(crd_plan *plan, const crd_network *network, const uint8_t *random,
                        int64_t n_images, int64_t n_draws)
{
    crd_fusion fusion;
    *plan = (crd_plan){0};
    crd_status status = crd_fusion_init(&fusion, network, random, NULL, 0);
    if (status == CRD_OK)
        status = crd_plan_init(plan, network, &fusion, 0, 0, n_images, n_draws);
    crd_fusion_clear(&fusion);
    return status;
}

static void run_op(const crd_network *network, const crd_plan *plan, const float *params,
                   float *arena, float *scratch, int64_t index, int64_t draw)
{
    const crd_graph_op *op = &network->ops[index];
    const float *inputs[128] = {NULL};
    crd_op_args args = {.in = inputs, .n_images = plan->n_images, .scratch = scratch};
    args.out = arena + plan->offsets[index] + draw * plan->floats[index];
    for (int k = 0; k < op->n_inputs; k++) {
        int64_t in = op->inputs[k];
        int64_t copy = plan->n_copies[in] > 1 ? draw : 0;
        inputs[k] = arena + plan->offsets[in] + copy * plan->floats[in];
    }
    for (int k = 0; k < op->kind->n_params; k++)
        if (op->params[k] >= 0)
            args.params[k].values = params + network->params.entries[op->params[k]].offset;
    op->kind->forward(op, &args);
}

crd_status walker_run(float *logits, const crd_network *network, const float *params,
                      const float *images, const uint8_t *random, int64_t n_images, int64_t n_draws)
{
    crd_status status = CRD_OK;
    crd_plan plan = {0};
    float *arena = NULL, *scratch = NULL;
    uint8_t *no_random = NULL;
    int64_t last = network->n_ops - 1, n_outputs = crd_network_n_outputs(network);
    const crd_shape *shape = crd_network_input_shape(network);
    int64_t n_channels = shape->dims[0], n_pixels = shape->dims[1] * shape->dims[2];
    CRD_ALLOC(&no_random, network->n_ops, "flags");
    CRD_TRY(plan_plainly(&plan, network, random != NULL ? random : no_random, n_images, n_draws));
    int64_t scratch_floats = 0;
    for (int64_t i = 0; i < network->n_ops; i++) {
        int64_t n = crd_op_scratch_floats(&network->ops[i], n_images, CRD_FP32);
        scratch_floats = n > scratch_floats ? n : scratch_floats;
    }
    /* Exactly what the plan says, so that the address sanitizer sees every step beyond. */
    CRD_ALLOC(&arena, plan.arena_floats, "arena");
    CRD_ALLOC(&scratch, scratch_floats, "scratch");
    for (int64_t i = 0; i < plan.arena_floats; i++)
        arena[i] = NAN;
    for (int64_t i = 0; i < n_images; i++)
        for (int64_t c = 0; c < n_channels; c++)
            memcpy(arena + plan.offsets[0] + (c * n_images + i) * n_pixels,
                   images + (i * n_channels + c) * n_pixels, (size_t)n_pixels * sizeof *arena);
    for (int64_t i = 1; i < network->n_ops; i++)
        for (int64_t d = 0; d < plan.n_copies[i]; d++)
            run_op(network, &plan, params, arena, scratch, i, d);
    for (int64_t d = 0; d < n_draws; d++) {
        int64_t copy = plan.n_copies[last] > 1 ? d : 0;
        const float *out = arena + plan.offsets[last] + copy * plan.floats[last];
        for (int64_t i = 0; i < n_images; i++)
            for (int64_t c = 0; c < n_outputs; c++)
                logits[(d * n_images + i) * n_outputs + c] = out[c * n_images + i];
    }
cleanup:
    crd_plan_clear(&plan);
    crd_free(arena);
    crd_free(scratch);
    crd_free(no_random);
    return status;
}
