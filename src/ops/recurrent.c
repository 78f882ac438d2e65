/* torch's RNN, LSTM and GRU over the positions of the input, which are the steps of a sequence in
 * their order; the output has the states of all steps. One draw of the weights serves a whole
 * sequence, or each step has its own (args.steps). Up to two layers, one or both directions.
 * Sources: Elman, "Finding structure in time", 1990; Hochreiter and Schmidhuber, "Long short-term
 * memory", 1997; Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014;
 * equations and order of the gates as torch's. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t input_size, hidden_size, num_layers, bias, bidirectional;
    int64_t nonlinearity; /* of RNN */
} attributes;

enum { TANH, RELU };
static const char *const nonlinearities[] = {"tanh", "relu", NULL};

#define NUMBER(name, ...)                                                                          \
    {                                                                                              \
#name, offsetof(attributes, name), 1, __VA_ARGS__                                          \
    }
#define NUMBERS                                                                                    \
    NUMBER(input_size, .min = 1, .max = CRD_OP_MAX_ELEMENTS),                                      \
        NUMBER(hidden_size, .min = 1, .max = CRD_OP_MAX_WINDOW),                                   \
        NUMBER(num_layers, .min = 1, .max = 2, .is_optional = true, .fallback = 1),                \
        NUMBER(bias, .min = 0, .max = 1, .is_optional = true, .fallback = 1),                      \
        NUMBER(bidirectional, .min = 0, .max = 1, .is_optional = true, .fallback = 0)
static const crd_attr_spec gated_attrs[] = {NUMBERS, {0}};
static const crd_attr_spec rnn_attrs[] = {NUMBERS,
                                          NUMBER(nonlinearity, .min = TANH, .max = RELU,
                                                 .choices = nonlinearities, .is_optional = true,
                                                 .fallback = TANH),
                                          {0}};

/* Parameters of one layer and direction; a layer has two of these sets. */
enum { W_IH, W_HH, B_IH, B_HH, N_PARAMS };

#define PARAM(leaf)                                                                                \
    {                                                                                              \
        leaf, leaf, CRD_TRAINED, .may_be_random = true, .initial = CRD_INIT_OWN                    \
    }
#define PARAMS(suffix)                                                                             \
    PARAM("weight_ih" suffix), PARAM("weight_hh" suffix), PARAM("bias_ih" suffix),                 \
        PARAM("bias_hh" suffix)
static const crd_param_spec params[] = {PARAMS("_l0"), PARAMS("_l0_reverse"), PARAMS("_l1"),
                                        PARAMS("_l1_reverse")};

/* One element of one image at one step. */
typedef struct cell_state {
    float *gates[4]; /* in: from the input; out: as they are after their functions */
    double hh[4];    /* from the state before, by gate */
    float *h, *c;    /* state before, then after */
    float *kept;     /* what backward needs beside: may be NULL */
} cell_state;

/* In: gradient at the state after; out: at the gates before their functions, as they come from the
 * input (in place of the gates) and from the state before, and at the state before, directly. */
typedef struct cell_grads {
    float *gates[4];
    float kept, kept_before, h_before;
    float hh[4];
    double dh;
    float *dc;
} cell_grads;

typedef struct cell {
    int n_gates;
    void (*forward)(const cell_state *s);
    void (*backward)(cell_grads *g);
} cell;

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static double sum_of(const cell_state *s, int gate)
{
    return (double)*s->gates[gate] + s->hh[gate];
}

/* Gates: input, forget, cell, output. */
static void lstm_forward(const cell_state *s)
{
    double i = logistic(sum_of(s, 0)), f = logistic(sum_of(s, 1));
    double g = tanh(sum_of(s, 2)), o = logistic(sum_of(s, 3));
    double c = f * (double)*s->c + i * g;
    const double values[4] = {i, f, g, o};
    for (int k = 0; k < 4; k++)
        *s->gates[k] = (float)values[k];
    *s->c = (float)c;
    *s->h = (float)(o * tanh(c));
    if (s->kept != NULL)
        *s->kept = *s->c;
}

/* Kept: c. */
static void lstm_backward(cell_grads *s)
{
    double i = (double)*s->gates[0], f = (double)*s->gates[1], g = (double)*s->gates[2];
    double o = (double)*s->gates[3], t = tanh((double)s->kept);
    double dc = s->dh * o * (1 - t * t) + (double)*s->dc;
    const double slopes[4] = {dc * g * i * (1 - i), dc * (double)s->kept_before * f * (1 - f),
                              dc * i * (1 - g * g), s->dh * t * o * (1 - o)};
    for (int k = 0; k < 4; k++)
        *s->gates[k] = s->hh[k] = (float)slopes[k];
    *s->dc = (float)(dc * f);
    s->dh = 0;
}

/* Gates: reset, update, new. */
static void gru_forward(const cell_state *s)
{
    double r = logistic(sum_of(s, 0)), z = logistic(sum_of(s, 1));
    double n = tanh((double)*s->gates[2] + r * s->hh[2]);
    const double values[3] = {r, z, n};
    for (int k = 0; k < 3; k++)
        *s->gates[k] = (float)values[k];
    *s->h = (float)((1 - z) * n + z * (double)*s->h);
    if (s->kept != NULL)
        *s->kept = (float)s->hh[2];
}

/* Kept: what the state before gives to the new one. */
static void gru_backward(cell_grads *s)
{
    double r = (double)*s->gates[0], z = (double)*s->gates[1], n = (double)*s->gates[2];
    double dn = s->dh * (1 - z) * (1 - n * n);
    const double slopes[3] = {dn * (double)s->kept * r * (1 - r),
                              s->dh * ((double)s->h_before - n) * z * (1 - z), dn};
    for (int k = 0; k < 3; k++)
        *s->gates[k] = (float)slopes[k];
    s->hh[0] = *s->gates[0];
    s->hh[1] = *s->gates[1];
    s->hh[2] = (float)(dn * r);
    s->dh *= z;
}

static void tanh_forward(const cell_state *s)
{
    *s->h = *s->gates[0] = (float)tanh(sum_of(s, 0));
}

static void tanh_backward(cell_grads *s)
{
    double h = (double)*s->gates[0];
    *s->gates[0] = s->hh[0] = (float)(s->dh * (1 - h * h));
    s->dh = 0;
}

/* NaN stays NaN. */
static void relu_forward(const cell_state *s)
{
    double sum = sum_of(s, 0);
    *s->h = *s->gates[0] = sum <= 0 ? 0 : (float)sum;
}

static void relu_backward(cell_grads *s)
{
    *s->gates[0] = s->hh[0] = *s->gates[0] <= 0 ? 0 : (float)s->dh;
    s->dh = 0;
}

static const cell lstm_cell = {4, lstm_forward, lstm_backward};
static const cell gru_cell = {3, gru_forward, gru_backward};
static const cell rnn_cells[] = {{1, tanh_forward, tanh_backward},
                                 {1, relu_forward, relu_backward}};

extern const crd_op crd_op_gru, crd_op_rnn;

static const cell *cell_of(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    if (op->kind == &crd_op_rnn)
        return &rnn_cells[a->nonlinearity];
    return op->kind == &crd_op_gru ? &gru_cell : &lstm_cell;
}

/* Sizes of a pass. Arrays of a whole sequence are (features, images, steps). */
typedef struct sizes {
    int64_t hidden, n_images, n_steps, columns;     /* columns: images * steps */
    int64_t n_directions, n_layers, n_gates, gates; /* gates: n_gates * hidden */
    int64_t max_inputs;                             /* of a layer */
} sizes;

static int64_t layer_inputs(const crd_graph_op *op, int layer)
{
    const attributes *a = op->attrs;
    return layer == 0 ? a->input_size : a->hidden_size * (1 + a->bidirectional);
}

static sizes sizes_of(const crd_graph_op *op, int64_t n_images)
{
    const attributes *a = op->attrs;
    int64_t n_steps = crd_shape_count(op->in) / crd_op_features(op->in);
    int n_gates = cell_of(op)->n_gates;
    int64_t above = a->num_layers == 1 ? 0 : layer_inputs(op, 1);
    return (sizes){.hidden = a->hidden_size,
                   .n_images = n_images,
                   .n_steps = n_steps,
                   .columns = n_images * n_steps,
                   .n_directions = 1 + a->bidirectional,
                   .n_layers = a->num_layers,
                   .n_gates = n_gates,
                   .gates = n_gates * a->hidden_size,
                   .max_inputs = above > a->input_size ? above : a->input_size};
}

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    if (op->in->n_dims < 2 || op->in->dims[0] != a->input_size)
        return CRD_OP_FAIL(op, "input_size is %lld, but its input has shape %s",
                           (long long)a->input_size, crd_shape_text(text, op->in));
    op->shape = *op->in;
    op->shape.dims[0] = a->hidden_size * (1 + a->bidirectional);
    int64_t gates = cell_of(op)->n_gates * a->hidden_size;
    for (int set = 0; set < 2 * a->num_layers; set++) {
        crd_shape *of = shapes + set * N_PARAMS;
        if (set % 2 > a->bidirectional)
            continue;
        of[W_IH] = crd_shape_make(2, gates, layer_inputs(op, set / 2));
        of[W_HH] = crd_shape_make(2, gates, a->hidden_size);
        if (a->bias)
            of[B_IH] = of[B_HH] = crd_shape_make(1, gates);
    }
    return CRD_OK;
}

/* The variance of torch's uniform values between -1 and 1 over sqrt(hidden_size). */
static void initial(double *mean, double *sd, const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    *mean = 0;
    *sd = 1 / sqrt(3 * (double)a->hidden_size);
}

static int64_t work(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    const sizes s = sizes_of(op, 1);
    int64_t sum = 0;
    for (int layer = 0; layer < a->num_layers; layer++)
        sum += s.n_directions * s.gates * (layer_inputs(op, layer) + s.hidden) * s.n_steps;
    return sum;
}

/* One direction of one layer, and its memory. */
typedef struct lane {
    float *gates;             /* (gates, images, steps) */
    float *kept;              /* (hidden, images, steps), or NULL */
    float *out;               /* (hidden, images, steps): its part of the layer's output */
    float *h, *c, *hh;        /* of one step: (hidden or gates, images) */
    float *before;            /* backward: (hidden, images), the state before a step */
    const float *p[N_PARAMS]; /* parameters; of the step that runs, if each has its own */
    int first_slot;
    bool is_reverse;
    const crd_op_steps *steps; /* NULL: all steps share the parameters */
    float *x, *xh;             /* with steps: (inputs, images) and (gates, images) of one */
    float *dparam;             /* backward with steps: one parameter */
} lane;

static int64_t step_of(const sizes *s, const lane *l, int64_t i)
{
    return l->is_reverse ? s->n_steps - 1 - i : i;
}

/* Between one step of a sequence and a place of its own, (rows, images). */
static void take_step(float *to, const float *sequence, const sizes *s, int64_t rows, int64_t t)
{
    for (int64_t i = 0; i < rows * s->n_images; i++)
        to[i] = sequence[i * s->n_steps + t];
}

static void put_step(float *sequence, const float *from, const sizes *s, int64_t rows, int64_t t)
{
    for (int64_t i = 0; i < rows * s->n_images; i++)
        sequence[i * s->n_steps + t] = from[i];
}

/* One step of all elements: hh has what the state before gives. */
static void step_forward(const sizes *s, const cell *kind, const lane *l, int64_t t)
{
    const float *b_ih = l->p[B_IH], *b_hh = l->p[B_HH];
    for (int64_t i = 0; i < s->hidden * s->n_images; i++) {
        int64_t j = i / s->n_images, at = i * s->n_steps + t;
        cell_state state = {.h = l->h + i, .c = l->c + i};
        state.kept = l->kept == NULL ? NULL : l->kept + at;
        for (int k = 0; k < kind->n_gates; k++) {
            int64_t row = k * s->hidden + j;
            state.gates[k] = l->gates + k * s->hidden * s->columns + at;
            state.hh[k] = (double)l->hh[k * s->hidden * s->n_images + i];
            if (b_hh != NULL)
                state.hh[k] += (double)b_hh[row];
            if (b_ih != NULL)
                *state.gates[k] += b_ih[row];
        }
        kind->forward(&state);
        l->out[at] = l->h[i];
    }
}

static void get_params(lane *l, int64_t t)
{
    for (int k = 0; k < N_PARAMS; k++)
        l->p[k] = l->steps->get(l->first_slot + k, t, l->steps->payload);
}

static void lane_forward(const sizes *s, const cell *kind, lane *l, const float *in, int64_t n_in)
{
    int64_t n = s->n_images;
    if (l->steps == NULL)
        crd_gemm(l->gates, s->columns, l->p[W_IH], n_in, in, s->columns, s->gates, s->columns, n_in,
                 0);
    memset(l->h, 0, (size_t)(s->hidden * n) * sizeof *l->h);
    memset(l->c, 0, (size_t)(s->hidden * n) * sizeof *l->c);
    for (int64_t i = 0; i < s->n_steps; i++) {
        int64_t t = step_of(s, l, i);
        if (l->steps != NULL) {
            get_params(l, t);
            take_step(l->x, in, s, n_in, t);
            crd_gemm(l->xh, n, l->p[W_IH], n_in, l->x, n, s->gates, n, n_in, 0);
            put_step(l->gates, l->xh, s, s->gates, t);
        }
        crd_gemm(l->hh, n, l->p[W_HH], s->hidden, l->h, n, s->gates, n, s->hidden, 0);
        step_forward(s, kind, l, t);
    }
}

/* Scratch of a pass: a layer's output (the last one's is the op's in a forward pass), gates, and
 * what one step needs; backward keeps these for every layer and direction. */
static int64_t step_floats(const sizes *s)
{
    return (3 * s->hidden + 2 * s->gates + s->max_inputs) * s->n_images;
}

/* Sets what a lane needs in a step, in that room. */
static void give_step(lane *l, const sizes *s, float *room)
{
    l->h = room;
    l->c = l->h + s->hidden * s->n_images;
    l->before = l->c + s->hidden * s->n_images;
    l->hh = l->before + s->hidden * s->n_images;
    l->xh = l->hh + s->gates * s->n_images;
    l->x = l->xh + s->gates * s->n_images;
}

static int64_t scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    (void)precision;
    const sizes s = sizes_of(op, n_images);
    return (s.n_directions * s.hidden + s.gates) * s.columns + step_floats(&s);
}

static int64_t lane_floats(const sizes *s)
{
    return (s->gates + s->hidden) * s->columns;
}

static int64_t backward_scratch_floats(const crd_graph_op *op, int64_t n_images)
{
    const sizes s = sizes_of(op, n_images);
    int64_t outputs = (s.n_layers + 1) * s.n_directions * s.hidden * s.columns;
    int64_t columns = s.max_inputs > s.hidden ? s.max_inputs : s.hidden; /* of dparam */
    return outputs + s.n_layers * s.n_directions * lane_floats(&s) + step_floats(&s) +
           s.gates * columns;
}

static lane lane_of(const crd_op_args *args, const sizes *s, int layer, int direction, float *step)
{
    lane l = {.first_slot = (2 * layer + direction) * N_PARAMS,
              .is_reverse = direction == 1,
              .steps = args->steps};
    give_step(&l, s, step);
    for (int k = 0; k < N_PARAMS; k++)
        l.p[k] = args->params[l.first_slot + k].values;
    return l;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const sizes s = sizes_of(op, args->n_images);
    float *middle = args->scratch, *gates = middle + s.n_directions * s.hidden * s.columns;
    float *step = gates + s.gates * s.columns;
    for (int layer = 0; layer < s.n_layers; layer++)
        for (int direction = 0; direction < s.n_directions; direction++) {
            float *out = layer == s.n_layers - 1 ? args->out : middle;
            lane l = lane_of(args, &s, layer, direction, step);
            l.gates = gates;
            l.out = out + direction * s.hidden * s.columns;
            lane_forward(&s, cell_of(op), &l, layer == 0 ? args->in[0] : middle,
                         layer_inputs(op, layer));
        }
}

/* One step back of all elements: the gradients at the gates take their places, those at what the
 * state before gives go to hh, and that at the state before itself to h, directly. */
static void step_backward(const sizes *s, const cell *kind, const lane *l, const float *dout,
                          int64_t i)
{
    int64_t t = step_of(s, l, i), before = i == 0 ? -1 : step_of(s, l, i - 1);
    for (int64_t e = 0; e < s->hidden * s->n_images; e++) {
        int64_t at = e * s->n_steps + t;
        cell_grads g = {.kept = l->kept[at],
                        .kept_before = i == 0 ? 0 : l->kept[e * s->n_steps + before],
                        .h_before = i == 0 ? 0 : l->out[e * s->n_steps + before],
                        .dh = (double)dout[at] + (double)l->h[e],
                        .dc = l->c + e};
        for (int k = 0; k < kind->n_gates; k++)
            g.gates[k] = l->gates + k * s->hidden * s->columns + at;
        kind->backward(&g);
        for (int k = 0; k < kind->n_gates; k++)
            l->hh[k * s->hidden * s->n_images + e] = g.hh[k];
        l->h[e] = (float)g.dh;
    }
}

/* The states before step i of the direction, (hidden, images). */
static void gather_states(const sizes *s, const lane *l, int64_t i)
{
    if (i == 0)
        memset(l->before, 0, (size_t)(s->hidden * s->n_images) * sizeof *l->before);
    else
        take_step(l->before, l->out, s, s->hidden, step_of(s, l, i - 1));
}

static void add_rows(float *sums, const float *rows, int64_t n_rows, int64_t n)
{
    for (int64_t r = 0; sums != NULL && r < n_rows; r++)
        sums[r] += (float)crd_kernels_get()->elementwise->sum(rows + r * n, n);
}

/* Where the gradients of a layer's pass go. */
typedef struct lane_grads {
    float *const *dparams; /* by slot of the lane; NULL: not asked for */
    const float *dout;
    float *din; /* NULL: not asked for */
    bool adds;
} lane_grads;

/* The gradients at W_HH and B_HH of a step; all steps' are added up. */
static void state_params_backward(const sizes *s, const lane *l, float *const *dparams)
{
    int64_t n = s->n_images;
    if (dparams[W_HH] != NULL)
        crd_gemm_transposed(dparams[W_HH], s->hidden, l->hh, n, l->before, n, s->gates, s->hidden,
                            n, 1, CRD_TRANSPOSE_B);
    add_rows(dparams[B_HH], l->hh, s->gates, n);
}

/* Those at W_IH, B_IH and the input, of n columns: a step's, or all. */
static void input_backward(const sizes *s, const lane *l, const lane_grads *g, const float *dgates,
                           const float *in, int64_t n_in, int64_t n)
{
    add_rows(g->dparams[B_IH], dgates, s->gates, n);
    if (g->dparams[W_IH] != NULL)
        crd_gemm_transposed(g->dparams[W_IH], n_in, dgates, n, in, n, s->gates, n_in, n, 0,
                            CRD_TRANSPOSE_B);
    if (g->din != NULL)
        crd_gemm_transposed(g->din, n, l->p[W_IH], n_in, dgates, n, n_in, n, s->gates,
                            g->adds ? 1 : 0, CRD_TRANSPOSE_A);
}

/* A step whose parameters are its own: each gradient is made in one room and taken away. */
static void own_params_backward(const sizes *s, const lane *l, const lane_grads *g, const float *in,
                                int64_t n_in, int64_t t)
{
    const int64_t rows = s->gates, n[N_PARAMS] = {rows * n_in, rows * s->hidden, rows, rows};
    take_step(l->xh, l->gates, s, rows, t);
    take_step(l->x, in, s, n_in, t);
    for (int k = 0; k < N_PARAMS; k++) {
        float *dparams[N_PARAMS] = {NULL};
        if (l->p[k] == NULL)
            continue;
        dparams[k] = l->dparam;
        memset(l->dparam, 0, (size_t)n[k] * sizeof *l->dparam);
        state_params_backward(s, l, dparams);
        input_backward(s, l, &(lane_grads){.dparams = dparams}, l->xh, l->x, n_in, s->n_images);
        l->steps->take(l->first_slot + k, t, l->dparam, l->steps->payload);
    }
    if (g->din == NULL)
        return;
    if (g->adds)
        take_step(l->x, g->din, s, n_in, t);
    crd_gemm_transposed(l->x, s->n_images, l->p[W_IH], n_in, l->xh, s->n_images, n_in, s->n_images,
                        rows, g->adds ? 1 : 0, CRD_TRANSPOSE_A);
    put_step(g->din, l->x, s, n_in, t);
}

/* Back through one direction. */
static void lane_backward(const sizes *s, const cell *kind, lane *l, const lane_grads *g,
                          const float *in, int64_t n_in)
{
    int64_t n = s->n_images;
    float *const *dparams = g->dparams;
    memset(l->h, 0, (size_t)(s->hidden * n) * sizeof *l->h);
    memset(l->c, 0, (size_t)(s->hidden * n) * sizeof *l->c);
    for (int k = 0; l->steps == NULL && k < N_PARAMS; k++)
        if (dparams[k] != NULL && k != W_IH)
            memset(dparams[k], 0,
                   (size_t)(k == W_HH ? s->gates * s->hidden : s->gates) * sizeof **dparams);
    for (int64_t i = s->n_steps - 1; i >= 0; i--) {
        step_backward(s, kind, l, g->dout, i);
        gather_states(s, l, i);
        if (l->steps != NULL) {
            get_params(l, step_of(s, l, i));
            own_params_backward(s, l, g, in, n_in, step_of(s, l, i));
        } else {
            state_params_backward(s, l, dparams);
        }
        crd_gemm_transposed(l->h, n, l->p[W_HH], s->hidden, l->hh, n, s->hidden, n, s->gates, 1,
                            CRD_TRANSPOSE_A);
    }
    if (l->steps == NULL)
        input_backward(s, l, g, l->gates, in, n_in, s->columns);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const sizes s = sizes_of(op, args->n_images);
    int64_t outputs = s.n_directions * s.hidden * s.columns;
    float *middle = args->scratch, *last = middle + (s.n_layers - 1) * outputs;
    float *dmiddle = last + outputs, *lanes = dmiddle + outputs;
    float *step = lanes + s.n_layers * s.n_directions * lane_floats(&s);
    lane all[4];
    for (int k = 0; k < s.n_layers * s.n_directions; k++) {
        int layer = k / (int)s.n_directions, direction = k % (int)s.n_directions;
        float *out = layer == s.n_layers - 1 ? last : middle;
        all[k] = lane_of(args, &s, layer, direction, step);
        all[k].gates = lanes + k * lane_floats(&s);
        all[k].kept = all[k].gates + s.gates * s.columns;
        all[k].out = out + direction * s.hidden * s.columns;
        all[k].dparam = step + step_floats(&s);
        lane_forward(&s, cell_of(op), &all[k], layer == 0 ? args->in[0] : middle,
                     layer_inputs(op, layer));
    }
    for (int k = (int)(s.n_layers * s.n_directions) - 1; k >= 0; k--) {
        int layer = k / (int)s.n_directions, direction = k % (int)s.n_directions;
        const float *dout = layer == s.n_layers - 1 ? grads->dout : dmiddle;
        const lane_grads g = {
            .dparams = grads->dparams + all[k].first_slot,
            .dout = dout + direction * s.hidden * s.columns,
            .din = layer == 0 ? grads->din[0] : dmiddle,
            .adds = direction < s.n_directions - 1 || (layer == 0 && grads->adds[0]),
        };
        lane_backward(&s, cell_of(op), &all[k], &g, layer == 0 ? args->in[0] : middle,
                      layer_inputs(op, layer));
    }
}

#define RECURRENT(class_name, its_attrs)                                                           \
    .name = class_name, .attrs = its_attrs, .attrs_size = sizeof(attributes), .min_inputs = 1,     \
    .max_inputs = 1, .params = params, .n_params = sizeof params / sizeof *params,                 \
    .has_steps = true, .keeps_in = true, .infer = infer, .initial = initial, .work = work,         \
    .scratch_floats = scratch_floats, .backward_scratch_floats = backward_scratch_floats,          \
    .forward = forward, .backward = backward

const crd_op crd_op_lstm = {RECURRENT("LSTM", gated_attrs)};
const crd_op crd_op_gru = {RECURRENT("GRU", gated_attrs)};
const crd_op crd_op_rnn = {RECURRENT("RNN", rnn_attrs)};
