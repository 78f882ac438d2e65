/* Every operator against a plain double-precision version, on odd shapes. */
#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "kernels/kernels.h"
#include "ops/conv2d.h"
#include "test_ops.h"
#include "walker.h"

enum { MAX_IMAGES = 3 };

/* One op on an input of its own, with formula-made values. */
typedef struct fixture {
    crd_network *network;
    const crd_graph_op *op;
    const crd_shape *in_shape;
    int64_t n_images;
    float *in, *in_2, *params, *out, *scratch;
} fixture;

static void *floats_or_die(int64_t n)
{
    void *block;
    assert_ok(crd_alloc_zeroed(&block, n, sizeof(float), "floats"));
    return block;
}

static void fixture_init(fixture *f, const char *kind, const attr_list *attrs, crd_shape in_shape,
                         int64_t n_images)
{
    const int64_t inputs[] = {0, 0};
    int n_inputs = crd_op_find(kind)->min_inputs;
    assert_ok(crd_network_create(&f->network, "test", &in_shape));
    assert_ok(network_add(NULL, f->network, kind, "op", attrs, inputs, n_inputs));
    f->op = &f->network->ops[1];
    f->in_shape = &f->network->ops[0].shape;
    f->n_images = n_images;
    int64_t n_in = n_images * crd_shape_count(f->in_shape);
    int64_t n_out = n_images * crd_shape_count(&f->op->shape);
    f->in = floats_or_die(n_in);
    f->in_2 = floats_or_die(n_in);
    walker_fill(f->in, n_in, "in", 1, 0);
    walker_fill(f->in_2, n_in, "in_2", 1, 0);
    assert_ok(walker_make_params(&f->params, f->network));
    f->out = floats_or_die(n_out);
    for (int64_t i = 0; i < n_out; i++)
        f->out[i] = NAN;
    f->scratch = floats_or_die(crd_op_scratch_floats(f->op, n_images, CRD_FP32));
}

static void fixture_clear(fixture *f)
{
    crd_free(f->in);
    crd_free(f->in_2);
    crd_free(f->params);
    crd_free(f->out);
    crd_free(f->scratch);
    crd_network_destroy(f->network);
}

static const float *fixture_param(const fixture *f, int slot)
{
    int64_t index = f->op->params[slot];
    return index < 0 ? NULL : f->params + f->network->params.entries[index].offset;
}

static void fixture_run(fixture *f, float *out)
{
    const float *in[] = {f->in, f->in_2};
    crd_op_args args = {.out = out, .in = in, .n_images = f->n_images, .scratch = f->scratch};
    for (int i = 0; i < f->op->kind->n_params; i++)
        args.params[i].values = fixture_param(f, i);
    f->op->kind->forward(f->op, &args);
}

/* Element of an array (channels, images, height, width); 0 outside the image. */
static double pixel(const fixture *f, const crd_shape *shape, const float *values, int64_t c,
                    int64_t image, int64_t y, int64_t x)
{
    if (y < 0 || y >= shape->dims[1] || x < 0 || x >= shape->dims[2])
        return 0;
    return values[((c * f->n_images + image) * shape->dims[1] + y) * shape->dims[2] + x];
}

/* Value of the plain version at an output pixel. */
typedef double expected_pixel(const fixture *f, int64_t c, int64_t image, int64_t y, int64_t x);

/* A float sum of some hundred terms, in the order that the BLAS kernel of this CPU takes, is this good. */
#define TOLERANCE 1e-5

static void check_pixels(const fixture *f, expected_pixel *expected)
{
    const crd_shape *shape = &f->op->shape;
    for (int64_t c = 0; c < shape->dims[0]; c++)
        for (int64_t image = 0; image < f->n_images; image++)
            for (int64_t y = 0; y < shape->dims[1]; y++)
                for (int64_t x = 0; x < shape->dims[2]; x++) {
                    double e = expected(f, c, image, y, x);
                    double g = pixel(f, shape, f->out, c, image, y, x);
                    if (!(fabs(g - e) <= TOLERANCE * fmax(1, fabs(e))))
                        fail_msg("%s (%d, %d, %d, %d): %.9g, expected %.9g", f->op->kind->name,
                                 (int)c, (int)image, (int)y, (int)x, g, e);
                }
}

static double expected_conv(const fixture *f, int64_t c, int64_t image, int64_t y, int64_t x)
{
    const conv2d_attrs attrs = conv2d_of(f->op), *a = &attrs;
    const float *weight = fixture_param(f, CRD_SLOT_WEIGHT);
    int64_t n_in = a->in_channels / a->groups, group = c / (a->out_channels / a->groups);
    double sum = a->bias ? (double)fixture_param(f, CRD_SLOT_BIAS)[c] : 0;
    for (int64_t i = 0; i < n_in; i++)
        for (int64_t ky = 0; ky < a->kernel_size[0]; ky++)
            for (int64_t kx = 0; kx < a->kernel_size[1]; kx++) {
                int64_t w = ((c * n_in + i) * a->kernel_size[0] + ky) * a->kernel_size[1] + kx;
                sum += (double)weight[w] *
                       pixel(f, f->in_shape, f->in, group * n_in + i, image,
                             y * a->stride[0] - a->padding[0] + ky * a->dilation[0],
                             x * a->stride[1] - a->padding[1] + kx * a->dilation[1]);
            }
    return sum;
}

static const struct conv_case {
    conv2d_attrs attrs;
    int64_t height, width;
} conv_cases[] = {
    {{3, 5, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 1}, 7, 9},
    {{3, 5, {3, 3}, {1, 1}, {0, 0}, {1, 1}, 1, 0}, 3, 3},
    {{4, 6, {7, 7}, {2, 2}, {3, 3}, {1, 1}, 1, 0}, 17, 14},
    {{4, 6, {2, 5}, {3, 2}, {1, 4}, {1, 1}, 2, 1}, 11, 6},
    {{4, 6, {3, 2}, {1, 3}, {5, 0}, {2, 4}, 1, 1}, 8, 13},
    {{5, 3, {1, 1}, {1, 1}, {0, 0}, {1, 1}, 1, 1}, 6, 5},
    {{6, 4, {1, 1}, {1, 1}, {0, 0}, {3, 3}, 2, 0}, 6, 5},
    {{6, 4, {1, 1}, {2, 2}, {0, 0}, {1, 1}, 1, 0}, 7, 6},
    {{2, 4, {1, 1}, {1, 1}, {2, 1}, {1, 1}, 1, 1}, 3, 3},
    {{6, 6, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 6, 1}, 5, 7},   /* depthwise */
    {{3, 9, {3, 3}, {2, 1}, {1, 2}, {2, 2}, 3, 0}, 9, 10},  /* with a multiplier */
    {{1, 1, {1, 4}, {1, 9}, {0, 3}, {1, 1}, 1, 0}, 1, 2},   /* kernel wider than the image */
    {{2, 2, {3, 3}, {1, 1}, {9, 9}, {1, 1}, 1, 1}, 2, 2},   /* padding beyond the kernel */
    {{800, 3, {5, 5}, {1, 1}, {2, 2}, {1, 1}, 1, 1}, 6, 7}, /* several chunks */
    {{300, 2, {5, 5}, {1, 1}, {2, 2}, {1, 1}, 2, 1}, 19, 11},
    {{32, 17, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 1}, 9, 13},
    {{48, 40, {3, 3}, {1, 1}, {0, 2}, {1, 1}, 1, 0}, 30, 31},
    {{64, 33, {1, 1}, {1, 1}, {0, 0}, {1, 1}, 1, 1}, 25, 29},
};
#define N_CONV_CASES (sizeof conv_cases / sizeof *conv_cases)

static void conv_fixture(fixture *f, const struct conv_case *c, int64_t n_images)
{
    attr_list attrs = conv2d_list(c->attrs);
    fixture_init(f, "Conv2d", &attrs, crd_shape_make(3, c->attrs.in_channels, c->height, c->width),
                 n_images);
}

static void conv2d_equals_the_plain_sum(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_CONV_CASES; k++)
        for (int64_t n_images = 1; n_images <= MAX_IMAGES; n_images += 2) {
            fixture f;
            conv_fixture(&f, &conv_cases[k], n_images);
            fixture_run(&f, f.out);
            check_pixels(&f, expected_conv);
            fixture_clear(&f);
        }
}

/* By one method, whichever the op would choose; 0 if it does not fit. */
static int run_method(fixture *f, const crd_conv_method *method)
{
    crd_conv conv = crd_conv2d_geometry(f->op, f->n_images, method->format->precision);
    if (!crd_conv_allows(&conv, method))
        return 0;
    crd_conv_args args = {.out = f->out,
                          .in = f->in,
                          .weight = {.values = fixture_param(f, CRD_SLOT_WEIGHT)},
                          .epilogue = {.bias = fixture_param(f, CRD_SLOT_BIAS)},
                          .scratch = floats_or_die(method->scratch_floats(&conv, method->format))};
    for (int64_t group = 0; group < conv.groups; group++)
        method->run(&conv, method->format, &args, group);
    crd_free(args.scratch);
    return 1;
}

/* To bf16 and back, by arithmetic of its own: 8 significant bits, ties to even. */
static void round_all(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int exponent;
        double m = frexp((double)x[i], &exponent);
        x[i] = (float)ldexp(nearbyint(ldexp(m, 8)), exponent - 8);
    }
}

/* Nothing but its factors is rounded: the plain sum of rounded ones comes out. */
static void conv2d_in_bf16_rounds_its_factors(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_CONV_CASES; k++)
        for (int64_t n_images = 1; n_images <= MAX_IMAGES; n_images += 2) {
            fixture f;
            conv_fixture(&f, &conv_cases[k], n_images);
            assert_true(run_method(&f, &crd_conv_direct_bf16));
            const crd_param *weight = &f.network->params.entries[f.op->params[CRD_SLOT_WEIGHT]];
            round_all(f.in, n_images * crd_shape_count(f.in_shape));
            round_all(f.params + weight->offset, weight->count);
            check_pixels(&f, expected_conv);
            fixture_clear(&f);
        }
}

/* Winograd's points are rounded: the error is a share of the output's size, at all pixels alike. */
static void winograd_in_bf16_is_near_the_plain_sum(void **state)
{
    (void)state;
    int n_fitting = 0;
    for (size_t k = 0; k < N_CONV_CASES; k++)
        for (int64_t n_images = 1; n_images <= MAX_IMAGES; n_images += 2) {
            fixture f;
            conv_fixture(&f, &conv_cases[k], n_images);
            int64_t n = n_images * crd_shape_count(&f.op->shape);
            double error = 0, size = 0;
            if (run_method(&f, &crd_conv_winograd_bf16)) {
                float *out = f.out, *exact = floats_or_die(n);
                f.out = exact;
                assert_true(run_method(&f, &crd_conv_direct));
                check_pixels(&f, expected_conv);
                for (int64_t i = 0; i < n; i++) {
                    error += pow((double)out[i] - (double)exact[i], 2);
                    size += pow((double)exact[i], 2);
                }
                assert_true(sqrt(error / size) < 0.02);
                assert_true(error > 0);
                n_fitting++;
                crd_free(out);
            }
            fixture_clear(&f);
        }
    assert_int_equal(n_fitting, 4);
}

/* A layer takes them only where it is allowed to. */
static void precision_allows_bf16(void **state)
{
    (void)state;
    fixture f;
    conv_fixture(&f, &(struct conv_case){{64, 64, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 0}, 28, 28},
                 1);
    crd_conv conv = crd_conv2d_geometry(f.op, 1, CRD_FP32);
    assert_int_equal(crd_conv_choose(&conv)->format->precision, CRD_FP32);
    conv.precision = CRD_BF16;
    assert_int_equal(crd_conv_choose(&conv)->format->precision, CRD_BF16);
    fixture_clear(&f);
}

/* A folded batch norm hands its shift to a convolution that has no bias of its own. */
static void conv2d_takes_the_callers_bias(void **state)
{
    (void)state;
    fixture f;
    attr_list attrs = conv2d_list((conv2d_attrs){2, 2, {1, 1}, {1, 1}, {0, 0}, {1, 1}, 1, 0});
    fixture_init(&f, "Conv2d", &attrs, crd_shape_make(3, 2, 1, 1), 1);
    const float bias[] = {10, 20};
    const float *in[] = {f.in};
    crd_op_args args = {
        .out = f.out,
        .in = in,
        .params = {{.values = fixture_param(&f, CRD_SLOT_WEIGHT)}, {.values = bias}},
        .n_images = 1,
        .scratch = f.scratch};
    f.op->kind->forward(f.op, &args);
    for (int c = 0; c < 2; c++)
        assert_true(fabs((double)f.out[c] - (double)bias[c] - expected_conv(&f, c, 0, 0, 0)) <
                    1e-5);
    fixture_clear(&f);
}

static void linear_equals_the_plain_sum(void **state)
{
    (void)state;
    for (int bias = 0; bias <= 1; bias++)
        for (int64_t n_images = 1; n_images <= MAX_IMAGES; n_images += 2) {
            enum { N_IN = 37, N_OUT = 11 };
            crd_network *network;
            float *params, images[MAX_IMAGES * N_IN], out[MAX_IMAGES * N_OUT];
            attr_list attrs = linear_list(N_IN, N_OUT, bias);
            crd_shape shape = crd_shape_make(3, 1, 1, N_IN);
            int64_t flat = 0;
            assert_ok(crd_network_create(&network, "test", &shape));
            assert_ok(network_add(&flat, network, "Flatten", "f", NULL, (int64_t[]){0}, 1));
            assert_ok(network_add(NULL, network, "Linear", "l", &attrs, &flat, 1));
            assert_ok(walker_make_params(&params, network));
            walker_fill(images, n_images * N_IN, "images", 1, 0);
            assert_ok(walker_run(out, network, params, images, NULL, n_images, 1));
            for (int64_t n = 0; n < n_images; n++)
                for (int64_t o = 0; o < N_OUT; o++) {
                    double sum = bias ? (double)params[network->params.entries[1].offset + o] : 0;
                    for (int64_t i = 0; i < N_IN; i++)
                        sum += (double)params[o * N_IN + i] * (double)images[n * N_IN + i];
                    assert_true(fabs(sum - (double)out[n * N_OUT + o]) < 2e-6);
                }
            crd_free(params);
            crd_network_destroy(network);
        }
}

static double expected_batch_norm(const fixture *f, int64_t c, int64_t image, int64_t y, int64_t x)
{
    double mean = (double)fixture_param(f, 2)[c];
    double variance = (double)fixture_param(f, 3)[c];
    double in = pixel(f, f->in_shape, f->in, c, image, y, x);
    return (in - mean) / sqrt(variance + attr_of(f->op, "eps", 0)) *
               (double)fixture_param(f, CRD_SLOT_WEIGHT)[c] +
           (double)fixture_param(f, CRD_SLOT_BIAS)[c];
}

static void batch_norm_uses_the_running_statistics(void **state)
{
    (void)state;
    fixture f;
    attr_list attrs = batch_norm_list(5, 1e-3);
    fixture_init(&f, "BatchNorm2d", &attrs, crd_shape_make(3, 5, 3, 7), 3);
    fixture_run(&f, f.out);
    check_pixels(&f, expected_batch_norm);
    fixture_clear(&f);
}

static double expected_max(const fixture *f, int64_t c, int64_t image, int64_t y, int64_t x)
{
    const pool2d_attrs attrs = pool2d_of(f->op), *a = &attrs;
    double best = -INFINITY;
    for (int64_t ky = 0; ky < a->kernel_size[0]; ky++)
        for (int64_t kx = 0; kx < a->kernel_size[1]; kx++) {
            int64_t in_y = y * a->stride[0] - a->padding[0] + ky;
            int64_t in_x = x * a->stride[1] - a->padding[1] + kx;
            if (in_y >= 0 && in_y < f->in_shape->dims[1] && in_x >= 0 &&
                in_x < f->in_shape->dims[2])
                best = fmax(best, pixel(f, f->in_shape, f->in, c, image, in_y, in_x));
        }
    return best;
}

/* Positions inside the padded image count, those beyond it do not. */
static double expected_avg(const fixture *f, int64_t c, int64_t image, int64_t y, int64_t x)
{
    const pool2d_attrs attrs = pool2d_of(f->op), *a = &attrs;
    double sum = 0;
    int64_t count = 0;
    for (int64_t ky = 0; ky < a->kernel_size[0]; ky++)
        for (int64_t kx = 0; kx < a->kernel_size[1]; kx++) {
            int64_t in_y = y * a->stride[0] - a->padding[0] + ky;
            int64_t in_x = x * a->stride[1] - a->padding[1] + kx;
            if (in_y < f->in_shape->dims[1] + a->padding[0] &&
                in_x < f->in_shape->dims[2] + a->padding[1]) {
                count++;
                sum += pixel(f, f->in_shape, f->in, c, image, in_y, in_x);
            }
        }
    return sum / (double)count;
}

static void pools_equal_the_plain_ones(void **state)
{
    (void)state;
    static const struct {
        pool2d_attrs attrs;
        int64_t height, width, out_height, out_width; /* out: torch 1.13 */
    } cases[] = {
        {{{3, 3}, {2, 2}, {1, 1}, 0}, 112, 9, 56, 5}, {{{2, 2}, {2, 2}, {0, 0}, 0}, 7, 6, 3, 3},
        {{{2, 2}, {2, 2}, {0, 0}, 1}, 7, 6, 4, 3},    {{{3, 2}, {1, 3}, {1, 1}, 1}, 5, 8, 5, 3},
        {{{3, 3}, {2, 2}, {0, 0}, 1}, 2, 3, 1, 1},    {{{2, 4}, {3, 5}, {1, 2}, 1}, 8, 9, 3, 3},
        {{{1, 1}, {2, 3}, {0, 0}, 1}, 4, 5, 2, 2},    {{{5, 3}, {4, 1}, {2, 0}, 0}, 5, 3, 2, 1},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int average = 0; average <= 1; average++) {
            fixture f;
            attr_list attrs = pool2d_list(cases[k].attrs);
            fixture_init(&f, average ? "AvgPool2d" : "MaxPool2d", &attrs,
                         crd_shape_make(3, 2, cases[k].height, cases[k].width), 3);
            assert_int_equal(f.op->shape.dims[1], cases[k].out_height);
            assert_int_equal(f.op->shape.dims[2], cases[k].out_width);
            fixture_run(&f, f.out);
            check_pixels(&f, average ? expected_avg : expected_max);
            fixture_clear(&f);
        }
}

static double expected_adaptive(const fixture *f, int64_t c, int64_t image, int64_t y, int64_t x)
{
    const crd_shape *in = f->in_shape, *out = &f->op->shape;
    int64_t top = (int64_t)floor((double)(y * in->dims[1]) / (double)out->dims[1]);
    int64_t end = (int64_t)ceil((double)((y + 1) * in->dims[1]) / (double)out->dims[1]);
    int64_t left = (int64_t)floor((double)(x * in->dims[2]) / (double)out->dims[2]);
    int64_t right = (int64_t)ceil((double)((x + 1) * in->dims[2]) / (double)out->dims[2]);
    double sum = 0;
    for (int64_t i = top; i < end; i++)
        for (int64_t j = left; j < right; j++)
            sum += pixel(f, in, f->in, c, image, i, j);
    return sum / (double)((end - top) * (right - left));
}

static void adaptive_pool_gives_any_size(void **state)
{
    (void)state;
    static const int64_t sizes[][4] = {{7, 7, 1, 1}, {7, 5, 3, 2},  {4, 9, 4, 9},
                                       {2, 3, 5, 7}, {10, 1, 7, 1}, {1, 1, 6, 6}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        fixture f;
        attr_list attrs = adaptive_list(sizes[k][2], sizes[k][3]);
        fixture_init(&f, "AdaptiveAvgPool2d", &attrs,
                     crd_shape_make(3, 3, sizes[k][0], sizes[k][1]), 3);
        fixture_run(&f, f.out);
        check_pixels(&f, expected_adaptive);
        fixture_clear(&f);
    }
}

static double expected_shortcut(const fixture *f, int64_t c, int64_t image, int64_t y, int64_t x)
{
    int64_t in_c = c - (int64_t)attr_of(f->op, "pad_channels", 0);
    int64_t stride = (int64_t)attr_of(f->op, "stride", 0);
    if (in_c < 0 || in_c >= f->in_shape->dims[0])
        return 0;
    return pixel(f, f->in_shape, f->in, in_c, image, y * stride, x * stride);
}

static void pad_shortcut_thins_and_pads(void **state)
{
    (void)state;
    static const int64_t cases[][3] = {{2, 1, 1}, {1, 0, 2}, {3, 2, 0}, {2, 0, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        fixture f;
        attr_list attrs = pad_shortcut_list(cases[k][0], cases[k][1], cases[k][2]);
        fixture_init(&f, "PadShortcut", &attrs, crd_shape_make(3, 3, 7, 4), 2);
        fixture_run(&f, f.out);
        check_pixels(&f, expected_shortcut);
        fixture_clear(&f);
    }
}

static double expected_relu(const fixture *f, int64_t c, int64_t image, int64_t y, int64_t x)
{
    return fmax(0, pixel(f, f->in_shape, f->in, c, image, y, x));
}

static double expected_add(const fixture *f, int64_t c, int64_t image, int64_t y, int64_t x)
{
    return pixel(f, f->in_shape, f->in, c, image, y, x) +
           pixel(f, f->in_shape, f->in_2, c, image, y, x);
}

static double expected_dropout(const fixture *f, int64_t c, int64_t image, int64_t y, int64_t x)
{
    return pixel(f, f->in_shape, f->in, c, image, y, x);
}

static void elementwise_ops_run_beside_and_in_place(void **state)
{
    (void)state;
    const struct {
        const char *kind;
        expected_pixel *expected;
        attr_list attrs;
    } cases[] = {{"ReLU", expected_relu, {{CRD_ATTR_END}}},
                 {"Add", expected_add, {{CRD_ATTR_END}}},
                 {"Dropout", expected_dropout, ATTRS(CRD_ATTR("p", 0.5))},
                 {"BatchNorm2d", expected_batch_norm, batch_norm_list(3, 1e-5)}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        fixture f;
        fixture_init(&f, cases[k].kind, &cases[k].attrs, crd_shape_make(3, 3, 5, 3), 2);
        assert_true(f.op->kind->in_place);
        fixture_run(&f, f.out);
        check_pixels(&f, cases[k].expected);
        fixture_run(&f, f.in);
        assert_memory_equal(f.in, f.out, (size_t)(2 * 3 * 5 * 3) * sizeof(float));
        fixture_clear(&f);
    }
}

static void flatten_puts_images_last(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{3, 2, 5}, {4, 1, 1}, {1, 3, 3}};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        for (int64_t n = 1; n <= MAX_IMAGES; n += 2) {
            fixture f;
            int64_t n_pixels = shapes[k][1] * shapes[k][2];
            fixture_init(&f, "Flatten", NULL,
                         crd_shape_make(3, shapes[k][0], shapes[k][1], shapes[k][2]), n);
            fixture_run(&f, f.out);
            for (int64_t c = 0; c < shapes[k][0]; c++)
                for (int64_t i = 0; i < n; i++)
                    for (int64_t p = 0; p < n_pixels; p++)
                        assert_true(f.out[(c * n_pixels + p) * n + i] ==
                                    f.in[(c * n + i) * n_pixels + p]);
            fixture_clear(&f);
        }
}

/* A NaN must reach the logits, where the engine looks for it. */
static void nan_passes_through(void **state)
{
    (void)state;
    const attr_list pool = pool2d_list((pool2d_attrs){{2, 2}, {2, 2}, {0, 0}, 0});
    const struct {
        const char *kind;
        const attr_list *attrs;
    } cases[] = {{"ReLU", NULL}, {"MaxPool2d", &pool}, {"AvgPool2d", &pool}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int64_t at = 0; at < 4; at++) {
            fixture f;
            int n_nan = 0;
            fixture_init(&f, cases[k].kind, cases[k].attrs, crd_shape_make(3, 1, 2, 2), 1);
            f.in[at] = NAN;
            fixture_run(&f, f.out);
            for (int64_t i = 0; i < crd_shape_count(&f.op->shape); i++)
                n_nan += isnan(f.out[i]) != 0;
            assert_int_equal(n_nan, 1);
            fixture_clear(&f);
        }
}

/* The columns of a large convolution are made in pieces. */
static void conv2d_scratch_is_bounded(void **state)
{
    (void)state;
    fixture f;
    attr_list attrs = conv2d_list((conv2d_attrs){64, 8, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 0});
    fixture_init(&f, "Conv2d", &attrs, crd_shape_make(3, 64, 56, 56), 1);
    assert_true(f.op->kind->scratch_floats(f.op, 1000, CRD_FP32) * 4 <= 5 << 20);
    fixture_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv2d_equals_the_plain_sum),
        cmocka_unit_test(conv2d_in_bf16_rounds_its_factors),
        cmocka_unit_test(winograd_in_bf16_is_near_the_plain_sum),
        cmocka_unit_test(precision_allows_bf16),
        cmocka_unit_test(conv2d_takes_the_callers_bias),
        cmocka_unit_test(conv2d_scratch_is_bounded),
        cmocka_unit_test(linear_equals_the_plain_sum),
        cmocka_unit_test(batch_norm_uses_the_running_statistics),
        cmocka_unit_test(pools_equal_the_plain_ones),
        cmocka_unit_test(adaptive_pool_gives_any_size),
        cmocka_unit_test(pad_shortcut_thins_and_pads),
        cmocka_unit_test(elementwise_ops_run_beside_and_in_place),
        cmocka_unit_test(flatten_puts_images_last),
        cmocka_unit_test(nan_passes_through),
    };
    if (crd_gemm_init() != CRD_OK)
        return 1;
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
