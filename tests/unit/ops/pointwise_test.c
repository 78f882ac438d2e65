/* Functions of one element against torch's values and gradients (torch 2.15, float64), and those
 * with attributes against their formulas. */
#include "op_golden.h"

static const double magnitudes[4] = {0.25, 1.5, 3, 0.5};

static void values_are_torchs(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        int sign;
        double y[4], dx[4];
    } rows[] = {
        /* clang-format off */
        {"Abs", 1, {0.25, 1.5, 3.0, 0.5}, {1.0, 1.0, 1.0, 1.0}},
        {"Neg", 1, {-0.25, -1.5, -3.0, -0.5}, {-1.0, -1.0, -1.0, -1.0}},
        {"Exp", 1, {1.2840254166877414, 4.4816890703380645, 20.085536923187668, 1.6487212707001282}, {1.2840254166877414, 4.4816890703380645, 20.085536923187668, 1.6487212707001282}},
        {"Log", 1, {-1.3862943611198906, 0.4054651081081644, 1.0986122886681098, -0.6931471805599453}, {4.0, 0.6666666666666666, 0.3333333333333333, 2.0}},
        {"Sqrt", 1, {0.5, 1.224744871391589, 1.7320508075688772, 0.7071067811865475}, {1.0, 0.4082482904638631, 0.2886751345948129, 0.7071067811865476}},
        {"Reciprocal", 1, {4.0, 0.6666666666666666, 0.3333333333333333, 2.0}, {-16.0, -0.4444444444444444, -0.1111111111111111, -4.0}},
        {"Sin", 1, {0.24740395925452294, 0.9974949866040544, 0.1411200080598672, 0.479425538604203}, {0.9689124217106447, 0.0707372016677029, -0.9899924966004454, 0.8775825618903728}},
        {"Cos", 1, {0.9689124217106447, 0.0707372016677029, -0.9899924966004454, 0.8775825618903728}, {-0.24740395925452294, -0.9974949866040544, -0.1411200080598672, -0.479425538604203}},
        {"Erf", 1, {0.27632639016823696, 0.9661051464753108, 0.9999779095030014, 0.5204998778130465}, {1.0600141293761143, 0.11893028922362936, 0.00013925305194674786, 0.8787825789354448}},
        {"Softplus", 1, {0.8259394198788436, 1.7014132779827524, 3.048587351573742, 0.9740769841801067}, {0.5621765008857981, 0.8175744761936437, 0.9525741268224333, 0.6224593312018546}},
        {"Softsign", 1, {0.2, 0.6, 0.75, 0.3333333333333333}, {0.64, 0.16000000000000003, 0.0625, 0.4444444444444444}},
        {"Mish", 1, {0.1695724096638176, 1.4033782663958028, 2.9865350049679575, 0.3752452113048951}, {0.7541726677205928, 1.0884879850078475, 1.0211069109294435, 0.8864243753577272}},
        {"Abs", -1, {0.25, 1.5, 3.0, 0.5}, {-1.0, -1.0, -1.0, -1.0}},
        {"Neg", -1, {0.25, 1.5, 3.0, 0.5}, {-1.0, -1.0, -1.0, -1.0}},
        {"Exp", -1, {0.7788007830714049, 0.22313016014842982, 0.049787068367863944, 0.6065306597126334}, {0.7788007830714049, 0.22313016014842982, 0.049787068367863944, 0.6065306597126334}},
        {"Reciprocal", -1, {-4.0, -0.6666666666666666, -0.3333333333333333, -2.0}, {-16.0, -0.4444444444444444, -0.1111111111111111, -4.0}},
        {"Sin", -1, {-0.24740395925452294, -0.9974949866040544, -0.1411200080598672, -0.479425538604203}, {0.9689124217106447, 0.0707372016677029, -0.9899924966004454, 0.8775825618903728}},
        {"Cos", -1, {0.9689124217106447, 0.0707372016677029, -0.9899924966004454, 0.8775825618903728}, {0.24740395925452294, 0.9974949866040544, 0.1411200080598672, 0.479425538604203}},
        {"Erf", -1, {-0.27632639016823696, -0.9661051464753108, -0.9999779095030014, -0.5204998778130465}, {1.0600141293761143, 0.11893028922362936, 0.00013925305194674786, 0.8787825789354448}},
        {"Softplus", -1, {0.5759394198788436, 0.2014132779827524, 0.04858735157374206, 0.4740769841801067}, {0.4378234991142019, 0.18242552380635632, 0.04742587317756679, 0.37754066879814546}},
        {"Softsign", -1, {-0.2, -0.6, -0.75, -0.3333333333333333}, {0.64, 0.16000000000000003, 0.0625, 0.4444444444444444}},
        {"Mish", -1, {-0.129926963679141, -0.29809974216680674, -0.1456474612756246, -0.22074377465173}, {0.43981560172180506, -0.06409781589225869, -0.09339311453232084, 0.28951067791351226}},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double x[4];
        for (int k = 0; k < 4; k++)
            x[k] = rows[i].sign * magnitudes[k];
        op_golden_check(rows[i].kind, NULL, crd_shape_make(3, 2, 2, 1),
                        &(op_golden){.x = x, .y = rows[i].y, .dx = rows[i].dx});
    }
}

static void scale_shift(double *out, const crd_graph_op *op, const double *const *in,
                        const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    (void)payload;
    for (int64_t i = 0; i < n_images * crd_shape_count(&op->shape); i++)
        out[i] = in[0][i] * attr_of(op, "scale", 0) + attr_of(op, "shift", 0);
}

static void celu(double *out, const crd_graph_op *op, const double *const *in,
                 const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    (void)payload;
    double a = attr_of(op, "alpha", 0);
    for (int64_t i = 0; i < n_images * crd_shape_count(&op->shape); i++)
        out[i] = fmax(0, in[0][i]) + fmin(0, a * (exp(in[0][i] / a) - 1));
}

static void threshold(double *out, const crd_graph_op *op, const double *const *in,
                      const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    (void)payload;
    for (int64_t i = 0; i < n_images * crd_shape_count(&op->shape); i++)
        out[i] = in[0][i] > attr_of(op, "threshold", 0) ? in[0][i] : attr_of(op, "value", 0);
}

static void cube(double *out, const crd_graph_op *op, const double *const *in,
                 const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    (void)payload;
    for (int64_t i = 0; i < n_images * crd_shape_count(&op->shape); i++)
        out[i] = in[0][i] * in[0][i] * in[0][i];
}

static void hardtanh(double *out, const crd_graph_op *op, const double *const *in,
                     const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    (void)payload;
    for (int64_t i = 0; i < n_images * crd_shape_count(&op->shape); i++)
        out[i] = fmin(fmax(in[0][i], attr_of(op, "min_val", 0)), attr_of(op, "max_val", 0));
}

static void attributes_are_heeded(void **state)
{
    (void)state;
    const attr_list scale = ATTRS(CRD_ATTR("scale", -2.5), CRD_ATTR("shift", 0.75));
    const attr_list alpha = ATTRS(CRD_ATTR("alpha", 0.7));
    const attr_list bound = ATTRS(CRD_ATTR("threshold", 0.2), CRD_ATTR("value", -3));
    const attr_list three = ATTRS(CRD_ATTR("exponent", 3));
    const attr_list range = ATTRS(CRD_ATTR("min_val", -0.3), CRD_ATTR("max_val", 0.6));
    const struct {
        const char *kind;
        const attr_list *attrs;
        op_reference *reference;
    } cases[] = {{"ScaleShift", &scale, scale_shift},
                 {"CELU", &alpha, celu},
                 {"Threshold", &bound, threshold},
                 {"Pow", &three, cube},
                 {"Hardtanh", &range, hardtanh}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        op_check(&(op_case){.kind = cases[i].kind,
                            .attrs = cases[i].attrs,
                            .shapes = {crd_shape_make(3, 3, 2, 5)},
                            .n_images = 3,
                            .reference = cases[i].reference});
}

/* torch's: the derivative of x^0 is 0 at 0 too. */
static void a_constant_power_has_no_slope_at_zero(void **state)
{
    (void)state;
    const attr_list none = ATTRS(CRD_ATTR("exponent", 0));
    static const double x[4] = {0, -1, 2, 0}, y[4] = {1, 1, 1, 1}, dx[4] = {0};
    op_golden_check("Pow", &none, crd_shape_make(3, 2, 2, 1),
                    &(op_golden){.x = x, .y = y, .dx = dx});
}

OP_TESTS("pointwise", cmocka_unit_test(values_are_torchs), cmocka_unit_test(attributes_are_heeded),
         cmocka_unit_test(a_constant_power_has_no_slope_at_zero))
