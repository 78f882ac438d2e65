/* LSTM and GRU against their equations, of one and two layers, one and both directions, some
 * sequences and lengths; and torch's values. */
#include "op_golden.h"

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

/* The state h (and c) after one step whose input is x[i * stride]. */
static void advance(double *h, double *c, const double *x, int64_t stride, int64_t n_in, int64_t n,
                    const double *const p[4], int is_gru)
{
    double ih[4 * MOST], hh[4 * MOST], before[MOST];
    for (int64_t k = 0; k < (is_gru ? 3 : 4) * n; k++) {
        ih[k] = product(p[0] + k * n_in, x, n_in, stride) + (p[2] == NULL ? 0 : p[2][k]);
        hh[k] = product(p[1] + k * n, h, n, 1) + (p[3] == NULL ? 0 : p[3][k]);
    }
    memcpy(before, h, (size_t)n * sizeof *h);
    for (int64_t j = 0; j < n; j++) {
        double first = logistic(ih[j] + hh[j]), second = logistic(ih[n + j] + hh[n + j]);
        if (is_gru) {
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
                            params + (2 * layer + d) * 4, payload != NULL);
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

static void layers_and_directions(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        const attr_list attrs =
            ATTRS(ONE("input_size", 3), ONE("hidden_size", 2), ONE("num_layers", 1 + i % 2),
                  ONE("bidirectional", i / 2 % 2), ONE("bias", i / 4 % 2));
        op_check(
            &(op_case){.kind = i / 8 ? "GRU" : "LSTM",
                       .attrs = &attrs,
                       .shapes = {i % 3 ? crd_shape_make(3, 3, 1, 4) : crd_shape_make(3, 3, 2, 2)},
                       .n_images = 1 + i % 2 * 2,
                       .reference = plain,
                       .payload = i / 8 ? &attrs : NULL});
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
         cmocka_unit_test(a_vector_is_no_sequence))
