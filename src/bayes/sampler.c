/* One walk over the graph for a block of draws. What no drawn weight influences is computed once;
 * after the first random layer every activation has a copy a draw. The front of the network, large
 * activations and small weights, is walked for one draw after the other; after it all draws go
 * together, so that mu and sigma are read once. Always one layer's call has the same shape whatever
 * the number of draws, since the last bits of a matrix product depend on it. */
#include "credence/sampler.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/integers.h"
#include "bayes/estimator.h"
#include "graph/plan.h"
#include "kernels/kernels.h"
#include "weights/family.h"

/* Weights that the front may have: mu and sigma of this many stay in the cache from draw to
 * draw. */
enum { MAX_FRONT_WEIGHTS = 1 << 20 };

struct crd_sampler {
    crd_model model;
    const crd_estimator *estimator;
    uint64_t seed;
    int antithetic, draws_all; /* draws_all: no norm is folded */
    crd_precision precision;
    uint8_t *drawn;  /* [n_ops] own weights differ from draw to draw */
    uint8_t *random; /* [n_ops] likewise, or the op is stochastic without weights */
    uint8_t *folded; /* [n_ops] a norm that is part of the op before it */
    /* [n_ops] parameters by slot; -1: none. Of a folded norm's target without bias that is the
     * norm's. */
    int64_t (*params)[CRD_OP_MAX_PARAMS];
    crd_fusion fusion;
    crd_plan plan;
    /* What no draw influences is computed once for consecutive calls on the same images. */
    int has_fixed;      /* there is such an op after the input */
    float *last_images; /* of the call before; NULL without has_fixed */
    int64_t n_last_images;
    int is_alone; /* but one op is random, so that its scratch is its own */
    float *arena;
    float *op_scratch;
    float *estimator_scratch;
    /* [max_inputs] of the op that runs. */
    const float **inputs, **moved_inputs;
    int64_t *input_steps;
    double *op_s; /* [n_ops] seconds of the last call */
    crd_sampler_times times;
};

static const crd_graph_op *op_at(const crd_sampler *sampler, int64_t index)
{
    return &sampler->model.network->ops[index];
}

/* Whether any parameter of an op has a posterior, in any component. */
static int has_posterior(const crd_sampler *sampler, int64_t index)
{
    const crd_model *model = &sampler->model;
    const crd_graph_op *op = op_at(sampler, index);
    for (int slot = 0; slot < op->kind->n_params; slot++)
        for (int64_t c = 0; op->params[slot] >= 0 && c < model->n_components; c++)
            if (model->bayesian[c * model->network->params.n_params + op->params[slot]])
                return 1;
    return 0;
}

/* Whether the components have different means of an op's parameters. */
static int differs(const crd_sampler *sampler, int64_t index)
{
    const crd_model *model = &sampler->model;
    for (int slot = 0; slot < op_at(sampler, index)->kind->n_params; slot++) {
        int64_t param = op_at(sampler, index)->params[slot];
        if (param >= 0 && model->differs != NULL && model->differs[param])
            return 1;
        for (int64_t c = 1; param >= 0 && model->differs == NULL && c < model->n_components; c++)
            if (memcmp(crd_model_values(model->mu, model, c, param, 0),
                       crd_model_values(model->mu, model, 0, param, 0),
                       (size_t)model->network->params.entries[param].count * sizeof(float)) != 0)
                return 1;
    }
    return 0;
}

/* Which ops are random or folded away, and where the shift of a folded norm lies. */
static void classify(crd_sampler *sampler, int mean)
{
    const crd_network *network = sampler->model.network;
    for (int64_t i = 0; i < network->n_ops; i++) {
        const crd_graph_op *op = op_at(sampler, i);
        memcpy(sampler->params[i], op->params, sizeof op->params);
        if (!mean) {
            sampler->drawn[i] = has_posterior(sampler, i) != 0;
            sampler->random[i] = crd_op_is_stochastic(op);
        }
        int64_t target = sampler->draws_all ? -1 : crd_network_fold_target(network, i);
        if (target < 0)
            continue;
        sampler->folded[i] = 1;
        if (sampler->params[target][CRD_SLOT_BIAS] < 0)
            sampler->params[target][CRD_SLOT_BIAS] = op->params[op->kind->fold->shift_slot];
    }
    for (int64_t i = 0; i < network->n_ops; i++)
        if (differs(sampler, i))
            sampler->drawn[sampler->folded[i] ? crd_network_fold_target(network, i) : i] = 1;
    for (int64_t i = 0; i < network->n_ops; i++)
        sampler->random[i] |= sampler->drawn[i];
}

/* Whether this model can be drawn from in this way; its means alone are a model of members. */
static crd_status take_model(crd_sampler *sampler, const crd_model *model,
                             const crd_sampler_options *options)
{
    crd_status status = CRD_OK;
    crd_model *own = &sampler->model;
    *own = *model;
    own->family = model->family != NULL ? model->family : &crd_family_normal;
    own->n_components = crd_larger(model->n_components, 1);
    sampler->draws_all = own->family->draws_all;
    CRD_TRY(crd_estimator_find(&sampler->estimator, options->estimator, "estimator"));
    if (options->mean && own->family->is_ensemble) {
        sampler->estimator = &crd_estimator_reparameterization;
        own->family = &crd_family_members;
        return CRD_OK;
    }
    int is_normal = own->family->has_sigma && !own->family->has_deviations;
    CRD_REQUIRE(is_normal || !sampler->estimator->needs_normal, CRD_ERR_USAGE,
                "estimator: %s needs independent normal weights; this posterior is of %lld %s",
                options->estimator, (long long)own->n_components, own->family->title);
    CRD_REQUIRE(own->family->has_sigma || !options->antithetic, CRD_ERR_USAGE,
                "antithetic draws need normal weights; this posterior is of %lld %s",
                (long long)own->n_components, own->family->title);
    CRD_REQUIRE(own->eps == NULL || sampler->estimator->draws_weights, CRD_ERR_USAGE,
                "estimator: %s does not draw one eps a weight, so eps cannot be imported",
                options->estimator);
    CRD_REQUIRE(own->eps == NULL || !own->family->is_ensemble, CRD_ERR_USAGE,
                "eps of one draw cannot be imported into an ensemble: its components have weights "
                "of their own");
cleanup:
    return status;
}

static crd_random_op random_op(const crd_sampler *sampler, int64_t index)
{
    return (crd_random_op){&sampler->model, op_at(sampler, index), sampler->params[index]};
}

static void find_fixed(crd_sampler *sampler)
{
    int64_t n_random = 0;
    for (int64_t i = 1; i < sampler->model.network->n_ops; i++) {
        n_random += sampler->random[i];
        if (!sampler->fusion.influenced[i])
            sampler->has_fixed = 1;
    }
    sampler->is_alone = n_random == 1;
}

static int64_t op_scratch_floats(const crd_sampler *sampler)
{
    int64_t most = 0;
    for (int64_t i = 0; i < sampler->model.network->n_ops; i++)
        if (sampler->fusion.into[i] == i)
            most = crd_larger(most, crd_op_scratch_floats(op_at(sampler, i), sampler->plan.n_images,
                                                          sampler->precision));
    return most;
}

static int64_t estimator_scratch_floats(const crd_sampler *sampler)
{
    int64_t most = 0;
    for (int64_t i = 0; i < sampler->model.network->n_ops; i++) {
        if (!sampler->drawn[i])
            continue;
        const crd_random_op random = random_op(sampler, i);
        const crd_estimator *estimator =
            crd_estimator_for(sampler->estimator, sampler->model.network, random.op);
        most = crd_larger(most, estimator->scratch_floats(&random, sampler->plan.n_images));
    }
    return most;
}

/* Weights that are made piece by piece at an op. */
static int64_t n_weights(const crd_sampler *sampler, int64_t index)
{
    const crd_network *network = sampler->model.network;
    const crd_graph_op *op = op_at(sampler, index);
    int64_t n = 0;
    for (int slot = 0; sampler->drawn[index] && slot < op->kind->n_params; slot++)
        if (op->params[slot] >= 0 && op->kind->params[slot].is_streamed)
            n += network->params.entries[op->params[slot]].count;
    return n;
}

/* Of the fronts whose weights are few enough, the one with the smallest arena. */
static crd_status plan_memory(crd_sampler *sampler, int64_t n_images, int64_t n_draws)
{
    const crd_network *network = sampler->model.network;
    crd_status status = crd_plan_init(&sampler->plan, network, &sampler->fusion, sampler->has_fixed,
                                      0, n_images, n_draws);
    int64_t weights = 0;
    if (sampler->estimator->shares_work || n_draws == 1)
        return status;
    for (int64_t at = 1; status == CRD_OK && at <= network->n_ops; at++) {
        crd_plan plan;
        weights += n_weights(sampler, at - 1);
        if (weights > MAX_FRONT_WEIGHTS)
            break;
        if (!crd_fusion_can_cut(&sampler->fusion, network, at))
            continue;
        status = crd_plan_init(&plan, network, &sampler->fusion, sampler->has_fixed, at, n_images,
                               n_draws);
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
    int64_t n_ops = model->network->n_ops;
    *out = NULL;
    CRD_REQUIRE(options->batch > 0, CRD_ERR_USAGE, "batch: %lld is not a positive number",
                (long long)options->batch);
    CRD_REQUIRE(options->draw_block > 0, CRD_ERR_USAGE, "draw_block: %lld is not a positive number",
                (long long)options->draw_block);
    CRD_ALLOC(&sampler, 1, "sampler");
    CRD_TRY(take_model(sampler, model, options));
    sampler->seed = options->seed;
    sampler->antithetic = options->antithetic;
    sampler->precision = options->precision;
    CRD_ALLOC(&sampler->drawn, n_ops, "random ops");
    CRD_ALLOC(&sampler->random, n_ops, "random ops");
    CRD_ALLOC(&sampler->folded, n_ops, "folded ops");
    CRD_ALLOC(&sampler->params, n_ops, "parameters of ops");
    CRD_ALLOC(&sampler->op_s, n_ops, "times");
    CRD_ALLOC(&sampler->inputs, crd_network_max_inputs(model->network), "inputs");
    CRD_ALLOC(&sampler->moved_inputs, crd_network_max_inputs(model->network), "inputs");
    CRD_ALLOC(&sampler->input_steps, crd_network_max_inputs(model->network), "inputs");
    classify(sampler, options->mean);
    CRD_TRY(crd_fusion_init(&sampler->fusion, model->network, sampler->random, sampler->folded, 1));
    find_fixed(sampler);
    CRD_TRY(plan_memory(sampler, options->batch, options->draw_block));
    if (sampler->has_fixed)
        CRD_ALLOC(&sampler->last_images,
                  options->batch * crd_shape_count(crd_network_input_shape(model->network)),
                  "images of the last call");
    CRD_ALLOC(&sampler->arena, sampler->plan.arena_floats, "activations");
    CRD_ALLOC(&sampler->op_scratch, op_scratch_floats(sampler), "scratch of the ops");
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
    crd_free(sampler->op_scratch);
    crd_free(sampler->arena);
    crd_free(sampler->last_images);
    crd_plan_clear(&sampler->plan);
    crd_fusion_clear(&sampler->fusion);
    crd_free(sampler->input_steps);
    crd_free(sampler->moved_inputs);
    crd_free(sampler->inputs);
    crd_free(sampler->op_s);
    crd_free(sampler->params);
    crd_free(sampler->folded);
    crd_free(sampler->random);
    crd_free(sampler->drawn);
    crd_free(sampler);
}

/* Draws [at, at + n_draws) of a call's block. */
typedef struct pass {
    int64_t n_images, first_image;
    int64_t at, n_draws, first_draw; /* first_draw: number of the draw at `at` */
    int is_repeated;                 /* same images as in the call before */
} pass;

static float *place_of(const crd_sampler *sampler, int64_t op)
{
    return sampler->arena + sampler->plan.offsets[op];
}

/* From one draw's copy of an activation to the next; 0: there is one for all, or for one after the
 * other. */
static int64_t draw_step(const crd_sampler *sampler, int64_t op)
{
    return sampler->plan.n_copies[op] == 1 ? 0 : sampler->plan.floats[op];
}

/* Of the pass's first draw. */
static float *activation(const crd_sampler *sampler, int64_t op, const pass *p)
{
    return place_of(sampler, op) + p->at * draw_step(sampler, op);
}

/* What is done to the output of draw d of the pass. */
static crd_epilogue epilogue_of(const crd_sampler *sampler, int64_t op, const pass *p, int64_t d)
{
    crd_epilogue epilogue = {.activation = sampler->fusion.activation[op]};
    int64_t residual = sampler->fusion.residual[op];
    if (residual >= 0)
        epilogue.residual = activation(sampler, residual, p) + d * draw_step(sampler, residual);
    return epilogue;
}

/* An op whose parameters are not drawn, for as many copies as its output has. */
static void run_fixed(crd_sampler *sampler, int64_t index, const pass *p)
{
    double start_s = crd_clock_now_s();
    const crd_graph_op *op = op_at(sampler, index);
    crd_op_random random = {.seed = sampler->seed, .first_image = p->first_image, .op = index};
    crd_op_args args = {.in = sampler->inputs,
                        .n_images = p->n_images,
                        .precision = sampler->precision,
                        .scratch = sampler->op_scratch,
                        .random = sampler->random[index] ? &random : NULL};
    for (int slot = 0; slot < op->kind->n_params; slot++)
        args.params[slot].values =
            crd_estimator_values(sampler->model.mu, &sampler->model, sampler->params[index][slot]);
    int64_t n_copies = draw_step(sampler, index) == 0 ? 1 : p->n_draws;
    for (int64_t d = 0; d < n_copies; d++) {
        args.out = activation(sampler, index, p) + d * draw_step(sampler, index);
        args.epilogue = epilogue_of(sampler, index, p, d);
        random.draw = p->first_draw + d;
        for (int k = 0; k < op->n_inputs; k++) {
            int64_t input = op->inputs[k];
            sampler->inputs[k] = activation(sampler, input, p) + d * draw_step(sampler, input);
        }
        op->kind->forward(op, &args);
    }
    double *spent_s = op->kind->work != NULL ? &sampler->times.weighted_s : &sampler->times.rest_s;
    *spent_s += crd_clock_now_s() - start_s;
}

/* An estimator that knows one component only, for one draw after the other. */
static void run_by_component(const crd_sampler *sampler, const crd_estimator *estimator,
                             const crd_estimator_args *of_all)
{
    crd_estimator_args args = *of_all;
    crd_random_op random = *of_all->random;
    args.n_draws = 1;
    args.is_repeated = 0;
    args.random = &random;
    for (int64_t d = 0; d < of_all->n_draws; d++) {
        args.first_draw = of_all->first_draw + d;
        const crd_model one = crd_model_component(
            &sampler->model,
            crd_component_of(args.first_draw, sampler->model.n_components, args.antithetic));
        random.model = &one;
        args.out = of_all->out + d * of_all->out_step;
        args.epilogue = crd_estimator_epilogue(of_all, d);
        args.in = crd_estimator_inputs(of_all, d);
        estimator->forward(&args);
    }
}

static void run_drawn(crd_sampler *sampler, int64_t index, const pass *p)
{
    const crd_random_op random = random_op(sampler, index);
    int64_t residual = sampler->fusion.residual[index];
    for (int k = 0; k < random.op->n_inputs; k++) {
        int64_t input = random.op->inputs[k];
        sampler->inputs[k] = activation(sampler, input, p);
        sampler->input_steps[k] = draw_step(sampler, input);
    }
    const crd_estimator_args args = {
        .out = activation(sampler, index, p),
        .out_step = draw_step(sampler, index),
        .in = sampler->inputs,
        .in_steps = sampler->input_steps,
        .in_room = sampler->moved_inputs,
        .epilogue = epilogue_of(sampler, index, p, 0),
        .residual_step = residual < 0 ? 0 : draw_step(sampler, residual),
        .is_repeated = p->is_repeated && sampler->is_alone,
        .random = &random,
        .index = index,
        .seed = sampler->seed,
        .antithetic = sampler->antithetic,
        .n_images = p->n_images,
        .first_image = p->first_image,
        .n_draws = p->n_draws,
        .first_draw = p->first_draw,
        .precision = sampler->precision,
        .scratch = sampler->estimator_scratch,
        .op_scratch = sampler->op_scratch,
        .times = &sampler->times,
    };
    const crd_estimator *estimator =
        crd_estimator_for(sampler->estimator, sampler->model.network, random.op);
    if (estimator->needs_normal && sampler->model.n_components > 1)
        run_by_component(sampler, estimator, &args);
    else
        estimator->forward(&args);
}

/* Ops [begin, end). What no draw influences is there from the block's first draw on. */
static void run_ops(crd_sampler *sampler, int64_t begin, int64_t end, const pass *p)
{
    for (int64_t i = begin; i < end; i++) {
        double start_s = crd_clock_now_s();
        int is_done = (p->is_repeated || p->at > 0) && !sampler->fusion.influenced[i];
        if (sampler->fusion.into[i] != i || is_done)
            continue;
        if (sampler->drawn[i])
            run_drawn(sampler, i, p);
        else
            run_fixed(sampler, i, p);
        sampler->op_s[i] += crd_clock_now_s() - start_s;
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

    uint64_t before = crd_subnormals_flush();
    double start_s = crd_clock_now_s();
    int is_repeated = load_images(sampler, images, n_images);
    sampler->times.rest_s += crd_clock_now_s() - start_s;

    memset(sampler->op_s, 0, (size_t)network->n_ops * sizeof *sampler->op_s);
    pass p = {
        .n_images = n_images, .first_image = first_image, .n_draws = 1, .is_repeated = is_repeated};
    int64_t n_front = sampler->plan.n_front;
    for (; p.at < n_draws && n_front > 0; p.at++) {
        p.first_draw = first_draw + p.at;
        run_ops(sampler, 1, n_front, &p);
    }
    p.at = 0;
    p.first_draw = first_draw;
    p.n_draws = n_draws;
    run_ops(sampler, n_front > 0 ? n_front : 1, network->n_ops, &p);

    start_s = crd_clock_now_s();
    int64_t last = network->n_ops - 1;
    crd_extent out = crd_extent_make(&network->ops[last].shape, n_images);
    for (int64_t d = 0; d < n_draws; d++)
        crd_extent_store(logits + d * out.total,
                         place_of(sampler, last) + d * draw_step(sampler, last), &out);
    status = check_finite(logits, out.per_image, n_images, first_image, n_draws, first_draw);
    sampler->times.rest_s += crd_clock_now_s() - start_s;
    crd_subnormals_restore(before);
    return status;
}

crd_sampler_times crd_sampler_get_times(const crd_sampler *sampler)
{
    return sampler->times;
}

double crd_sampler_op_seconds(const crd_sampler *sampler, int64_t op)
{
    return sampler->op_s[op];
}

const char *crd_sampler_method(const crd_sampler *sampler, int64_t op)
{
    const crd_op *kind = op_at(sampler, op)->kind;
    return kind->method == NULL
               ? ""
               : kind->method(op_at(sampler, op), sampler->plan.n_images, sampler->precision);
}
