/* Backward of every layer kind, element by element, against central differences of a plain
 * double-precision forward pass. */
#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "double_net.h"
#include "kernels/kernels.h"
#include "nn/layer_conv.h"
#include "nn/train_plan.h"
#include "walker.h"

enum { MAX_INPUTS = 2, N_SLOTS = CRD_NODE_MAX_PARAMS };

/* A layer on one input (twice for Add, with different values), as floats in the library's layout and
 * as doubles in the reference's. `out` is L's gradient: L = sum(weights * out). */
typedef struct fixture {
    crd_network *network;
    int64_t layer; /* the last node; a Flatten is before a Linear */
    double_pass pass;
    int64_t n_in, n_out;
    double *in[MAX_INPUTS], *params[N_SLOTS], *weights, *out;
    float *in_f[MAX_INPUTS], *params_f, *out_f, *dout_f, *scratch, *mean, *variance;
} fixture;

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

/* Where element i of (image, channel, pixel) lies in (channel, image, pixel). */
static int64_t place(int64_t i, const crd_shape *shape, int64_t n_images)
{
    int64_t count = crd_shape_count(shape), pixels = count / shape->dims[0];
    return (i % count / pixels * n_images + i / count) * pixels + i % pixels;
}

static const crd_node *layer_of(const fixture *f)
{
    return &f->network->nodes[f->layer];
}

static const crd_shape *input_of(const fixture *f)
{
    return &f->network->nodes[layer_of(f)->inputs[0]].shape;
}

static int64_t count_of(const fixture *f, int slot)
{
    int64_t index = layer_of(f)->params[slot];
    return index < 0 ? 0 : f->network->params.entries[index].count;
}

static float *param_of(const fixture *f, float *block, int slot)
{
    int64_t index = layer_of(f)->params[slot];
    return index < 0 ? NULL : block + f->network->params.entries[index].offset;
}

static void init(fixture *f, const char *kind, const crd_attrs *attrs, crd_shape shape,
                 int64_t n_images, int batch_norm_train)
{
    int64_t inputs[] = {0, 0};
    *f = (fixture){0};
    assert_ok(crd_network_create(&f->network, "test", &shape));
    if (strcmp(kind, "Linear") == 0)
        assert_ok(crd_network_add(inputs, f->network, "Flatten", "flatten", NULL, inputs, 1));
    assert_ok(crd_network_add(&f->layer, f->network, kind, "layer", attrs, inputs,
                              crd_layer_find(kind)->n_inputs));
    f->pass = (double_pass){.network = f->network,
                            .seed = 11,
                            .draw = 3,
                            .first_image = 5,
                            .n_images = n_images,
                            .is_training = 1,
                            .batch_norm_train = batch_norm_train};
    f->n_in = n_images * crd_shape_count(input_of(f));
    f->n_out = n_images * crd_shape_count(&layer_of(f)->shape);
    assert_ok(walker_make_params(&f->params_f, f->network));
    for (int slot = 0; slot < N_SLOTS; slot++) {
        f->params[slot] = count_of(f, slot) == 0 ? NULL : doubles(count_of(f, slot));
        for (int64_t i = 0; i < count_of(f, slot); i++)
            f->params[slot][i] = (double)param_of(f, f->params_f, slot)[i];
    }
    float *values = floats(f->n_in + f->n_out);
    for (int k = 0; k < layer_of(f)->n_inputs; k++) {
        f->in[k] = doubles(f->n_in);
        f->in_f[k] = floats(f->n_in);
        walker_fill(values, f->n_in, k == 0 ? "in" : "in_2", 1, 0);
        for (int64_t i = 0; i < f->n_in; i++) {
            f->in[k][i] = (double)values[i];
            f->in_f[k][place(i, input_of(f), n_images)] = values[i];
        }
    }
    f->weights = doubles(f->n_out);
    f->out = doubles(f->n_out);
    f->out_f = floats(f->n_out);
    f->dout_f = floats(f->n_out);
    walker_fill(values, f->n_out, "weights", 1, 0);
    for (int64_t i = 0; i < f->n_out; i++) {
        f->weights[i] = (double)values[i];
        f->dout_f[place(i, &layer_of(f)->shape, n_images)] = values[i];
    }
    crd_free(values);
    f->mean = floats(input_of(f)->dims[0]);
    f->variance = floats(input_of(f)->dims[0]);
    const crd_shape *in_shapes[] = {input_of(f), input_of(f)};
    const crd_layer *kind_of = layer_of(f)->layer;
    int64_t n = 0, n_backward = 0;
    if (kind_of->scratch_floats != NULL)
        n = kind_of->scratch_floats(layer_of(f), in_shapes, n_images, CRD_FP32);
    if (kind_of->backward_scratch_floats != NULL)
        n_backward = kind_of->backward_scratch_floats(layer_of(f), in_shapes, n_images);
    f->scratch = floats(n > n_backward ? n : n_backward);
}

static void clear(fixture *f)
{
    for (int k = 0; k < MAX_INPUTS; k++) {
        free(f->in[k]);
        crd_free(f->in_f[k]);
    }
    for (int slot = 0; slot < N_SLOTS; slot++)
        free(f->params[slot]);
    free(f->weights);
    free(f->out);
    crd_free(f->params_f);
    crd_free(f->out_f);
    crd_free(f->dout_f);
    crd_free(f->scratch);
    crd_free(f->mean);
    crd_free(f->variance);
    crd_network_destroy(f->network);
}

static double loss(fixture *f)
{
    double sum = 0;
    double_layer(f->out, &f->pass, f->layer, (const double *const *)f->in,
                 (const double *const *)f->params);
    for (int64_t i = 0; i < f->n_out; i++)
        sum += f->weights[i] * f->out[i];
    return sum;
}

/* dL/d values[i] for all i, of many for every seventh, against what was added to `start` in grads[place]. */
static void compare(const char *what, fixture *f, double *values, const float *grads, double start,
                    int64_t n, const crd_shape *shape)
{
    const double step = 1e-5;
    double error = 0, norm = 0;
    for (int64_t i = 0; i<n; i += n> 600 ? 7 : 1) {
        double value = values[i];
        values[i] = value + step;
        double above = loss(f);
        values[i] = value - step;
        double expected = (above - loss(f)) / (2 * step);
        values[i] = value;
        int64_t at = shape == NULL ? i : place(i, shape, f->pass.n_images);
        error += pow((double)grads[at] - start - expected, 2);
        norm += expected * expected;
    }
    if (!(sqrt(error) <= 1e-5 * sqrt(norm)) || norm == 0)
        fail_msg("%s of %s: relative error %g of a gradient of norm %g", what,
                 crd_node_kind(layer_of(f)), sqrt(error / norm), sqrt(norm));
}

/* Runs forward and backward in float, and compares all gradients. Those of inputs add to what is
 * there, or do not heed it; those of parameters never do. */
static void check_way(const char *kind, const crd_attrs *attrs, crd_shape shape, int64_t n_images,
                      int batch_norm_train, int adds)
{
    fixture f;
    init(&f, kind, attrs, shape, n_images, batch_norm_train);
    const crd_node *node = layer_of(&f);
    const crd_layer_training training = {.seed = f.pass.seed,
                                         .draw = f.pass.draw,
                                         .first_image = f.pass.first_image,
                                         .node = 1,
                                         .mean = batch_norm_train ? f.mean : NULL,
                                         .variance = batch_norm_train ? f.variance : NULL};
    crd_layer_args args = {.out = f.out_f,
                           .in = {f.in_f[0], f.in_f[1]},
                           .in_shape = {input_of(&f), input_of(&f)},
                           .n_images = n_images,
                           .scratch = f.scratch,
                           .training = &training};
    crd_layer_grads grads = {.dout = f.dout_f};
    float *dparams = floats(f.network->params.n_floats), *din[MAX_INPUTS] = {NULL};
    for (int64_t i = 0; i < f.network->params.n_floats; i++)
        dparams[i] = NAN;
    for (int slot = 0; slot < N_SLOTS; slot++) {
        args.params[slot] = param_of(&f, f.params_f, slot);
        grads.dparams[slot] = param_of(&f, dparams, slot);
    }
    for (int k = 0; k < node->n_inputs; k++) {
        din[k] = floats(f.n_in);
        grads.din[k] = din[k];
        grads.adds[k] = adds;
        for (int64_t i = 0; i < f.n_in; i++)
            din[k][i] = adds ? 0.25F : NAN;
    }
    node->layer->forward(node, &args);
    loss(&f);
    for (int64_t i = 0; i < f.n_out; i++)
        assert_true(fabs((double)f.out_f[place(i, &node->shape, n_images)] - f.out[i]) < 1e-4);
    node->layer->backward(node, &args, &grads);
    for (int k = 0; k < node->n_inputs; k++)
        compare("din", &f, f.in[k], din[k], adds ? 0.25 : 0, f.n_in, input_of(&f));
    for (int slot = CRD_PARAM_WEIGHT; slot <= CRD_PARAM_BIAS; slot++)
        if (f.params[slot] != NULL)
            compare(slot == CRD_PARAM_WEIGHT ? "dweight" : "dbias", &f, f.params[slot],
                    grads.dparams[slot], 0, count_of(&f, slot), NULL);
    /* In place the first input's gradient has the same bits. */
    if (node->layer->in_place && !adds) {
        memset(grads.dparams, 0, sizeof grads.dparams);
        grads.din[0] = f.dout_f;
        node->layer->backward(node, &args, &grads);
        assert_memory_equal(f.dout_f, din[0], (size_t)f.n_in * sizeof(float));
    }
    /* What is not asked for is not written. */
    memset(grads.din, 0, sizeof grads.din);
    memset(grads.dparams, 0, sizeof grads.dparams);
    node->layer->backward(node, &args, &grads);
    for (int k = 0; k < node->n_inputs; k++)
        crd_free(din[k]);
    crd_free(dparams);
    clear(&f);
}

static void check(const char *kind, const crd_attrs *attrs, crd_shape shape, int64_t n_images,
                  int batch_norm_train)
{
    for (int adds = 0; adds < 2; adds++)
        check_way(kind, attrs, shape, n_images, batch_norm_train, adds);
}

static crd_attrs conv(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding,
                      int64_t dilation, int64_t groups, int64_t bias)
{
    /* Height and width differ, so that a mix-up shows. */
    return (crd_attrs){.conv2d = {.in_channels = in,
                                  .out_channels = out,
                                  .kernel_size = {kernel, kernel == 1 ? 1 : kernel - 1},
                                  .stride = {stride, stride},
                                  .padding = {padding, padding == 0 ? 0 : padding - 1},
                                  .dilation = {dilation, 1},
                                  .groups = groups,
                                  .bias = bias}};
}

static void convolutions(void **state)
{
    (void)state;
    const crd_attrs cases[] = {
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
        const crd_attrs square = {.conv2d = {.in_channels = 16,
                                             .out_channels = 16 * stride,
                                             .kernel_size = {3, 3},
                                             .stride = {stride, stride},
                                             .padding = {1, 1},
                                             .dilation = {1, 1},
                                             .groups = 1}};
        const crd_attrs pointwise = conv(16, 33, 1, stride, 0, 1, 1, 1);
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
            crd_attrs attrs = conv(4, 9, k, 1, 1, 1, 1, 0);
            attrs.conv2d.stride[dim] = 3;
            check("Conv2d", &attrs, crd_shape_make(3, 4, 7, 8), 3, 0);
        }
}

/* dweight as a plain sum in double. */
static void weight_gradient(double *dweight, const crd_conv *conv, const float *in,
                            const float *dout, int64_t group)
{
    const crd_conv2d_attrs *a = &conv->attrs;
    int64_t n_taps = a->kernel_size[0] * a->kernel_size[1];
    for (int64_t i = 0; i < conv->n_out * conv->n_terms; i++) {
        int64_t o = group * conv->n_out + i / conv->n_terms;
        int64_t c = group * conv->n_in + i % conv->n_terms / n_taps, tap = i % n_taps;
        int64_t dy = tap / a->kernel_size[1] * a->dilation[0] - a->padding[0];
        int64_t dx = tap % a->kernel_size[1] * a->dilation[1] - a->padding[1];
        double sum = 0;
        for (int64_t p = 0; p < crd_conv_out_plane(conv); p++) {
            int64_t image = p / conv->out_width / conv->out_height;
            int64_t y = p / conv->out_width % conv->out_height * a->stride[0] + dy;
            int64_t x = p % conv->out_width * a->stride[1] + dx;
            if (y < 0 || y >= conv->height || x < 0 || x >= conv->width)
                continue;
            int64_t at = ((c * conv->n_images + image) * conv->height + y) * conv->width + x;
            sum += (double)dout[o * crd_conv_out_plane(conv) + p] * (double)in[at];
        }
        dweight[o * conv->n_terms + i % conv->n_terms] = sum;
    }
}

/* All algorithms, whichever a layer would choose: over one chunk and several, one panel, a part of
 * one, and several, and blocks of input channels. */
static void check_weight_gradients(const crd_attrs *attrs, crd_shape shape, int64_t n_images)
{
    static const crd_conv_weight_gradient *const methods[] = {&crd_conv_weight_gradient_direct,
                                                              &crd_conv_weight_gradient_winograd,
                                                              &crd_conv_weight_gradient_columns};
    fixture f;
    init(&f, "Conv2d", attrs, shape, n_images, 0);
    const crd_conv c = crd_conv_make(layer_of(&f), input_of(&f), n_images);
    int64_t n = count_of(&f, CRD_PARAM_WEIGHT);
    double *expected = doubles(n);
    for (int64_t group = 0; group < c.attrs.groups; group++)
        weight_gradient(expected, &c, f.in_f[0], f.dout_f, group);
    for (int m = 0; m < 3; m++) {
        if (!methods[m]->fits(&c))
            continue;
        float *dweight = floats(n), *scratch = floats(methods[m]->scratch_floats(&c));
        const crd_layer_args args = {.in = {f.in_f[0]}, .n_images = n_images, .scratch = scratch};
        double error = 0, norm = 0;
        for (int64_t group = 0; group < c.attrs.groups; group++)
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
    clear(&f);
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
        const crd_attrs attrs = {.conv2d = {.in_channels = cases[i].n_in,
                                            .out_channels = cases[i].n_out,
                                            .kernel_size = {cases[i].kernel, cases[i].kernel},
                                            .stride = {cases[i].stride, cases[i].stride},
                                            .padding = {cases[i].padding, cases[i].padding},
                                            .dilation = {1, 1},
                                            .groups = cases[i].groups}};
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
    const crd_attrs attrs = {.conv2d = {.in_channels = CHANNELS,
                                        .out_channels = 1,
                                        .kernel_size = {3, 3},
                                        .stride = {1, 1},
                                        .padding = {1, 1},
                                        .dilation = {1, 1},
                                        .groups = 1}};
    fixture f;
    init(&f, "Conv2d", &attrs, shape, 2, 0);
    assert_true(crd_shape_count(&layer_of(&f)->shape) * 2 * CHANNELS * 9 > 1 << 20);
    float *dweight = floats(CHANNELS * 9), *din = floats(f.n_in);
    const crd_layer_args args = {.in = {f.in_f[0]},
                                 .in_shape = {input_of(&f)},
                                 .params = {f.params_f},
                                 .n_images = 2,
                                 .scratch = f.scratch};
    const crd_layer_grads grads = {.dout = f.dout_f, .din = {din}, .dparams = {dweight}};
    layer_of(&f)->layer->backward(layer_of(&f), &args, &grads);
    /* L is linear in each, so one difference along the values themselves tells: x . dL/dx = L. */
    double value = loss(&f), along_in = 0, along_weight = 0, size = 0;
    for (int64_t i = 0; i < f.n_in; i++)
        along_in += (double)f.in_f[0][i] * (double)din[i];
    for (int64_t i = 0; i < CHANNELS * 9; i++)
        along_weight += (double)f.params_f[i] * (double)dweight[i];
    for (int64_t i = 0; i < f.n_out; i++)
        size += fabs(f.weights[i] * f.out[i]);
    assert_true(fabs(along_in - value) < 1e-5 * size);
    assert_true(fabs(along_weight - value) < 1e-5 * size);
    /* And single elements, those of borders among them. */
    for (int64_t i = 0; i < f.n_in; i += 1999) {
        double before = f.in[0][i];
        f.in[0][i] = before + 1;
        double expected = loss(&f) - value;
        f.in[0][i] = before;
        assert_true(fabs((double)din[place(i, input_of(&f), 2)] - expected) < 1e-5);
    }
    crd_free(dweight);
    crd_free(din);
    clear(&f);
}

static void linear_layers(void **state)
{
    (void)state;
    for (int bias = 0; bias < 2; bias++) {
        const crd_attrs attrs = {.linear = {.in_features = 13, .out_features = 5, .bias = bias}};
        check("Linear", &attrs, crd_shape_make(3, 13, 1, 1), 1, 0);
        check("Linear", &attrs, crd_shape_make(3, 13, 1, 1), 4, 0);
    }
}

static void batch_norms(void **state)
{
    (void)state;
    const crd_attrs attrs = {.batch_norm2d = {.num_features = 3, .eps = 1e-3, .momentum = 0.1}};
    for (int train = 0; train < 2; train++) {
        check("BatchNorm2d", &attrs, crd_shape_make(3, 3, 5, 4), 3, train);
        check("BatchNorm2d", &attrs, crd_shape_make(3, 3, 1, 3), 1, train);
        check("BatchNorm2d", &attrs, crd_shape_make(3, 3, 1, 1), 3, train);
    }
}

static void poolings(void **state)
{
    (void)state;
    const crd_attrs cases[] = {
        {.pool2d = {.kernel_size = {3, 2}, .stride = {2, 1}, .padding = {1, 0}}},
        {.pool2d = {.kernel_size = {2, 3}, .stride = {2, 2}, .padding = {1, 1}, .ceil_mode = 1}},
        {.pool2d = {.kernel_size = {2, 2}, .stride = {3, 3}, .padding = {0, 0}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check("MaxPool2d", &cases[i], crd_shape_make(3, 3, 8, 7), 2, 0);
        check("AvgPool2d", &cases[i], crd_shape_make(3, 3, 8, 7), 2, 0);
    }
    const crd_attrs whole = {.adaptive_pool2d = {.output_size = {1, 1}}};
    const crd_attrs overlapping = {.adaptive_pool2d = {.output_size = {3, 5}}};
    check("AdaptiveAvgPool2d", &whole, crd_shape_make(3, 3, 8, 7), 2, 0);
    check("AdaptiveAvgPool2d", &overlapping, crd_shape_make(3, 3, 8, 7), 2, 0);
}

/* As in torch: the first of equal maxima gets all; here rows 0 and 1 of a window are equal. */
static void the_first_maximum_gets_the_gradient(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 1, 2, 4);
    const crd_attrs attrs = {
        .pool2d = {.kernel_size = {2, 2}, .stride = {2, 2}, .padding = {0, 0}}};
    const float in[8] = {1, 3, 0, 0, 3, 3, 0, 0}, out[2] = {3, 0}, dout[2] = {5, 7};
    float din[8] = {0};
    fixture f;
    init(&f, "MaxPool2d", &attrs, shape, 1, 0);
    const crd_layer_args args = {.out = (float *)(uintptr_t)out,
                                 .in = {in},
                                 .in_shape = {input_of(&f)},
                                 .n_images = 1,
                                 .scratch = f.scratch};
    const crd_layer_grads grads = {.dout = dout, .din = {din}};
    layer_of(&f)->layer->backward(layer_of(&f), &args, &grads);
    const float expected[8] = {0, 5, 7, 0, 0, 0, 0, 0};
    assert_memory_equal(din, expected, sizeof din);
    clear(&f);
}

static void layers_without_weights(void **state)
{
    (void)state;
    const crd_attrs half = {.dropout = {.p = 0.4}};
    const crd_attrs pad = {.pad_shortcut = {.stride = 2, .pad_channels = {1, 2}}};
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
    const crd_attrs attrs = {.dropout = {.p = 0.3}};
    fixture f;
    init(&f, "Dropout", &attrs, crd_shape_make(3, 1, 1, PIXELS), 1, 0);
    float *in = floats(N), *out[3] = {floats(N), floats(N), floats(N)};
    for (int64_t i = 0; i < N; i++)
        in[i] = 1;
    for (int k = 0; k < 3; k++) {
        const crd_layer_training training = {
            .seed = 1, .draw = k == 1 ? 1 : 0, .first_image = k == 2 ? 1 : 0, .node = 1};
        const crd_layer_args args = {.out = out[k],
                                     .in = {in},
                                     .in_shape = {input_of(&f)},
                                     .n_images = 1,
                                     .training = &training};
        layer_of(&f)->layer->forward(layer_of(&f), &args);
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
    clear(&f);
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
        cmocka_unit_test(linear_layers),
        cmocka_unit_test(batch_norms),
        cmocka_unit_test(poolings),
        cmocka_unit_test(the_first_maximum_gets_the_gradient),
        cmocka_unit_test(layers_without_weights),
        cmocka_unit_test(dropout_drops_its_share),
        cmocka_unit_test(transposed_products),
    };
    return cmocka_run_group_tests_name("layer_backward", tests, NULL, NULL);
}
