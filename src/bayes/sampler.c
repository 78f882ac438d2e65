/* One walk over the graph for a block of draws. What no drawn weight influences is computed once;
 * behind the first random layer every activation has a copy a draw. The front of the network, large activations and
 * small weights, is walked for one draw after the other; behind it all draws go together, so that mu and sigma
 * are read once. Always one layer's call has the same shape whatever the number of draws, since the
 * last bits of a matrix product depend on it. */
#include "credence/sampler.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bayes/estimator.h"
#include "nn/plan.h"

/* Weights that the front may have: mu and sigma of this many stay in the cache from draw to draw. */
enum { MAX_FRONT_WEIGHTS = 1 << 20 };

struct crd_sampler {
    crd_model model;
    const crd_estimator *estimator;
    uint64_t seed;
    int antithetic;
    crd_precision precision;
    uint8_t *random; /* [n_nodes] own weights are drawn */
    uint8_t *folded; /* [n_nodes] batch norm that is part of the layer before it */
    int64_t *bias;   /* [n_nodes] a weighted node's bias parameter, its own or folded; -1 */
    crd_fusion fusion;
    crd_plan plan;
    /* What no draw influences is computed once for consecutive calls on the same images. */
    int has_fixed;      /* there is such a node behind the input */
    float *last_images; /* of the call before; NULL without has_fixed */
    int64_t n_last_images;
    int is_alone; /* but one node is random, so that its scratch is its own */
    float *arena;
    float *layer_scratch;
    float *estimator_scratch;
    double *node_s; /* [n_nodes] seconds of the last call */
    crd_sampler_times times;
};

/* Which nodes are random or folded away, and where the shift of a folded batch norm lies. */
static void classify(crd_sampler *sampler, int mean)
{
    const crd_network *network = sampler->model.network;
    for (int64_t i = 0; i < network->n_nodes; i++) {
        const crd_node *node = &network->nodes[i];
        int64_t weight = node->params[CRD_PARAM_WEIGHT], bias = node->params[CRD_PARAM_BIAS];
        sampler->bias[i] = bias;
        if (!mean && crd_node_is_weighted(node))
            sampler->random[i] =
                sampler->model.bayesian[weight] || (bias >= 0 && sampler->model.bayesian[bias]);
        int64_t target = crd_network_fold_target(network, i);
        if (target < 0)
            continue;
        sampler->folded[i] = 1;
        if (sampler->bias[target] < 0)
            sampler->bias[target] = bias;
    }
}

static void find_fixed(crd_sampler *sampler)
{
    int64_t n_random = 0;
    for (int64_t i = 1; i < sampler->model.network->n_nodes; i++) {
        n_random += sampler->random[i];
        if (!sampler->fusion.influenced[i])
            sampler->has_fixed = 1;
    }
    sampler->is_alone = n_random == 1;
}

/* The plan asks for a full batch only; but a convolution cuts its columns evenly, so a smaller
 * batch in fewer pieces may need more. */
static int64_t layer_scratch_floats(const crd_sampler *sampler)
{
    const crd_network *network = sampler->model.network;
    int64_t most = sampler->plan.scratch_floats;
    for (int64_t i = 0; i < network->n_nodes; i++) {
        const crd_node *node = &network->nodes[i];
        const crd_shape *in[CRD_NODE_MAX_INPUTS] = {NULL};
        if (node->layer->scratch_floats == NULL || sampler->folded[i])
            continue;
        for (int k = 0; k < node->n_inputs; k++)
            in[k] = &network->nodes[node->inputs[k]].shape;
        for (int64_t n = 1; n < sampler->plan.n_images; n++) {
            int64_t floats = node->layer->scratch_floats(node, in, n, sampler->precision);
            most = floats > most ? floats : most;
        }
    }
    return most;
}

static int64_t estimator_scratch_floats(const crd_sampler *sampler)
{
    const crd_network *network = sampler->model.network;
    int64_t most = 0;
    for (int64_t i = 0; i < network->n_nodes; i++) {
        if (!sampler->random[i])
            continue;
        const crd_node *node = &network->nodes[i];
        int64_t floats = sampler->estimator->scratch_floats(
            &sampler->model, node, node->params[CRD_PARAM_WEIGHT], sampler->bias[i],
            sampler->plan.n_images);
        most = floats > most ? floats : most;
    }
    return most;
}

static int64_t n_weights(const crd_sampler *sampler, int64_t node)
{
    const crd_network *network = sampler->model.network;
    return sampler->random[node]
               ? network->params.entries[network->nodes[node].params[CRD_PARAM_WEIGHT]].count
               : 0;
}

/* Of the fronts whose weights are few enough, the one with the smallest arena. */
static crd_status plan_memory(crd_sampler *sampler, int64_t n_images, int64_t n_draws)
{
    const crd_network *network = sampler->model.network;
    crd_status status =
        crd_plan_init_fused(&sampler->plan, network, &sampler->fusion, sampler->has_fixed, 0,
                            n_images, n_draws, sampler->precision);
    int64_t weights = 0;
    if (sampler->estimator->shares_work || n_draws == 1)
        return status;
    for (int64_t at = 1; status == CRD_OK && at <= network->n_nodes; at++) {
        crd_plan plan;
        weights += n_weights(sampler, at - 1);
        if (weights > MAX_FRONT_WEIGHTS)
            break;
        if (!crd_fusion_can_cut(&sampler->fusion, network, at))
            continue;
        status = crd_plan_init_fused(&plan, network, &sampler->fusion, sampler->has_fixed, at,
                                     n_images, n_draws, sampler->precision);
        if (status == CRD_OK && plan.arena_floats < sampler->plan.arena_floats) {
            crd_plan smaller = plan;
            plan = sampler->plan;
            sampler->plan = smaller;
        }
        crd_plan_clear(&plan);
    }
    return status;
}

crd_status crd_sampler_create(crd_sampler **out, const crd_model *model,
                              const crd_sampler_options *options)
{
    crd_status status = CRD_OK;
    crd_sampler *sampler = NULL;
    int64_t n_nodes = model->network->n_nodes;
    *out = NULL;
    CRD_REQUIRE(options->batch > 0, CRD_ERR_USAGE, "batch: %lld is not a positive number",
                (long long)options->batch);
    CRD_REQUIRE(options->draw_block > 0, CRD_ERR_USAGE, "draw_block: %lld is not a positive number",
                (long long)options->draw_block);
    CRD_ALLOC(&sampler, 1, "sampler");
    sampler->model = *model;
    sampler->seed = options->seed;
    sampler->antithetic = options->antithetic;
    sampler->precision = options->precision;
    CRD_TRY(crd_estimator_find(&sampler->estimator, options->estimator, "estimator"));
    CRD_REQUIRE(model->eps == NULL || sampler->estimator->draws_weights, CRD_ERR_USAGE,
                "estimator: %s draws no weights, so eps cannot be imported", options->estimator);
    CRD_ALLOC(&sampler->random, n_nodes, "random nodes");
    CRD_ALLOC(&sampler->folded, n_nodes, "folded nodes");
    CRD_ALLOC(&sampler->bias, n_nodes, "bias parameters");
    CRD_ALLOC(&sampler->node_s, n_nodes, "times");
    classify(sampler, options->mean);
    CRD_TRY(crd_fusion_init(&sampler->fusion, model->network, sampler->random, sampler->folded, 1));
    find_fixed(sampler);
    CRD_TRY(plan_memory(sampler, options->batch, options->draw_block));
    if (sampler->has_fixed)
        CRD_ALLOC(&sampler->last_images,
                  options->batch * crd_shape_count(crd_network_input_shape(model->network)),
                  "images of the last call");
    CRD_ALLOC(&sampler->arena, sampler->plan.arena_floats, "activations");
    CRD_ALLOC(&sampler->layer_scratch, layer_scratch_floats(sampler), "scratch of the layers");
    CRD_ALLOC(&sampler->estimator_scratch, estimator_scratch_floats(sampler),
              "scratch of the estimator");
    *out = sampler;
    return CRD_OK;
cleanup:
    crd_sampler_destroy(sampler);
    return status;
}

void crd_sampler_destroy(crd_sampler *sampler)
{
    if (sampler == NULL)
        return;
    crd_free(sampler->estimator_scratch);
    crd_free(sampler->layer_scratch);
    crd_free(sampler->arena);
    crd_free(sampler->last_images);
    crd_plan_clear(&sampler->plan);
    crd_fusion_clear(&sampler->fusion);
    crd_free(sampler->node_s);
    crd_free(sampler->bias);
    crd_free(sampler->folded);
    crd_free(sampler->random);
    crd_free(sampler);
}

/* Draws [at, at + n_draws) of a call's block. */
typedef struct pass {
    int64_t n_images, first_image;
    int64_t at, n_draws, first_draw; /* first_draw: number of the draw at `at` */
    int is_repeated;                 /* same images as in the call before */
} pass;

static float *place_of(const crd_sampler *sampler, int64_t node)
{
    return sampler->arena + sampler->plan.offsets[node];
}

/* From one draw's copy of an activation to the next; 0: there is one for all, or for one after the other. */
static int64_t draw_step(const crd_sampler *sampler, int64_t node)
{
    return sampler->plan.n_copies[node] == 1 ? 0 : sampler->plan.floats[node];
}

/* Of the pass's first draw. */
static float *activation(const crd_sampler *sampler, int64_t node, const pass *p)
{
    return place_of(sampler, node) + p->at * draw_step(sampler, node);
}

/* What a host adds to its output; NULL: nothing. */
static const float *residual_of(const crd_sampler *sampler, int64_t node, const pass *p)
{
    int64_t residual = sampler->fusion.residual[node];
    return residual < 0 ? NULL : activation(sampler, residual, p);
}

static int64_t residual_step(const crd_sampler *sampler, int64_t node)
{
    int64_t residual = sampler->fusion.residual[node];
    return residual < 0 ? 0 : draw_step(sampler, residual);
}

/* A node whose parameters are not drawn, for as many copies as its input has. */
static void run_fixed(crd_sampler *sampler, int64_t index, const pass *p)
{
    double start_s = crd_clock_now_s();
    const crd_network *network = sampler->model.network;
    const crd_node *node = &network->nodes[index];
    crd_layer_args args = {.relu = sampler->fusion.relu[index],
                           .n_images = p->n_images,
                           .precision = sampler->precision,
                           .scratch = sampler->layer_scratch};
    const float *residual = residual_of(sampler, index, p);
    for (int slot = 0; slot < CRD_NODE_MAX_PARAMS; slot++) {
        int64_t param = slot == CRD_PARAM_BIAS ? sampler->bias[index] : node->params[slot];
        args.params[slot] = crd_estimator_values(sampler->model.mu, &sampler->model, param);
    }
    int64_t n_copies = draw_step(sampler, index) == 0 ? 1 : p->n_draws;
    for (int64_t d = 0; d < n_copies; d++) {
        args.out = activation(sampler, index, p) + d * draw_step(sampler, index);
        for (int k = 0; k < node->n_inputs; k++) {
            int64_t input = node->inputs[k];
            args.in[k] = activation(sampler, input, p) + d * draw_step(sampler, input);
            args.in_shape[k] = &network->nodes[input].shape;
        }
        args.residual = residual == NULL ? NULL : residual + d * residual_step(sampler, index);
        node->layer->forward(node, &args);
    }
    double *spent_s =
        crd_node_is_weighted(node) ? &sampler->times.weighted_s : &sampler->times.rest_s;
    *spent_s += crd_clock_now_s() - start_s;
}

static void run_random(crd_sampler *sampler, int64_t index, const pass *p)
{
    const crd_node *node = &sampler->model.network->nodes[index];
    const crd_estimator_args args = {
        .out = activation(sampler, index, p),
        .out_step = draw_step(sampler, index),
        .in = activation(sampler, node->inputs[0], p),
        .in_step = draw_step(sampler, node->inputs[0]),
        .residual = residual_of(sampler, index, p),
        .residual_step = residual_step(sampler, index),
        .relu = sampler->fusion.relu[index],
        .is_repeated = p->is_repeated && sampler->is_alone,
        .model = &sampler->model,
        .node = node,
        .weight = node->params[CRD_PARAM_WEIGHT],
        .bias = sampler->bias[index],
        .seed = sampler->seed,
        .antithetic = sampler->antithetic,
        .n_images = p->n_images,
        .first_image = p->first_image,
        .n_draws = p->n_draws,
        .first_draw = p->first_draw,
        .precision = sampler->precision,
        .scratch = sampler->estimator_scratch,
        .layer_scratch = sampler->layer_scratch,
        .times = &sampler->times,
    };
    sampler->estimator->forward(&args);
}

/* Nodes [begin, end). What no draw influences is there from the block's first draw on. */
static void run_nodes(crd_sampler *sampler, int64_t begin, int64_t end, const pass *p)
{
    for (int64_t i = begin; i < end; i++) {
        double start_s = crd_clock_now_s();
        int is_done = (p->is_repeated || p->at > 0) && !sampler->fusion.influenced[i];
        if (sampler->fusion.host[i] != i || is_done)
            continue;
        if (sampler->random[i])
            run_random(sampler, i, p);
        else
            run_fixed(sampler, i, p);
        sampler->node_s[i] += crd_clock_now_s() - start_s;
    }
}

static crd_status check_finite(const float *logits, int64_t n_classes, int64_t n_images,
                               int64_t first_image, int64_t n_draws, int64_t first_draw)
{
    for (int64_t i = 0; i < n_draws * n_images * n_classes; i++)
        if (!isfinite(logits[i]))
            return CRD_FAIL(CRD_ERR_NUMERIC, "draw %lld, image %lld: logit %lld is %g",
                            (long long)(first_draw + i / n_classes / n_images),
                            (long long)(first_image + i / n_classes % n_images),
                            (long long)(i % n_classes), (double)logits[i]);
    return CRD_OK;
}

/* Whether a call fits the plan and the 32 bits that a random number's address has for draw and
 * image. */
static crd_status check_call(const crd_sampler *sampler, int64_t n_images, int64_t first_image,
                             int64_t n_draws, int64_t first_draw)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(n_images > 0 && n_images <= sampler->plan.n_images, CRD_ERR_USAGE,
                "images: %lld in a call; from 1 to %lld are planned", (long long)n_images,
                (long long)sampler->plan.n_images);
    CRD_REQUIRE(n_draws > 0 && n_draws <= sampler->plan.n_draws, CRD_ERR_USAGE,
                "draws: %lld in a call; from 1 to %lld are planned", (long long)n_draws,
                (long long)sampler->plan.n_draws);
    CRD_REQUIRE(first_draw >= 0 && first_draw <= UINT32_MAX - n_draws, CRD_ERR_USAGE,
                "draws: number %lld is not from 0 to 2^32 - 1", (long long)first_draw);
    CRD_REQUIRE(first_image >= 0 && first_image <= UINT32_MAX - n_images, CRD_ERR_USAGE,
                "images: number %lld is not from 0 to 2^32 - 1", (long long)first_image);
cleanup:
    return status;
}

/* Returns 1 if they are those of the call before, so that what they alone decide is still there. */
static int load_images(crd_sampler *sampler, const float *images, int64_t n_images)
{
    crd_extent in = crd_extent_make(crd_network_input_shape(sampler->model.network), n_images);
    size_t bytes = (size_t)in.total * sizeof *images;
    if (sampler->has_fixed) {
        if (n_images == sampler->n_last_images && memcmp(images, sampler->last_images, bytes) == 0)
            return 1;
        memcpy(sampler->last_images, images, bytes);
        sampler->n_last_images = n_images;
    }
    crd_extent_load(place_of(sampler, 0), images, &in);
    return 0;
}

crd_status crd_sampler_run(float *logits, crd_sampler *sampler, const float *images,
                           int64_t n_images, int64_t first_image, int64_t first_draw,
                           int64_t n_draws)
{
    const crd_network *network = sampler->model.network;
    crd_status status = check_call(sampler, n_images, first_image, n_draws, first_draw);
    if (status != CRD_OK)
        return status;

    double start_s = crd_clock_now_s();
    int is_repeated = load_images(sampler, images, n_images);
    sampler->times.rest_s += crd_clock_now_s() - start_s;

    memset(sampler->node_s, 0, (size_t)network->n_nodes * sizeof *sampler->node_s);
    pass p = {
        .n_images = n_images, .first_image = first_image, .n_draws = 1, .is_repeated = is_repeated};
    int64_t n_front = sampler->plan.n_front;
    for (; p.at < n_draws && n_front > 0; p.at++) {
        p.first_draw = first_draw + p.at;
        run_nodes(sampler, 1, n_front, &p);
    }
    p.at = 0;
    p.first_draw = first_draw;
    p.n_draws = n_draws;
    run_nodes(sampler, n_front > 0 ? n_front : 1, network->n_nodes, &p);

    start_s = crd_clock_now_s();
    int64_t last = network->n_nodes - 1;
    crd_extent out = crd_extent_make(&network->nodes[last].shape, n_images);
    for (int64_t d = 0; d < n_draws; d++)
        crd_extent_store(logits + d * out.total,
                         place_of(sampler, last) + d * draw_step(sampler, last), &out);
    status = check_finite(logits, out.per_image, n_images, first_image, n_draws, first_draw);
    sampler->times.rest_s += crd_clock_now_s() - start_s;
    return status;
}

crd_sampler_times crd_sampler_get_times(const crd_sampler *sampler)
{
    return sampler->times;
}

double crd_sampler_node_seconds(const crd_sampler *sampler, int64_t node)
{
    return sampler->node_s[node];
}

const char *crd_sampler_method(const crd_sampler *sampler, int64_t node)
{
    const crd_network *network = sampler->model.network;
    const crd_node *n = &network->nodes[node];
    const crd_shape *in[CRD_NODE_MAX_INPUTS] = {NULL};
    for (int k = 0; k < n->n_inputs; k++)
        in[k] = &network->nodes[n->inputs[k]].shape;
    return n->layer->method == NULL
               ? ""
               : n->layer->method(n, in, sampler->plan.n_images, sampler->precision);
}
