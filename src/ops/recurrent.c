/* torch's LSTM and GRU over the positions of the input, which are the steps of a sequence in their
 * order; the output has the states of all steps. One draw of the weights serves a whole sequence
 * (bayesian-torch's layers draw anew at every step). Up to two layers, one or both directions.
 * Sources: Hochreiter and Schmidhuber, "Long short-term memory", 1997; Cho et al., "Learning phrase
 * representations using RNN encoder-decoder", 2014; equations and order of the gates as torch's. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t input_size, hidden_size, num_layers, bias, bidirectional;
} attributes;

#define NUMBER(name, ...)                                                                          \
    {                                                                                              \
#name, offsetof(attributes, name), 1, __VA_ARGS__                                          \
    }
static const crd_attr_spec attrs[] = {
    NUMBER(input_size, .min = 1, .max = CRD_OP_MAX_ELEMENTS),
    NUMBER(hidden_size, .min = 1, .max = CRD_OP_MAX_WINDOW),
    NUMBER(num_layers, .min = 1, .max = 2, .is_optional = true, .fallback = 1),
    NUMBER(bias, .min = 0, .max = 1, .is_optional = true, .fallback = 1),
    NUMBER(bidirectional, .min = 0, .max = 1, .is_optional = true, .fallback = 0),
    {0},
};

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

static const cell lstm_cell = {4, lstm_forward, lstm_backward};
static const cell gru_cell = {3, gru_forward, gru_backward};

extern const crd_op crd_op_gru;

static const cell *cell_of(const crd_graph_op *op)
{
    return op->kind == &crd_op_gru ? &gru_cell : &lstm_cell;
}

/* Sizes of a pass. Arrays of a whole sequence are (features, images, steps). */
typedef struct sizes {
    int64_t hidden, n_images, n_steps, columns;     /* columns: images * steps */
    int64_t n_directions, n_layers, n_gates, gates; /* gates: n_gates * hidden */
} sizes;

static sizes sizes_of(const crd_graph_op *op, int64_t n_images)
{
    const attributes *a = op->attrs;
    int64_t n_steps = crd_shape_count(op->in) / crd_op_features(op->in);
    int n_gates = cell_of(op)->n_gates;
    return (sizes){a->hidden_size,       n_images,      n_steps, n_images * n_steps,
                   1 + a->bidirectional, a->num_layers, n_gates, n_gates * a->hidden_size};
}

static int64_t layer_inputs(const crd_graph_op *op, int layer)
{
    const attributes *a = op->attrs;
    return layer == 0 ? a->input_size : a->hidden_size * (1 + a->bidirectional);
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

/* Memory of one direction of one layer. */
typedef struct lane {
    float *gates;          /* (gates, images, steps) */
    float *kept;           /* (hidden, images, steps), or NULL */
    float *out;            /* (hidden, images, steps): its part of the layer's output */
    float *h, *c, *hh;     /* of one step: (hidden or gates, images) */
    const float *const *p; /* parameters */
    bool is_reverse;
} lane;

static int64_t step_of(const sizes *s, const lane *l, int64_t i)
{
    return l->is_reverse ? s->n_steps - 1 - i : i;
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

static void lane_forward(const sizes *s, const cell *kind, const lane *l, const float *in,
                         int64_t n_in)
{
    int64_t n = s->n_images;
    crd_gemm(l->gates, s->columns, l->p[W_IH], n_in, in, s->columns, s->gates, s->columns, n_in, 0);
    memset(l->h, 0, (size_t)(s->hidden * n) * sizeof *l->h);
    memset(l->c, 0, (size_t)(s->hidden * n) * sizeof *l->c);
    for (int64_t i = 0; i < s->n_steps; i++) {
        crd_gemm(l->hh, n, l->p[W_HH], s->hidden, l->h, n, s->gates, n, s->hidden, 0);
        step_forward(s, kind, l, step_of(s, l, i));
    }
}

/* Scratch of a pass: a layer's output (the last one's is the op's in a forward pass), gates, and
 * what one step needs; backward keeps these for every layer and direction. */
static int64_t step_floats(const sizes *s)
{
    return (3 * s->hidden + s->gates) * s->n_images;
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
    return outputs + s.n_layers * s.n_directions * lane_floats(&s) + step_floats(&s);
}

static void take_params(const float *p[N_PARAMS], const crd_op_args *args, int layer, int direction)
{
    for (int k = 0; k < N_PARAMS; k++)
        p[k] = args->params[(2 * layer + direction) * N_PARAMS + k].values;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const sizes s = sizes_of(op, args->n_images);
    float *middle = args->scratch, *gates = middle + s.n_directions * s.hidden * s.columns;
    float *step = gates + s.gates * s.columns;
    for (int layer = 0; layer < s.n_layers; layer++)
        for (int direction = 0; direction < s.n_directions; direction++) {
            const float *p[N_PARAMS];
            take_params(p, args, layer, direction);
            float *out = layer == s.n_layers - 1 ? args->out : middle;
            const lane l = {.gates = gates,
                            .out = out + direction * s.hidden * s.columns,
                            .h = step,
                            .c = step + s.hidden * s.n_images,
                            .hh = step + 2 * s.hidden * s.n_images,
                            .p = p,
                            .is_reverse = direction == 1};
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

/* The states before step i of the direction, (hidden, images), into `to`. */
static void gather_states(float *to, const sizes *s, const lane *l, int64_t i)
{
    int64_t before = i == 0 ? 0 : step_of(s, l, i - 1);
    for (int64_t e = 0; e < s->hidden * s->n_images; e++)
        to[e] = i == 0 ? 0 : l->out[e * s->n_steps + before];
}

static void add_rows(float *sums, const float *rows, int64_t n_rows, int64_t n)
{
    for (int64_t r = 0; sums != NULL && r < n_rows; r++)
        sums[r] += (float)crd_kernels_get()->elementwise->sum(rows + r * n, n);
}

/* Back through one direction: gradients at its parameters, at its input (added to, or
 * overwritten; NULL: not asked for). `states` has room for one step's. */
static void lane_backward(const sizes *s, const cell *kind, const lane *l, float *const *dparams,
                          const float *dout, float *states)
{
    int64_t n = s->n_images;
    memset(l->h, 0, (size_t)(s->hidden * n) * sizeof *l->h);
    memset(l->c, 0, (size_t)(s->hidden * n) * sizeof *l->c);
    for (int k = 0; k < N_PARAMS; k++)
        if (dparams[k] != NULL && k != W_IH)
            memset(dparams[k], 0,
                   (size_t)(k == W_HH ? s->gates * s->hidden : s->gates) * sizeof **dparams);
    for (int64_t i = s->n_steps - 1; i >= 0; i--) {
        step_backward(s, kind, l, dout, i);
        gather_states(states, s, l, i);
        if (dparams[W_HH] != NULL)
            crd_gemm_transposed(dparams[W_HH], s->hidden, l->hh, n, states, n, s->gates, s->hidden,
                                n, 1, CRD_TRANSPOSE_B);
        add_rows(dparams[B_HH], l->hh, s->gates, n);
        crd_gemm_transposed(l->h, n, l->p[W_HH], s->hidden, l->hh, n, s->hidden, n, s->gates, 1,
                            CRD_TRANSPOSE_A);
    }
    add_rows(dparams[B_IH], l->gates, s->gates, s->columns);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const sizes s = sizes_of(op, args->n_images);
    int64_t outputs = s.n_directions * s.hidden * s.columns;
    float *middle = args->scratch, *last = middle + (s.n_layers - 1) * outputs;
    float *dmiddle = last + outputs, *lanes = dmiddle + outputs;
    float *step = lanes + s.n_layers * s.n_directions * lane_floats(&s);
    lane all[4];
    const float *p[4][N_PARAMS];
    for (int k = 0; k < s.n_layers * s.n_directions; k++) {
        int layer = k / (int)s.n_directions, direction = k % (int)s.n_directions;
        take_params(p[k], args, layer, direction);
        float *out = layer == s.n_layers - 1 ? last : middle;
        all[k] = (lane){.gates = lanes + k * lane_floats(&s),
                        .kept = lanes + k * lane_floats(&s) + s.gates * s.columns,
                        .out = out + direction * s.hidden * s.columns,
                        .h = step,
                        .c = step + s.hidden * s.n_images,
                        .hh = step + 2 * s.hidden * s.n_images,
                        .p = p[k],
                        .is_reverse = direction == 1};
        lane_forward(&s, cell_of(op), &all[k], layer == 0 ? args->in[0] : middle,
                     layer_inputs(op, layer));
    }
    for (int k = (int)(s.n_layers * s.n_directions) - 1; k >= 0; k--) {
        int layer = k / (int)s.n_directions, direction = k % (int)s.n_directions;
        int64_t n_in = layer_inputs(op, layer);
        float *const *dparams = grads->dparams + (2 * layer + direction) * N_PARAMS;
        const float *dout = layer == s.n_layers - 1 ? grads->dout : dmiddle;
        lane_backward(&s, cell_of(op), &all[k], dparams, dout + direction * s.hidden * s.columns,
                      step + step_floats(&s) - s.hidden * s.n_images);
        const float *in = layer == 0 ? args->in[0] : middle;
        if (dparams[W_IH] != NULL)
            crd_gemm_transposed(dparams[W_IH], n_in, all[k].gates, s.columns, in, s.columns,
                                s.gates, n_in, s.columns, 0, CRD_TRANSPOSE_B);
        float *din = layer == 0 ? grads->din[0] : dmiddle;
        bool adds = direction < s.n_directions - 1 || (layer == 0 && grads->adds[0]);
        if (din != NULL)
            crd_gemm_transposed(din, s.columns, p[k][W_IH], n_in, all[k].gates, s.columns, n_in,
                                s.columns, s.gates, adds ? 1 : 0, CRD_TRANSPOSE_A);
    }
}

#define RECURRENT(class_name)                                                                      \
    .name = class_name, .attrs = attrs, .attrs_size = sizeof(attributes), .min_inputs = 1,         \
    .max_inputs = 1, .params = params, .n_params = sizeof params / sizeof *params,                 \
    .keeps_in = true, .infer = infer, .initial = initial, .work = work,                            \
    .scratch_floats = scratch_floats, .backward_scratch_floats = backward_scratch_floats,          \
    .forward = forward, .backward = backward

const crd_op crd_op_lstm = {RECURRENT("LSTM")};
const crd_op crd_op_gru = {RECURRENT("GRU")};
