/* RNN, LSTM and GRU against their equations, of one and two layers, one and both directions, some
 * sequences and lengths; torch's values; and weights that every step draws anew. */
#include "op_golden.h"

#include "bayes_nets.h"
#include "credence/rng.h"

enum { MOST = 64 };

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static double product(const double *row, const double *x, int64_t n, int64_t stride)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += row[i] * x[i * stride];
    return sum;
}

static const struct {
    const char *kind;
    int n_gates;
} cells[] = {{"LSTM", 4}, {"GRU", 3}, {"RNN", 1}, {"RNN", 1}};
enum { LSTM, GRU, TANH_RNN, RELU_RNN, N_CELLS };

/* The state h (and c) after one step of a cell whose input is x[i * stride]. */
static void advance(double *h, double *c, const double *x, int64_t stride, int64_t n_in, int64_t n,
                    const double *const p[4], int cell)
{
    double ih[4 * MOST], hh[4 * MOST], before[MOST];
    for (int64_t k = 0; k < cells[cell].n_gates * n; k++) {
        ih[k] = product(p[0] + k * n_in, x, n_in, stride) + (p[2] == NULL ? 0 : p[2][k]);
        hh[k] = product(p[1] + k * n, h, n, 1) + (p[3] == NULL ? 0 : p[3][k]);
    }
    memcpy(before, h, (size_t)n * sizeof *h);
    for (int64_t j = 0; j < n; j++) {
        if (cell >= TANH_RNN) {
            h[j] = cell == TANH_RNN ? tanh(ih[j] + hh[j]) : fmax(ih[j] + hh[j], 0);
            continue;
        }
        double first = logistic(ih[j] + hh[j]), second = logistic(ih[n + j] + hh[n + j]);
        if (cell == GRU) {
            double fresh = tanh(ih[2 * n + j] + first * hh[2 * n + j]);
            h[j] = (1 - second) * fresh + second * before[j];
        } else {
            c[j] = second * c[j] + first * tanh(ih[2 * n + j] + hh[2 * n + j]);
            h[j] = logistic(ih[3 * n + j] + hh[3 * n + j]) * tanh(c[j]);
        }
    }
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t n = (int64_t)attr_of(op, "hidden_size", 0), n_in = op->in->dims[0];
    int64_t steps = crd_shape_count(op->in) / n_in, layers = (int64_t)attr_of(op, "num_layers", 0);
    int directions = 1 + (int)attr_of(op, "bidirectional", 0);
    for (int64_t image = 0; image < n_images; image++) {
        double below[MOST], above[MOST];
        memcpy(below, in[0] + image * n_in * steps, (size_t)(n_in * steps) * sizeof *below);
        for (int64_t layer = 0; layer < layers; layer++) {
            for (int d = 0; d < directions; d++) {
                double h[MOST] = {0}, c[MOST] = {0};
                for (int64_t i = 0; i < steps; i++) {
                    int64_t t = d ? steps - 1 - i : i;
                    advance(h, c, below + t, steps, layer == 0 ? n_in : directions * n, n,
                            params + (2 * layer + d) * 4, *(const int *)payload);
                    for (int64_t j = 0; j < n; j++)
                        above[(d * n + j) * steps + t] = h[j];
                }
            }
            memcpy(below, above, sizeof below);
        }
        memcpy(out + image * directions * n * steps, below,
               (size_t)(directions * n * steps) * sizeof *out);
    }
}

static attr_list layer(int64_t n_in, int64_t n, int cell, int layers, int is_bidirectional,
                       int bias)
{
    attr_list attrs =
        ATTRS(ONE("input_size", (double)n_in), ONE("hidden_size", (double)n),
              ONE("num_layers", layers), ONE("bidirectional", is_bidirectional), ONE("bias", bias));
    if (cell == RELU_RNN)
        attrs.list[5] = (crd_attr)CRD_ATTR_WORD("nonlinearity", "relu");
    return attrs;
}

static void layers_and_directions(void **state)
{
    (void)state;
    for (int i = 0; i < 8 * N_CELLS; i++) {
        int cell = i / 8;
        const attr_list attrs =
            layer(3, cell == RELU_RNN ? 5 : 2, cell, 1 + i % 2, i / 2 % 2, i / 4 % 2);
        op_check(
            &(op_case){.kind = cells[cell].kind,
                       .attrs = &attrs,
                       .shapes = {i % 3 ? crd_shape_make(3, 3, 1, 4) : crd_shape_make(3, 3, 2, 2)},
                       .n_images = 1 + i % 2 * 2,
                       .reference = plain,
                       .payload = &cell});
    }
}

static const double x[6] = {-1.5, -1, -0.5, 0, 0.5, 1}, dout[6] = {0.5, -1, 2, 1, 0.25, -0.5};

static void check_golden(const char *kind, int n_gates, const op_golden *values)
{
    double weights[4][16];
    op_golden g = *values;
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < (k < 2 ? 4 : 2) * n_gates; i++)
            weights[k][i] = ((7 * i + 3 * k) % 11 - 5) / 8.0;
        g.params[k] = weights[k];
    }
    g.x = x;
    g.dout = dout;
    const attr_list attrs = ATTRS(ONE("input_size", 2), ONE("hidden_size", 2));
    op_golden_check(kind, &attrs, crd_shape_make(3, 2, 1, 3), &g);
}

/* torch.nn.LSTM(2, 2) in float64, torch 2.15. */
static void lstm_values_are_torchs(void **state)
{
    (void)state;
    static const double y[6] = {0.04485214966037595,   0.04052531784995691,
                                0.023496013959487385,  -0.0043783849483952945,
                                -0.043538187225227135, -0.11868757783260288};
    static const double dx[6] = {-0.0714367189135698,  0.05056129727493141,   -0.2975165187900861,
                                 0.007857633352699634, -0.004089721316432277, 0.27404691684864063};
    static const double dw_ih[16] = {
        -0.004724618169896228, 0.00295423593179548,  -0.012422551758618762, 0.019056270551574654,
        -0.006454067522624557, 0.01771935800906038,  -0.003412221965000545, 0.0059520706231790494,
        -0.42469822646736044,  0.6197717127543593,   -0.035086181115358994, -0.049941372758275676,
        -0.007078195709929663, 0.013983426077105345, -0.021054322125060466, 0.04692954902886749};
    static const double dw_hh[16] = {
        8.940541820610094e-05,   -0.00015006276271499393, 0.0009554250007789963,
        -0.0007001345876538223,  0.000639212267084639,    -0.0008272491110974577,
        0.0002555103641003278,   -0.0002490282384861553,  0.02263103046939173,
        -0.02874152566553749,    -0.002872076920178061,   0.001574483839036099,
        -3.3502509324933715e-05, -0.0010332889800243879,  0.002020464881535558,
        -0.0019593274378280428};
    static const double db_ih[8] = {
        0.005119236067794472, 0.020985881540128943,  0.01611561702112329,  0.006242861725453064,
        0.6963132928144797,   -0.009903461095277788, 0.014041081191356672, 0.0453225807692853};
    static const double db_hh[8] = {
        0.005119236067794472, 0.020985881540128943,  0.01611561702112329,  0.006242861725453064,
        0.6963132928144797,   -0.009903461095277788, 0.014041081191356672, 0.0453225807692853};
    check_golden("LSTM", 4,
                 &(op_golden){.y = y, .dx = dx, .dparams = {dw_ih, dw_hh, db_ih, db_hh}});
}

/* torch.nn.GRU(2, 2) in float64, torch 2.15. */
static void gru_values_are_torchs(void **state)
{
    (void)state;
    static const double y[6] = {0.07961516871763549, 0.037166925175462766,  0.0342319401137277,
                                0.14515511091210492, -0.013107072933180614, -0.2451241368215329};
    static const double dx[6] = {-0.1605825867975646,  0.08639420852091063, -0.6005986345333211,
                                 -0.24802142691005036, 0.16616064820362836, 0.571792549360753};
    static const double dw_ih[12] = {
        0.012461523763894644, -0.023430074491738683,  0.0424758035829673,  0.05126844055811239,
        0.024368114195329953, -0.0004809032070828218, 0.14790770611867063, -0.08376192409562892,
        -0.7239937816203877,  1.1182410388674426,     -0.2735170723706185, -0.3346670215339751};
    static const double dw_hh[12] = {
        -0.0005012570052902426, 0.0012257448710171015,   0.004965289280619413,
        0.006933870211230292,   -0.00036086781980083053, -0.0008462892673972438,
        -0.005898224002961606,  -0.0058250246654919045,  0.022978496832143706,
        -0.032484716962863286,  -0.017329109315210447,   -0.02305244981742689};
    static const double db_ih[6] = {-0.023927732170422218, 0.005861757983430055,
                                    -0.01656601160160852,  -0.15444642014286636,
                                    1.228156546991887,     -0.04076663277557099};
    static const double db_hh[6] = {-0.023927732170422218, 0.005861757983430055,
                                    -0.01656601160160852,  -0.15444642014286636,
                                    0.9417435259603155,    -0.048461566696705594};
    check_golden("GRU", 3, &(op_golden){.y = y, .dx = dx, .dparams = {dw_ih, dw_hh, db_ih, db_hh}});
}

/* The estimator that draws at every step: its numbers are those of {draw, step, tensor}. */
static void every_step_draws_its_own(void **state)
{
    (void)state;
    enum { N_IN = 3, N = 5, STEPS = 4, N_IMAGES = 2, N_DRAWS = 2, DRAW = 6 };
    const crd_conversion conversion = moped(0.5);
    for (int cell = 0; cell < N_CELLS; cell++) {
        const attr_list attrs = layer(N_IN, N, cell, 1, 0, 1);
        const attr_list narrow = ATTRS(ONE("dim", 3), ONE("start", STEPS - 1), ONE("length", 1));
        const crd_shape shape = crd_shape_make(3, N_IN, 1, STEPS);
        crd_network *network;
        assert_ok(crd_network_create(&network, "steps", &shape));
        add_op(network, "Flatten", "flat", NULL,
               add_op(network, "Narrow", "last", &narrow,
                      add_op(network, cells[cell].kind, "layer", &attrs, 0)));
        crd_posterior *posterior = make_posterior(network, &conversion, "*");
        owned_model model = make_model(posterior);
        float images[N_IMAGES * N_IN * STEPS], logits[N_DRAWS][N_IMAGES * N];
        fill_any(images, N_IMAGES * N_IN * STEPS, 3);
        const crd_sampler_options options = {.estimator = "reparameterization-step",
                                             .seed = 7,
                                             .batch = N_IMAGES,
                                             .draw_block = N_DRAWS};
        crd_sampler *sampler;
        assert_ok(crd_sampler_create(&sampler, &model.view, &options));
        assert_ok(crd_sampler_run(logits[0], sampler, images, N_IMAGES, 0, DRAW, N_DRAWS));
        for (int d = 0; d < N_DRAWS; d++)
            for (int64_t image = 0; image < N_IMAGES; image++) {
                double h[MOST] = {0}, c[MOST] = {0}, input[N_IN * STEPS];
                for (int i = 0; i < N_IN * STEPS; i++)
                    input[i] = (double)images[image * N_IN * STEPS + i];
                for (int64_t t = 0; t < STEPS; t++) {
                    double weights[4][4 * N * N];
                    for (int k = 0; k < 4; k++) {
                        float eps[4 * N * N];
                        const crd_param *param = &network->params.entries[k];
                        const crd_stream stream = {.seed = 7,
                                                   .draw = (uint32_t)(DRAW + d),
                                                   .image = (uint32_t)t,
                                                   .tensor = (uint32_t)k,
                                                   .purpose = CRD_PURPOSE_WEIGHT};
                        crd_normal_fill(eps, param->count, 0, &stream);
                        for (int64_t i = 0; i < param->count; i++)
                            weights[k][i] = (double)model.mu[param->offset + i] +
                                            (double)model.sigma[param->offset + i] * (double)eps[i];
                    }
                    advance(h, c, input + t, STEPS, N_IN, N,
                            (const double *const[]){weights[0], weights[1], weights[2], weights[3]},
                            cell);
                }
                for (int j = 0; j < N; j++)
                    assert_true(fabs((double)logits[d][image * N + j] - h[j]) < 1e-5);
            }
        crd_sampler_destroy(sampler);
        clear_model(&model);
        crd_posterior_destroy(posterior);
    }
}

static void a_vector_is_no_sequence(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 3, 1, 4);
    const attr_list attrs = ATTRS(ONE("input_size", 4), ONE("hidden_size", 2));
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "LSTM", "n", &attrs, &input, 1), CRD_ERR_INPUT,
                 "op 'n' (LSTM): input_size is 4, but its input has shape (3, 1, 4)");
    crd_network_destroy(network);
}

OP_TESTS("recurrent", cmocka_unit_test(layers_and_directions),
         cmocka_unit_test(lstm_values_are_torchs), cmocka_unit_test(gru_values_are_torchs),
         cmocka_unit_test(every_step_draws_its_own), cmocka_unit_test(a_vector_is_no_sequence))
