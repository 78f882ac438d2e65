/** Estimators: how an op with a posterior turns its inputs into the outputs of a block of draws.
 *
 * One table of functions each, chosen by name at run time. Activations as in ops/op.h: (features,
 * images, positions). The copy of draw d of an activation is at base + d * step.
 */
#ifndef CRD_BAYES_ESTIMATOR_H
#define CRD_BAYES_ESTIMATOR_H

#include "credence/sampler.h"
#include "graph/graph.h"

/** An op of a model as estimators see it. */
typedef struct crd_random_op {
    const crd_model *model;
    const crd_graph_op *op;
    /** By slot, indices of the network's parameters; -1: none. Those of the op, but for a bias that
     * is a folded norm's. */
    const int64_t *params;
} crd_random_op;

typedef struct crd_estimator_args {
    float *out; /**< overwritten; does not overlap an input */
    int64_t out_step;
    const float *const *in;  /**< [n_inputs] of the first draw */
    const int64_t *in_steps; /**< [n_inputs] 0: all draws share it */
    const float **in_room;   /**< [n_inputs] */
    crd_epilogue epilogue;   /**< its residual is the first draw's */
    int64_t residual_step;
    int is_repeated; /**< 1: the same input as in the call before, and scratch is as that left it */
    const crd_random_op *random;
    int64_t index; /**< of the op in the graph */
    uint64_t seed;
    int antithetic; /**< 1: draws 2k and 2k + 1 are a pair */
    int64_t n_images, first_image, n_draws, first_draw;
    crd_precision precision;
    float *scratch;    /**< scratch_floats, or backward_scratch_floats, of the estimator */
    float *kept;       /**< training: kept_floats, from forward to backward; NULL: prediction */
    float *op_scratch; /**< of the op's kind */
    crd_sampler_times *times;
} crd_estimator_args;

/** What a backward pass of one draw writes. */
typedef struct crd_estimator_grads {
    const float *dout;
    float *const *din;             /**< [n_inputs]; NULL: not asked for */
    const bool *adds;              /**< [n_inputs] din is added to; else overwritten */
    float *dmu[CRD_OP_MAX_PARAMS]; /**< by slot; overwritten; NULL: no such parameter */
    /** Likewise, or made to point at dmu where it is the same. Of an estimator that draws weights
     * it lacks the factor eps: who reads it draws that again, piece by piece. */
    float *dsigma[CRD_OP_MAX_PARAMS];
} crd_estimator_grads;

typedef struct crd_estimator {
    int draws_weights; /**< 1: has an eps a weight, so that eps can be imported */
    int shares_work;   /**< 1: draws that share their input cost less in one call than apart */
    int needs_affine;  /**< 1: for affine operators only: others are reparameterized */
    int needs_steps;   /**< 1: likewise for operators with has_steps */
    int needs_vector;  /**< 1: likewise for ops of which crd_estimator_is_vector says so */
    int needs_normal;  /**< 1: reads mu and sigma itself: normal weights, one component a call */
    /** Floats of scratch for a pass over n_images. */
    int64_t (*scratch_floats)(const crd_random_op *random, int64_t n_images);
    void (*forward)(const crd_estimator_args *args);
    int64_t (*backward_scratch_floats)(const crd_random_op *random, int64_t n_images);
    /** Floats that forward leaves for backward; NULL: none. */
    int64_t (*kept_floats)(const crd_random_op *random, int64_t n_images);
    /** For n_draws 1; args as in forward, `out` may hold anything. */
    void (*backward)(const crd_estimator_args *args, crd_estimator_grads *grads);
} crd_estimator;

extern const crd_estimator crd_estimator_reparameterization;
extern const crd_estimator crd_estimator_flipout;
extern const crd_estimator crd_estimator_flipout_pixel;
extern const crd_estimator crd_estimator_local_reparameterization;
extern const crd_estimator crd_estimator_local_reparameterization_linear;
extern const crd_estimator crd_estimator_reparameterization_step;

/** Whether an affine op is the product of its weights, [output][input], and one vector an image. */
bool crd_estimator_is_vector(const crd_network *network, const crd_graph_op *op);

/** What computes an op with a posterior where this estimator is asked for. */
const crd_estimator *crd_estimator_for(const crd_estimator *estimator, const crd_network *network,
                                       const crd_graph_op *op);

/** The estimator of that name. Errors: CRD_ERR_USAGE naming `key` and all estimators. */
crd_status crd_estimator_find(const crd_estimator **out, const char *name, const char *key);

/* What the estimators share. */

/** Extents of an activation of n images: what one image holds, seen as (channels, pixels). */
typedef struct crd_extent {
    int64_t channels, images, pixels;
    int64_t per_image, total; /**< channels * pixels; that times images */
} crd_extent;
crd_extent crd_extent_make(const crd_shape *shape, int64_t n_images);

/** (images, channels, pixels), as callers have it, to (channels, images, pixels); and back. */
void crd_extent_load(float *out, const float *images, const crd_extent *extent);
void crd_extent_store(float *out, const float *activations, const crd_extent *extent);

/** Floats a parameter takes in scratch: a whole number of cache lines; 0 for index -1. */
int64_t crd_estimator_param_floats(const crd_model *model, int64_t index);

/** mu or sigma of a parameter; NULL for index -1. */
const float *crd_estimator_values(const float *block, const crd_model *model, int64_t index);

/** Where the random numbers of a draw come from. The second draw of an antithetic pair has the
 * first one's numbers, normals negated and signs (flipout's) as they are: with its own signs, its
 * perturbations would not be the first one's negatives. */
crd_stream crd_estimator_stream(const crd_estimator_args *args, crd_purpose purpose, int64_t tensor,
                                int64_t draw, int64_t image);

/** The parameter in draw `draw`, as the model's family has it, of normal weights mu + sigma * eps,
 * or sigma * eps where with_mu is 0: in `out` or elsewhere. NULL for index -1. eps is standard
 * normal from {seed, draw, image 0, tensor index, WEIGHT}, or the imported one. */
const float *crd_estimator_draw(float *out, const crd_estimator_args *args, int64_t index,
                                int64_t draw, int with_mu);

/** eps of elements [first, first + n) of a parameter in the call's first draw, the same as drawn:
 * in `out` or in place. first is a multiple of CRD_STREAM_BLOCK. */
const float *crd_estimator_eps(float *out, const crd_estimator_args *args, int64_t index,
                               int64_t first, int64_t n);

/** Backward of the op itself with these parameters' values, by slot: dparams is overwritten, din
 * (NULL: not asked for) is added to if `adds`. */
void crd_estimator_apply_backward(const crd_op_grads *grads, const crd_estimator_args *args,
                                  const float *const *in, const float *const *values);

/** The op whose steps have parameters of their own, in draw `draw`; and its backward. */
void crd_estimator_apply_steps(float *out, const crd_estimator_args *args, const float *const *in,
                               int64_t draw, const crd_op_steps *steps);
void crd_estimator_apply_steps_backward(const crd_op_grads *grads, const crd_estimator_args *args,
                                        const float *const *in, const crd_op_steps *steps);

/** The affine op itself with these weights; bias may be NULL. No epilogue. */
void crd_estimator_apply(float *out, const crd_estimator_args *args, const float *in,
                         const float *weight, const float *bias);

/** The op with parameters of a draw, as crd_estimator_draw makes them: those that it reads piece by
 * piece are made where they are used, and all left in `kept` if that is not NULL; the others are
 * made in `room`. Both hold crd_estimator_params_floats of them. Then the epilogue. */
void crd_estimator_apply_draw(float *out, const crd_estimator_args *args, const float *const *in,
                              int64_t draw, int with_mu, float *room, float *kept,
                              const crd_epilogue *epilogue);

/** Floats of all parameters that an operator reads piece by piece, or of all others. */
int64_t crd_estimator_params_floats(const crd_random_op *random, bool is_streamed);

/** Inputs of draw d of the call, in args->in_room. */
const float *const *crd_estimator_inputs(const crd_estimator_args *args, int64_t d);

/** Epilogue of draw d of the call. */
crd_epilogue crd_estimator_epilogue(const crd_estimator_args *args, int64_t d);

/** Adds the residual to the output of draw d of the call, and applies the activation. */
void crd_estimator_finish(const crd_estimator_args *args, int64_t d);

#endif
