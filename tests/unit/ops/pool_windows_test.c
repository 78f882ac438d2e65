/* Poolings of one and three dimensions, and adaptive ones, against their definition and torch's
 * values; NaN; what is refused. */
#include <stdio.h>

#include "op_golden.h"

enum { AXES = 3 };

static int n_axes_of(const crd_graph_op *op)
{
    return strstr(op->kind->name, "1d") != NULL ? 1 : strstr(op->kind->name, "2d") != NULL ? 2 : 3;
}

static bool is_adaptive(const crd_graph_op *op)
{
    return strncmp(op->kind->name, "Adaptive", 8) == 0;
}

/* Of axis i of 3, which may be one that the op lacks. */
static int64_t number(const crd_graph_op *op, const char *name, int i, int64_t rest)
{
    int lacking = AXES - n_axes_of(op);
    return i < lacking ? rest : (int64_t)attr_of(op, name, i - lacking);
}

static int64_t extent(const crd_shape *shape, int i)
{
    int axis = shape->n_dims - AXES + i;
    return axis < 1 ? 1 : shape->dims[axis];
}

/* Is element `at` of axis i in window o? *counts: so, or the padding that an average counts. */
static bool is_under(bool *counts, const crd_graph_op *op, int i, int64_t o, int64_t at)
{
    int64_t n = extent(op->in, i), n_out = extent(&op->shape, i);
    if (is_adaptive(op))
        return *counts = at >= 0 && at < n && at >= o * n / n_out &&
                         at * n_out < (o + 1) * n; /* at < ceil((o + 1) n / n_out) */
    int64_t step = number(op, "dilation", i, 1), padding = number(op, "padding", i, 0);
    int64_t end = number(op, "padding_end", i, 0) < 0 ? padding : number(op, "padding_end", i, 0);
    int64_t from = at - (o * number(op, "stride", i, 1) - padding);
    bool is_tap = from >= 0 && from % step == 0 && from / step < number(op, "kernel_size", i, 1);
    bool is_in = is_tap && at >= 0 && at < n;
    bool is_avg = strstr(op->kind->name, "Avg") != NULL;
    *counts =
        is_in || (is_avg && is_tap && at < n + end && attr_of(op, "count_include_pad", 0) > 0);
    return is_in;
}

enum { MOST = 16, BEFORE = 2 }; /* the padding, which is at most 2, counts */

/* Of an axis: what is under window o, from BEFORE the first element on, and what counts there. */
typedef struct axis {
    int64_t n, n_out;
    bool is_in[MOST][MOST], counts[MOST][MOST];
} axis;

static void axis_init(axis *a, const crd_graph_op *op, int i)
{
    *a = (axis){.n = extent(op->in, i), .n_out = extent(&op->shape, i)};
    for (int64_t o = 0; o < a->n_out; o++)
        for (int64_t at = 0; at < a->n + 2 * BEFORE; at++)
            a->is_in[o][at] = is_under(&a->counts[o][at], op, i, o, at - BEFORE);
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    axis a[AXES];
    for (int i = 0; i < AXES; i++)
        axis_init(&a[i], op, i);
    bool is_max = strstr(op->kind->name, "Max") != NULL;
    (void)params;
    (void)payload;
    for (int64_t o = 0; o < n_images * crd_shape_count(&op->shape); o++) {
        int64_t x_out = o % a[2].n_out, y_out = o / a[2].n_out % a[1].n_out;
        int64_t z_out = o / (a[2].n_out * a[1].n_out) % a[0].n_out;
        const double *plane =
            in[0] + o / (a[0].n_out * a[1].n_out * a[2].n_out) * a[0].n * a[1].n * a[2].n;
        double sum = 0, n = 0, most = -INFINITY;
        for (int64_t z = 0; z < a[0].n + 2 * BEFORE; z++)
            for (int64_t y = 0; y < a[1].n + 2 * BEFORE; y++)
                for (int64_t x = 0; x < a[2].n + 2 * BEFORE; x++) {
                    n += a[0].counts[z_out][z] && a[1].counts[y_out][y] && a[2].counts[x_out][x];
                    if (!a[0].is_in[z_out][z] || !a[1].is_in[y_out][y] || !a[2].is_in[x_out][x])
                        continue;
                    double value =
                        plane[((z - BEFORE) * a[1].n + y - BEFORE) * a[2].n + x - BEFORE];
                    sum += value;
                    most = value > most || isnan(value) ? value : most;
                }
        out[o] = is_max ? most : sum / n;
    }
}

static void check(const char *kind, const attr_list *attrs, crd_shape shape, int64_t n_images)
{
    op_check(&(op_case){
        .kind = kind, .attrs = attrs, .shapes = {shape}, .n_images = n_images, .reference = plain});
}

#define THREE(key, values)                                                                         \
    CRD_ATTR(key, (double)(values)[0], (double)(values)[1], (double)(values)[2])

static void windows_of_all_kinds(void **state)
{
    (void)state;
    static const double windows[][17] = {
        /* kernel, stride, padding, padding_end, dilation, ceil_mode, count_include_pad */
        {1, 1, 1, 1, 1, 1, 0, 0, 0, -1, -1, -1, 1, 1, 1, 0, 1},
        {2, 3, 2, 1, 2, 2, 1, 1, 0, -1, -1, 1, 1, 1, 1, 0, 0},
        {2, 2, 3, 2, 1, 2, 0, 1, 2, 1, 0, 1, 2, 1, 1, 1, 1},
        {3, 2, 2, 2, 3, 2, 2, 1, 1, -1, -1, -1, 1, 2, 2, 1, 0},
    };
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        for (int64_t n = 1; n <= 2; n++) {
            const double *w = windows[i];
            attr_list of3 = ATTRS(THREE("kernel_size", w), THREE("stride", w + 3),
                                  THREE("padding", w + 6), THREE("padding_end", w + 9),
                                  THREE("dilation", w + 12), ONE("ceil_mode", w[15]));
            attr_list of1 =
                ATTRS(ONE("kernel_size", w[2]), ONE("stride", w[5]), ONE("padding", w[8]),
                      ONE("padding_end", w[11]), ONE("dilation", w[14]), ONE("ceil_mode", w[15]));
            check("MaxPool3d", &of3, crd_shape_make(4, 2, 3, 3, 5), n);
            check("MaxPool1d", &of1, crd_shape_make(3, 3, 1, 7), n);
            of3.list[6] = of1.list[6] = (crd_attr)ONE("count_include_pad", w[16]);
            check("AvgPool3d", &of3, crd_shape_make(4, 2, 3, 3, 5), n);
            check("AvgPool1d", &of1, crd_shape_make(3, 3, 1, 7), n);
        }
}

static void windows_of_adaptive_ones(void **state)
{
    (void)state;
    static const double sizes[][3] = {{1, 1, 1}, {2, 3, 4}, {3, 4, 5}, {4, 2, 7}};
    static const char *const kinds[] = {"Max", "Avg"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int k = 0; k < 2; k++) {
            const double *s = sizes[i];
            char kind[32];
            const attr_list of3 = ATTRS(THREE("output_size", s));
            const attr_list of2 = ATTRS(TWO("output_size", s)),
                            of1 = ATTRS(ONE("output_size", s[2]));
            snprintf(kind, sizeof kind, "Adaptive%sPool3d", kinds[k]);
            check(kind, &of3, crd_shape_make(4, 1, 3, 4, 5), 2);
            snprintf(kind, sizeof kind, "Adaptive%sPool1d", kinds[k]);
            check(kind, &of1, crd_shape_make(3, 3, 1, 7), 2);
            if (k == 0)
                check("AdaptiveMaxPool2d", &of2, crd_shape_make(3, 2, 5, 4), 2);
        }
}

/* (i 7 mod 11) - 5, halved; (i 3 mod 10) - 5, over 10: as the torch values were made. */
static void golden(const char *kind, const attr_list *attrs, crd_shape shape, const double *y,
                   const double *dx)
{
    double x[18], dout[18];
    for (int i = 0; i < 18; i++) {
        x[i] = (i * 7 % 11 - 5) * 0.5;
        dout[i] = (i * 3 % 10 - 5) * 0.1;
    }
    op_golden_check(kind, attrs, shape, &(op_golden){.x = x, .dout = dout, .y = y, .dx = dx});
}

/* torch 2.15 in float64. */
static void windows_are_torchs(void **state)
{
    (void)state;
    /* MaxPool1d(3, stride=2, padding=1, ceil_mode=True); AvgPool1d(3, stride=2, padding=1). */
    static const double max1[8] = {1.0, 2.5, 2.5, -1.5, 2.0, 1.5, 1.5, -2.5};
    static const double dmax1[12] = {0.0,  -0.5, 0.0, -0.1, 0.0, 0.4,
                                     -0.3, 0.0,  0.0, 0.3,  0.0, -0.4};
    static const double avg1[6] = {-0.5, 0.8333333333, 0.5, 0.6666666667, -0.1666666667, -0.5};
    static const double davg1[12] = {-0.1666666667, -0.2333333333, -0.0666666667, -0.0333333333,
                                     0.0333333333,  0.0333333333,  0.1333333333,  0.0333333333,
                                     -0.1,          -0.1,          0.0,           0.0};
    const attr_list one = ATTRS(ONE("kernel_size", 3), ONE("stride", 2), ONE("padding", 1));
    const attr_list ceiled =
        ATTRS(ONE("kernel_size", 3), ONE("stride", 2), ONE("padding", 1), ONE("ceil_mode", 1));
    golden("MaxPool1d", &ceiled, crd_shape_make(3, 2, 1, 6), max1, dmax1);
    golden("AvgPool1d", &one, crd_shape_make(3, 2, 1, 6), avg1, davg1);
    /* MaxPool3d((2, 2, 1), stride=(1, 2, 1), padding=(1, 0, 0)); AvgPool3d((2, 2, 1), stride=(1, 1,
     * 2), padding=(1, 0, 0), count_include_pad=False, ceil_mode=True). */
    static const double max3[6] = {-1.0, 2.5, 2.0, 2.5, 2.0, 1.5};
    static const double dmax3[12] = {0, 0, -0.5, 0.2, 0, 0, -0.2, 0, 0, 0, 0, 0};
    static const double avg3[12] = {0.0, -1.25, 2.25, -1.75, 0.625, -0.625,
                                    1.5, 0.25,  1.25, 0.0,   0.75,  2.25};
    static const double davg3[18] = {-0.325, 0.0, -0.1, -0.2, 0.0, 0.0,  0.125,  0.0, 0.1,
                                     -0.125, 0.0, 0.1,  -0.3, 0.0, -0.1, -0.175, 0.0, -0.2};
    const attr_list three = ATTRS(CRD_ATTR("kernel_size", 2, 2, 1), CRD_ATTR("stride", 1, 2, 1),
                                  CRD_ATTR("padding", 1, 0, 0));
    const attr_list without =
        ATTRS(CRD_ATTR("kernel_size", 2, 2, 1), CRD_ATTR("stride", 1, 1, 2),
              CRD_ATTR("padding", 1, 0, 0), ONE("ceil_mode", 1), ONE("count_include_pad", 0));
    golden("MaxPool3d", &three, crd_shape_make(4, 1, 2, 3, 2), max3, dmax3);
    golden("AvgPool3d", &without, crd_shape_make(4, 1, 2, 3, 3), avg3, davg3);
}

static void adaptive_ones_are_torchs(void **state)
{
    (void)state;
    static const double max1[3] = {1.0, 2.5, 2.0};
    static const double dmax1[7] = {0.0, -0.5, 0.0, -0.2, 0.0, 0.0, 0.1};
    static const double avg1[3] = {-0.8333333333, 0.6666666667, 0.3333333333};
    static const double davg1[7] = {-0.1666666667, -0.1666666667, -0.2333333333, -0.0666666667,
                                    -0.0333333333, 0.0333333333,  0.0333333333};
    const attr_list one = ATTRS(ONE("output_size", 3));
    golden("AdaptiveMaxPool1d", &one, crd_shape_make(3, 1, 1, 7), max1, dmax1);
    golden("AdaptiveAvgPool1d", &one, crd_shape_make(3, 1, 1, 7), avg1, davg1);
    static const double max2[6] = {1.0, 2.0, 2.5, 1.5, 2.0, 2.0};
    static const double dmax2[12] = {0, -0.5, 0, 0.1, 0, 0, -0.5, 0, 0, 0.4, 0, 0};
    const attr_list two = ATTRS(CRD_ATTR("output_size", 2, 3));
    golden("AdaptiveMaxPool2d", &two, crd_shape_make(3, 1, 3, 4), max2, dmax2);
    static const double max3[4] = {2.5, 1.0, 2.0, 2.5};
    static const double dmax3[18] = {0, -0.2, 0, -0.5, 0, 0,   0.1, 0, 0,
                                     0, 0,    0, 0,    0, 0.4, 0,   0, 0};
    static const double avg3[4] = {0.5625, -0.75, 0.25, -0.375};
    static const double davg3[18] = {-0.0625, -0.0875, -0.025, -0.0625, -0.0875, -0.025,
                                     -0.05,   -0.025,  0.025,  -0.05,   -0.025,  0.025,
                                     0.0125,  0.0625,  0.05,   0.0125,  0.0625,  0.05};
    const attr_list three = ATTRS(CRD_ATTR("output_size", 2, 1, 2));
    golden("AdaptiveMaxPool3d", &three, crd_shape_make(4, 1, 3, 2, 3), max3, dmax3);
    golden("AdaptiveAvgPool3d", &three, crd_shape_make(4, 1, 3, 2, 3), avg3, davg3);
}

static void refuses(const char *kind, const attr_list *attrs, crd_shape shape, const char *why)
{
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, kind, "p", attrs, &input, 1), CRD_ERR_INPUT, why);
    crd_network_destroy(network);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    const attr_list one = ATTRS(ONE("kernel_size", 3), ONE("stride", 1));
    const attr_list empty = ATTRS(ONE("kernel_size", 2), ONE("stride", 1), ONE("padding", 2));
    const attr_list three = ATTRS(CRD_ATTR("kernel_size", 1, 1, 3), CRD_ATTR("stride", 1, 1, 1));
    refuses("MaxPool1d", &one, crd_shape_make(3, 2, 2, 4),
            "its input has shape (2, 2, 4); needed is (channels, 1, length)");
    refuses("AvgPool1d", &one, crd_shape_make(3, 2, 1, 2),
            "input (2, 1, 2) is smaller than kernel_size 3 of its axis 0");
    refuses("AvgPool1d", &empty, crd_shape_make(3, 2, 1, 5), "a padding of 2 leaves windows of 2");
    refuses("MaxPool3d", &three, crd_shape_make(3, 2, 3, 3),
            "its input has shape (2, 3, 3); needed is (channels, depth, height, width)");
}

OP_TESTS("pool_windows", cmocka_unit_test(windows_of_all_kinds),
         cmocka_unit_test(windows_of_adaptive_ones), cmocka_unit_test(windows_are_torchs),
         cmocka_unit_test(adaptive_ones_are_torchs), cmocka_unit_test(what_does_not_fit_is_refused))
