/** Golden files of this folder, and the network "tiny" of make_bayes.py. */
#ifndef CRD_TESTS_GOLDEN_TINY_H
#define CRD_TESTS_GOLDEN_TINY_H

#include "../unit/bayes_nets.h"

#include "credence/posterior.h"

enum { LINE_SIZE = 256 };

static inline void near(const char *what, double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s: %.9g differs from %.9g by more than %g", what, value, expected, tolerance);
}

/** A .txt and a .bin: "value" and "tensor" lines as tables, "param" lines as a table of names
 * and shapes without data. */
typedef struct golden {
    crd_params tensors, params;
    char value_names[64][LINE_SIZE];
    double values[64];
    int n_values;
} golden;

static inline void read_golden(golden *g, const char *file)
{
    char line[LINE_SIZE];
    int64_t offsets[256], n = 0;
    *g = (golden){.n_values = 0};
    char path[LINE_SIZE * 2];
    snprintf(path, sizeof path, CRD_TEST_DIR "/golden/%s.txt", file);
    FILE *text = fopen(path, "r");
    snprintf(path, sizeof path, CRD_TEST_DIR "/golden/%s.bin", file);
    FILE *raw = fopen(path, "rb");
    assert_non_null(text);
    assert_non_null(raw);
    while (fgets(line, sizeof line, text) != NULL) {
        char *rest, *kind = strtok_r(line, " \n", &rest), *name = strtok_r(NULL, " \n", &rest);
        int is_tensor = strcmp(kind, "tensor") == 0;
        if (strcmp(kind, "value") == 0) {
            snprintf(g->value_names[g->n_values], LINE_SIZE, "%s", name);
            g->values[g->n_values++] = strtod(rest, NULL);
        } else if (is_tensor || strcmp(kind, "param") == 0) {
            crd_shape shape = {0};
            if (is_tensor)
                offsets[n++] = strtoll(strtok_r(NULL, " \n", &rest), NULL, 10);
            for (char *d = strtok_r(NULL, " \n", &rest); d; d = strtok_r(NULL, " \n", &rest))
                shape.dims[shape.n_dims++] = strtoll(d, NULL, 10);
            assert_ok(crd_params_add(NULL, is_tensor ? &g->tensors : &g->params, name, &shape));
        }
    }
    assert_ok(crd_params_allocate(&g->tensors));
    for (int64_t i = 0; i < n; i++) {
        size_t count = (size_t)g->tensors.entries[i].count;
        assert_int_equal(fseek(raw, (long)(offsets[i] * 4), SEEK_SET), 0);
        assert_int_equal(fread(crd_params_view(&g->tensors, i), 4, count, raw), count);
    }
    fclose(raw);
    fclose(text);
}

static inline void clear_golden(golden *g)
{
    crd_params_clear(&g->tensors);
    crd_params_clear(&g->params);
}

static inline double value_of(const golden *g, const char *name)
{
    for (int i = 0; i < g->n_values; i++)
        if (strcmp(g->value_names[i], name) == 0)
            return g->values[i];
    fail_msg("no value %s", name);
    return 0;
}

/* Tensor "<prefix><name>". */
static inline const float *tensor_of(const golden *g, const char *prefix, const char *name)
{
    for (int64_t i = 0; i < g->tensors.n_params; i++) {
        const char *full = g->tensors.entries[i].name;
        if (strncmp(full, prefix, strlen(prefix)) == 0 && strcmp(full + strlen(prefix), name) == 0)
            return crd_params_view(&g->tensors, i);
    }
    fail_msg("no tensor %s%s", prefix, name);
    return NULL;
}

/* A convolution and its batch norm. */
static inline int64_t add_pair(crd_network *network, const char *conv, const char *norm,
                               int64_t input, const conv2d_attrs *conv2d)
{
    const attr_list attrs = conv2d_list(*conv2d);
    return add_norm(network, norm, add_op(network, "Conv2d", conv, &attrs, input),
                    conv2d->out_channels);
}

static inline conv2d_attrs conv(int64_t in, int64_t out, int64_t side, int64_t stride,
                                int64_t groups, int64_t bias)
{
    return (conv2d_attrs){.in_channels = in,
                          .out_channels = out,
                          .kernel_size = {side, side},
                          .stride = {stride, stride},
                          .padding = {side / 2, side / 2},
                          .dilation = {1, 1},
                          .groups = groups,
                          .bias = bias};
}

/* Class Tiny of make_bayes.py. */
static inline crd_network *make_tiny(void)
{
    const crd_shape shape = crd_shape_make(3, 3, 13, 11);
    const conv2d_attrs conv1 = conv(3, 8, 3, 1, 1, 0), block1 = conv(8, 16, 3, 2, 2, 0);
    const conv2d_attrs block2 = conv(16, 16, 3, 1, 1, 1), shortcut = conv(8, 16, 1, 2, 1, 0);
    const attr_list pool = pool2d_list((pool2d_attrs){{3, 3}, {2, 2}, {1, 1}, 0});
    crd_network *n;
    assert_ok(crd_network_create(&n, "tiny", &shape));
    int64_t x = add_op(n, "ReLU", "relu", NULL, add_pair(n, "conv1", "bn1", 0, &conv1));
    x = add_op(n, "MaxPool2d", "maxpool", &pool, x);
    int64_t y = add_pair(n, "layer1.0.conv1", "layer1.0.bn1", x, &block1);
    y = add_op(n, "ReLU", "layer1.0.relu", NULL, y);
    y = add_pair(n, "layer1.0.conv2", "layer1.0.bn2", y, &block2);
    int64_t z = add_pair(n, "layer1.0.downsample.0", "layer1.0.downsample.1", x, &shortcut), sum;
    const int64_t both[2] = {y, z};
    assert_ok(network_add(&sum, n, "Add", "layer1.0.add", NULL, both, 2));
    x = add_op(n, "ReLU", "layer1.0.relu2", NULL, sum);
    add_head(n, add_pool(n, x), 16, N_CLASSES);
    return n;
}

/* The tensors under one of two prefixes, as a state dict. */
static inline void select_tensors(crd_params *out, const golden *g, const char *prefix,
                                  const char *norms_prefix)
{
    crd_params_init(out);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < g->tensors.n_params; i++) {
            const crd_param *t = &g->tensors.entries[i];
            const char *name = NULL;
            if (strncmp(t->name, prefix, strlen(prefix)) == 0)
                name = t->name + strlen(prefix);
            else if (norms_prefix != NULL &&
                     strncmp(t->name, norms_prefix, strlen(norms_prefix)) == 0 &&
                     (strstr(t->name, "bn") != NULL || strstr(t->name, "downsample.1") != NULL))
                name = t->name + strlen(norms_prefix);
            if (name == NULL || strncmp(name, "rho_head/", 9) == 0 ||
                strncmp(name, "logits/", 7) == 0)
                continue;
            if (pass == 0)
                assert_ok(crd_params_add(NULL, out, name, &t->shape));
            else
                memcpy(crd_params_view(out, crd_params_find(out, name)),
                       crd_params_view(&g->tensors, i), (size_t)t->count * sizeof(float));
        }
        if (pass == 0)
            assert_ok(crd_params_allocate(out));
    }
}

static inline crd_posterior *convert_tiny(const golden *g, int is_plain,
                                          const crd_conversion *conversion)
{
    crd_params weights;
    const char *all = "*";
    crd_posterior *posterior;
    select_tensors(&weights, g, is_plain ? "plain/" : "weights/", is_plain ? "weights/" : NULL);
    assert_ok(crd_posterior_convert(&posterior, make_tiny(), &weights, conversion, &all, 1));
    crd_params_clear(&weights);
    return posterior;
}

static inline void bayesian_torch_name(char name[LINE_SIZE], const crd_posterior *p, int64_t i,
                                       char which)
{
    char module[LINE_SIZE / 2], leaf[32];
    assert_ok(crd_posterior_param_name(module, sizeof module, leaf, sizeof leaf, p, i, which));
    snprintf(name, LINE_SIZE, "%s.%s", module, leaf);
}

#endif
