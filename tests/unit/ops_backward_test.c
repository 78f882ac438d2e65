/* Backward of every operator, element by element, against central differences of a plain
 * double-precision forward pass. */
#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "conv/backward.h"
#include "double_net.h"
#include "kernels/kernels.h"
#include "op_check.h"
#include "ops/conv2d.h"
#include "walker.h"

/* Of the random numbers of a pass. */
enum { SEED = 11, DRAW = 3, FIRST_IMAGE = 5 };

static float *floats(int64_t n)
{
    void *block;
    assert_ok(crd_alloc_zeroed(&block, n, sizeof(float), "floats"));
    return block;
}

static double *doubles(int64_t n)
{
    return calloc((size_t)n + 1, sizeof(double));
}

/* double_layer as the reference of a check. */
static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    /* A network of the op and its input, for double_layer looks them up by index. */
    crd_graph_op ops[2] = {{.shape = op->in[0]}, *op};
    int64_t inputs[2] = {0, 0};
    ops[1].inputs = inputs;
    const crd_network network = {.ops = ops, .n_ops = 2};
    const double_pass pass = {.network = &network,
                              .seed = SEED,
                              .draw = DRAW,
                              .first_image = FIRST_IMAGE,
                              .n_images = n_images,
                              .is_training = 1,
                              .batch_norm_train = *(const int *)payload};
    double_layer(out, &pass, 1, in, params);
}

static op_case case_of(const char *kind, const attr_list *attrs, crd_shape shape, int64_t n_images,
                       const int *batch_norm_train)
{
    int is_sum = strcmp(kind, "Add") == 0;
    return (op_case){.kind = kind,
                     .attrs = attrs,
                     .shapes = {shape, is_sum ? shape : (crd_shape){0}},
                     .n_images = n_images,
                     .on_batch_statistics = *batch_norm_train,
                     .reference = plain,
                     .payload = batch_norm_train,
                     .random = {SEED, DRAW, FIRST_IMAGE, 1}};
}

static void check(const char *kind, const attr_list *attrs, crd_shape shape, int64_t n_images,
                  int batch_norm_train)
{
    const op_case c = case_of(kind, attrs, shape, n_images, &batch_norm_train);
    op_check(&c);
}

static const int on_running = 0;

static void init(op_fixture *f, op_case *c, const char *kind, const attr_list *attrs,
                 crd_shape shape, int64_t n_images)
{
    *c = case_of(kind, attrs, shape, n_images, &on_running);
    op_fixture_init(f, c);
}

static conv2d_attrs conv_attrs(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                               int64_t padding, int64_t dilation, int64_t groups, int64_t bias)
{
    /* Height and width differ, so that a mix-up shows. */
    return (conv2d_attrs){.in_channels = in,
                          .out_channels = out,
                          .kernel_size = {kernel, kernel == 1 ? 1 : kernel - 1},
                          .stride = {stride, stride},
                          .padding = {padding, padding == 0 ? 0 : padding - 1},
                          .dilation = {dilation, 1},
                          .groups = groups,
                          .bias = bias};
}

static attr_list conv(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding,
                      int64_t dilation, int64_t groups, int64_t bias)
{
    return conv2d_list(conv_attrs(in, out, kernel, stride, padding, dilation, groups, bias));
}

static void convolutions(void **state)
{
    (void)state;
    const attr_list cases[] = {
        conv(4, 6, 3, 1, 1, 1, 1, 1), conv(4, 6, 3, 2, 1, 1, 2, 0),  conv(4, 4, 3, 1, 2, 2, 4, 1),
        conv(4, 5, 1, 1, 0, 1, 1, 1), conv(4, 6, 1, 2, 0, 1, 2, 0),  conv(4, 3, 5, 3, 4, 1, 1, 0),
        conv(4, 2, 1, 1, 3, 1, 1, 1), /* padding wider than the kernel */
        conv(4, 9, 3, 1, 1, 1, 1, 1), conv(4, 17, 5, 2, 2, 1, 1, 0), conv(4, 10, 7, 1, 3, 1, 1, 1),
        conv(4, 9, 3, 3, 0, 1, 1, 0), conv(4, 20, 3, 2, 1, 1, 2, 1), conv(4, 9, 3, 2, 2, 2, 1, 0),
        conv(4, 9, 2, 3, 1, 1, 1, 1), conv(4, 9, 3, 1, 4, 1, 1, 1),  conv(4, 9, 1, 3, 2, 1, 1, 0),
        conv(4, 9, 7, 2, 3, 1, 1, 1), conv(4, 9, 3, 1, 1, 2, 1, 1),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check("Conv2d", &cases[i], crd_shape_make(3, 4, 7, 9), 1, 0);
        check("Conv2d", &cases[i], crd_shape_make(3, 4, 7, 9), 3, 0);
    }
}

/* Enough channels for every algorithm, Winograd's among them, and for more than one panel. */
static void convolutions_of_panels(void **state)
{
    (void)state;
    for (int64_t stride = 1; stride <= 3; stride++) {
        const attr_list square = conv2d_list((conv2d_attrs){.in_channels = 16,
                                                            .out_channels = 16 * stride,
                                                            .kernel_size = {3, 3},
                                                            .stride = {stride, stride},
                                                            .padding = {1, 1},
                                                            .dilation = {1, 1},
                                                            .groups = 1});
        const attr_list pointwise = conv(16, 33, 1, stride, 0, 1, 1, 1);
        check("Conv2d", &square, crd_shape_make(3, 16, 8, 7), stride == 1 ? 3 : 1, 0);
        check("Conv2d", &pointwise, crd_shape_make(3, 16, 5, 6), 3, 0);
    }
}

/* Height and width alone strided: phases along one dimension only. */
static void strides_that_differ(void **state)
{
    (void)state;
    for (int k = 1; k <= 3; k++)
        for (int dim = 0; dim < 2; dim++) {
            conv2d_attrs a = conv_attrs(4, 9, k, 1, 1, 1, 1, 0);
            a.stride[dim] = 3;
            const attr_list attrs = conv2d_list(a);
            check("Conv2d", &attrs, crd_shape_make(3, 4, 7, 8), 3, 0);
        }
}

/* dweight as a plain sum in double. */
static void weight_gradient(double *dweight, const crd_conv *conv, const float *in,
                            const float *dout, int64_t group)
{
    int64_t n_taps = conv->kernel_size[0] * conv->kernel_size[1];
    for (int64_t i = 0; i < conv->n_out * conv->n_terms; i++) {
        int64_t o = group * conv->n_out + i / conv->n_terms;
        int64_t c = group * conv->n_in + i % conv->n_terms / n_taps, tap = i % n_taps;
        int64_t dy = tap / conv->kernel_size[1] * conv->dilation[0] - conv->padding[0];
        int64_t dx = tap % conv->kernel_size[1] * conv->dilation[1] - conv->padding[1];
        double sum = 0;
        for (int64_t p = 0; p < crd_conv_out_plane(conv); p++) {
            int64_t image = p / conv->out_width / conv->out_height;
            int64_t y = p / conv->out_width % conv->out_height * conv->stride[0] + dy;
            int64_t x = p % conv->out_width * conv->stride[1] + dx;
            if (y < 0 || y >= conv->height || x < 0 || x >= conv->width)
                continue;
            int64_t at = ((c * conv->n_images + image) * conv->height + y) * conv->width + x;
            sum += (double)dout[o * crd_conv_out_plane(conv) + p] * (double)in[at];
        }
        dweight[o * conv->n_terms + i % conv->n_terms] = sum;
    }
}

/* All algorithms, whichever an op would choose: over one chunk and several, one panel, a part of
 * one, and several, and blocks of input channels. */
static void check_weight_gradients(const attr_list *attrs, crd_shape shape, int64_t n_images)
{
    static const crd_conv_weight_gradient *const methods[] = {
        &crd_conv_weight_gradient_direct, &crd_conv_weight_gradient_winograd,
        &crd_conv_weight_gradient_columns, &crd_conv_weight_gradient_depthwise};
    op_fixture f;
    op_case of_f;
    init(&f, &of_f, "Conv2d", attrs, shape, n_images);
    const crd_conv c = crd_conv2d_geometry(f.op, n_images, CRD_FP32);
    int64_t n = op_fixture_count(&f, CRD_SLOT_WEIGHT);
    double *expected = doubles(n);
    for (int64_t group = 0; group < c.groups; group++)
        weight_gradient(expected, &c, f.in_f[0], f.dout_f, group);
    for (int m = 0; m < 4; m++) {
        if (!methods[m]->fits(&c))
            continue;
        float *dweight = floats(n), *scratch = floats(methods[m]->scratch_floats(&c));
        const crd_conv_args args = {.in = f.in_f[0], .scratch = scratch};
        double error = 0, norm = 0;
        for (int64_t group = 0; group < c.groups; group++)
            methods[m]->run(dweight, &c, &args, f.dout_f, group);
        for (int64_t i = 0; i < n; i++) {
            error += pow((double)dweight[i] - expected[i], 2);
            norm += expected[i] * expected[i];
        }
        if (!(sqrt(error) <= 1e-5 * sqrt(norm)) || norm == 0)
            fail_msg("algorithm %d: relative error %g", m, sqrt(error / norm));
        crd_free(dweight);
        crd_free(scratch);
    }
    free(expected);
    op_fixture_clear(&f);
}

static void every_algorithm_of_the_weights(void **state)
{
    (void)state;
    const struct {
        int64_t n_in, n_out, height, width, n_images, kernel, stride, padding, groups;
    } cases[] = {
        {16, 5, 7, 5, 1, 3, 1, 1, 1},    {16, 17, 1, 1, 3, 3, 1, 1, 1},
        {32, 40, 9, 13, 3, 3, 1, 0, 1},  {16, 16, 30, 31, 3, 3, 1, 2, 1},
        {32, 34, 8, 8, 5, 3, 1, 1, 2},   {272, 3, 6, 5, 1, 3, 1, 1, 1},
        {3, 20, 25, 23, 3, 7, 2, 3, 1},  {5, 18, 31, 29, 2, 5, 3, 2, 1},
        {400, 2, 20, 21, 2, 3, 2, 1, 1}, {6, 9, 40, 41, 1, 2, 1, 0, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const attr_list attrs =
            conv2d_list((conv2d_attrs){.in_channels = cases[i].n_in,
                                       .out_channels = cases[i].n_out,
                                       .kernel_size = {cases[i].kernel, cases[i].kernel},
                                       .stride = {cases[i].stride, cases[i].stride},
                                       .padding = {cases[i].padding, cases[i].padding},
                                       .dilation = {1, 1},
                                       .groups = cases[i].groups});
        check_weight_gradients(&attrs,
                               crd_shape_make(3, cases[i].n_in, cases[i].height, cases[i].width),
                               cases[i].n_images);
    }
}

/* Long columns make the forward and backward pass go in several pieces that begin within rows. */
static void a_convolution_in_pieces(void **state)
{
    (void)state;
    enum { CHANNELS = 2048 };
    const crd_shape shape = crd_shape_make(3, CHANNELS, 9, 7);
    const attr_list attrs = conv2d_list((conv2d_attrs){.in_channels = CHANNELS,
                                                       .out_channels = 1,
                                                       .kernel_size = {3, 3},
                                                       .stride = {1, 1},
                                                       .padding = {1, 1},
                                                       .dilation = {1, 1},
                                                       .groups = 1});
    op_fixture f;
    op_case of_f;
    init(&f, &of_f, "Conv2d", &attrs, shape, 2);
    assert_true(crd_shape_count(&f.op->shape) * 2 * CHANNELS * 9 > 1 << 20);
    float *dweight = floats(CHANNELS * 9), *din = floats(f.n_in[0]);
    const bool adds = false;
    const crd_op_args args = op_fixture_args(&f);
    const crd_op_grads grads = {.dout = f.dout_f, .din = &din, .adds = &adds, .dparams = {dweight}};
    f.op->kind->backward(f.op, &args, &grads);
    /* L is linear in each, so one difference along the values themselves tells: x . dL/dx = L. */
    double value = op_fixture_loss(&f), along_in = 0, along_weight = 0, size = 0;
    for (int64_t i = 0; i < f.n_in[0]; i++)
        along_in += (double)f.in_f[0][i] * (double)din[i];
    for (int64_t i = 0; i < CHANNELS * 9; i++)
        along_weight += (double)f.params_f[i] * (double)dweight[i];
    for (int64_t i = 0; i < f.n_out; i++)
        size += fabs(f.weights[i] * f.out[i]);
    assert_true(fabs(along_in - value) < 1e-5 * size);
    assert_true(fabs(along_weight - value) < 1e-5 * size);
    /* And single elements, those of borders among them. */
    for (int64_t i = 0; i < f.n_in[0]; i += 1999) {
        double before = f.in[0][i];
        f.in[0][i] = before + 1;
        double expected = op_fixture_loss(&f) - value;
        f.in[0][i] = before;
        assert_true(fabs((double)din[op_fixture_place(i, f.op->in, 2)] - expected) < 1e-5);
    }
    crd_free(dweight);
    crd_free(din);
    op_fixture_clear(&f);
}

static void linear_ops(void **state)
{
    (void)state;
    for (int bias = 0; bias < 2; bias++) {
        const attr_list attrs = linear_list(13, 5, bias);
        check("Linear", &attrs, crd_shape_make(1, 13), 1, 0);
        check("Linear", &attrs, crd_shape_make(1, 13), 4, 0);
    }
}

static void batch_norms(void **state)
{
    (void)state;
    const attr_list attrs = batch_norm_list(3, 1e-3);
    for (int train = 0; train < 2; train++) {
        check("BatchNorm2d", &attrs, crd_shape_make(3, 3, 5, 4), 3, train);
        check("BatchNorm2d", &attrs, crd_shape_make(3, 3, 1, 3), 1, train);
        check("BatchNorm2d", &attrs, crd_shape_make(3, 3, 1, 1), 3, train);
    }
}

static void poolings(void **state)
{
    (void)state;
    const attr_list cases[] = {
        pool2d_list((pool2d_attrs){.kernel_size = {3, 2}, .stride = {2, 1}, .padding = {1, 0}}),
        pool2d_list((pool2d_attrs){
            .kernel_size = {2, 3}, .stride = {2, 2}, .padding = {1, 1}, .ceil_mode = 1}),
        pool2d_list((pool2d_attrs){.kernel_size = {2, 2}, .stride = {3, 3}, .padding = {0, 0}}),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check("MaxPool2d", &cases[i], crd_shape_make(3, 3, 8, 7), 2, 0);
        check("AvgPool2d", &cases[i], crd_shape_make(3, 3, 8, 7), 2, 0);
    }
    const attr_list whole = adaptive_list(1, 1);
    const attr_list overlapping = adaptive_list(3, 5);
    check("AdaptiveAvgPool2d", &whole, crd_shape_make(3, 3, 8, 7), 2, 0);
    check("AdaptiveAvgPool2d", &overlapping, crd_shape_make(3, 3, 8, 7), 2, 0);
}

/* As in torch: the first of equal maxima gets all; here rows 0 and 1 of a window are equal. */
static void the_first_maximum_gets_the_gradient(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 1, 2, 4);
    const attr_list attrs =
        pool2d_list((pool2d_attrs){.kernel_size = {2, 2}, .stride = {2, 2}, .padding = {0, 0}});
    const float in[8] = {1, 3, 0, 0, 3, 3, 0, 0}, out[2] = {3, 0}, dout[2] = {5, 7};
    float din[8] = {0}, *dins[] = {din};
    const float *ins[] = {in};
    const bool adds = false;
    op_fixture f;
    op_case of_f;
    init(&f, &of_f, "MaxPool2d", &attrs, shape, 1);
    const crd_op_args args = {
        .out = (float *)(uintptr_t)out, .in = ins, .n_images = 1, .scratch = f.scratch};
    const crd_op_grads grads = {.dout = dout, .din = dins, .adds = &adds};
    f.op->kind->backward(f.op, &args, &grads);
    const float expected[8] = {0, 5, 7, 0, 0, 0, 0, 0};
    assert_memory_equal(din, expected, sizeof din);
    op_fixture_clear(&f);
}

static void ops_without_weights(void **state)
{
    (void)state;
    const attr_list half = ATTRS(CRD_ATTR("p", 0.4));
    const attr_list pad = pad_shortcut_list(2, 1, 2);
    for (int64_t n = 1; n <= 3; n += 2) {
        check("ReLU", NULL, crd_shape_make(3, 3, 5, 4), n, 0);
        check("Add", NULL, crd_shape_make(3, 3, 5, 4), n, 0);
        check("Flatten", NULL, crd_shape_make(3, 3, 5, 4), n, 0);
        check("Dropout", &half, crd_shape_make(3, 3, 5, 9), n, 0);
        check("PadShortcut", &pad, crd_shape_make(3, 3, 5, 4), n, 0);
    }
}

/* A share p of the elements, other ones for each image and draw, none in prediction. */
static void dropout_drops_its_share(void **state)
{
    (void)state;
    enum { N = 64 * 1000, PIXELS = N };
    const attr_list attrs = ATTRS(CRD_ATTR("p", 0.3));
    op_fixture f;
    op_case of_f;
    init(&f, &of_f, "Dropout", &attrs, crd_shape_make(3, 1, 1, PIXELS), 1);
    float *in = floats(N), *out[3] = {floats(N), floats(N), floats(N)};
    for (int64_t i = 0; i < N; i++)
        in[i] = 1;
    for (int k = 0; k < 3; k++) {
        const crd_op_random random = {
            .seed = 1, .draw = k == 1 ? 1 : 0, .first_image = k == 2 ? 1 : 0, .op = 1};
        const float *ins[] = {in};
        const crd_op_args args = {.out = out[k], .in = ins, .n_images = 1, .random = &random};
        f.op->kind->forward(f.op, &args);
        int64_t n_dropped = 0;
        for (int64_t i = 0; i < N; i++)
            n_dropped += out[k][i] == 0;
        assert_true(fabs((double)n_dropped / N - 0.3) < 4 * sqrt(0.21 / N));
    }
    for (int k = 1; k < 3; k++) { /* independent: both dropped with probability p^2 */
        int64_t n_both = 0;
        for (int64_t i = 0; i < N; i++)
            n_both += out[0][i] == 0 && out[k][i] == 0;
        assert_true(fabs((double)n_both / N - 0.09) < 4 * sqrt(0.0819 / N));
    }
    for (int k = 0; k < 3; k++)
        crd_free(out[k]);
    crd_free(in);
    op_fixture_clear(&f);
}

/* Products with A, B or both transposed, against sums in double. */
static void transposed_products(void **state)
{
    (void)state;
    enum { M = 5, N = 7, K = 9, LD = 13 };
    float a[LD * LD], b[LD * LD], c[LD * LD], before[LD * LD];
    walker_fill(a, LD * LD, "a", 1, 0);
    walker_fill(b, LD * LD, "b", 1, 0);
    for (unsigned flags = 0; flags < 4; flags++) {
        walker_fill(c, LD * LD, "c", 1, 0);
        memcpy(before, c, sizeof c);
        crd_gemm_transposed(c, LD, a, LD, b, LD, M, N, K, 0.5F, flags);
        for (int i = 0; i < LD; i++)
            for (int j = 0; j < LD; j++) {
                int is_in = i < M && j < N;
                double sum = (is_in ? 0.5 : 1) * (double)before[i * LD + j];
                for (int l = 0; is_in && l < K; l++)
                    sum += (double)a[flags & CRD_TRANSPOSE_A ? l * LD + i : i * LD + l] *
                           (double)b[flags & CRD_TRANSPOSE_B ? j * LD + l : l * LD + j];
                assert_true(fabs((double)c[i * LD + j] - sum) < 1e-5);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),
        cmocka_unit_test(convolutions_of_panels),
        cmocka_unit_test(strides_that_differ),
        cmocka_unit_test(every_algorithm_of_the_weights),
        cmocka_unit_test(a_convolution_in_pieces),
        cmocka_unit_test(linear_ops),
        cmocka_unit_test(batch_norms),
        cmocka_unit_test(poolings),
        cmocka_unit_test(the_first_maximum_gets_the_gradient),
        cmocka_unit_test(ops_without_weights),
        cmocka_unit_test(dropout_drops_its_share),
        cmocka_unit_test(transposed_products),
    };
    return cmocka_run_group_tests_name("ops_backward", tests, NULL, NULL);
}
