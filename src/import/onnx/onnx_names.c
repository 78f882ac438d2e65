/* Names of ops. A weight's name tells its module best ("layer1.0.conv1.weight"); else the node's,
 * in which exporters write the way to the module ("/layer1/layer1.0/conv1/Conv"). */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "import/onnx/onnx_lower.h"

/* Characters that the network's names have; parts that are not empty. */
static void clean(char *name)
{
    size_t to = 0;
    for (const char *c = name; *c != '\0'; c++) {
        char kept = isalnum((unsigned char)*c) || strchr("_-.", *c) != NULL ? *c : '_';
        if (kept == '.' && (to == 0 || name[to - 1] == '.'))
            continue;
        name[to++] = kept;
    }
    while (to > 0 && name[to - 1] == '.')
        to--;
    name[to] = '\0';
}

/* The module of a weight: what stands before its leaf. */
static int from_weight(char out[CRD_ONNX_NAME_SIZE], const char *weight)
{
    static const char *const leaves[] = {".weight",  ".kernel", ".gamma", "_weight", "_kernel",
                                         "_weights", ".w_0",    ".bias",  "_bias",   NULL};
    size_t n = strlen(weight);
    for (int i = 0; leaves[i] != NULL; i++) {
        size_t leaf = strlen(leaves[i]);
        if (n > leaf && n - leaf < CRD_ONNX_NAME_SIZE / 2 &&
            strcmp(weight + n - leaf, leaves[i]) == 0) {
            memcpy(out, weight, n - leaf);
            out[n - leaf] = '\0';
            clean(out);
            return out[0] != '\0';
        }
    }
    return 0;
}

/* "/layer1/layer1.0/conv1/Conv" to "layer1.0.conv1": a part that begins with the one before it
 * takes its place. Without slashes the name as it is. */
static int from_node(char out[CRD_ONNX_NAME_SIZE], const char *name)
{
    size_t to = 0, part = 0; /* length so far; where its last part begins */
    const char *slash = strrchr(name, '/');
    if (strlen(name) >= CRD_ONNX_NAME_SIZE / 2)
        return 0;
    if (slash == NULL) {
        snprintf(out, CRD_ONNX_NAME_SIZE, "%s", name);
        clean(out);
        return out[0] != '\0';
    }
    for (const char *at = name; at < slash;) {
        size_t n = strcspn(at, "/");
        size_t before = to - part;
        if (n > 0) {
            if (before > 0 && n > before && strncmp(at, out + part, before) == 0 &&
                at[before] == '.')
                to = part;
            else if (to > 0)
                out[to++] = '.';
            part = to;
            memcpy(out + to, at, n);
            to += n;
        }
        at += n + 1;
    }
    out[to] = '\0';
    clean(out);
    return out[0] != '\0';
}

/* The k >= 2 of a name that is base[n] and "_k"; 1: it is base itself; 0: another name. */
static int64_t number_of(const char *name, const char *base, size_t n)
{
    int64_t k = 0;
    if (strncmp(name, base, n) != 0 || name[n] == '\0')
        return strncmp(name, base, n) == 0;
    const char *digits = name + n + 1;
    size_t n_digits = strspn(digits, "0123456789");
    if (name[n] != '_' || digits[0] == '0' || n_digits > 9 || digits[n_digits] != '\0')
        return 0;
    for (size_t i = 0; i < n_digits; i++)
        k = 10 * k + digits[i] - '0';
    return k >= 2 ? k : 0;
}

/* The smallest number whose name no op has. Walks over the ops once for thousands of numbers, as a
 * file may give all its nodes one name. */
static int64_t free_number(const crd_network *network, const char *base)
{
    enum { AT_ONCE = 4096 };
    size_t n = strlen(base);
    for (int64_t first = 1;; first += AT_ONCE) {
        bool is_taken[AT_ONCE] = {false};
        for (int64_t i = 0; i < network->n_ops; i++) {
            int64_t k = number_of(network->ops[i].name, base, n) - first;
            if (k >= 0 && k < AT_ONCE)
                is_taken[k] = true;
        }
        for (int64_t k = 0; k < AT_ONCE; k++)
            if (!is_taken[k])
                return first + k;
    }
}

const char *crd_onnx_origin(const crd_onnx_graph *graph, int64_t value)
{
    static const char *const moves[] = {"Cast",    "Expand",  "Flatten",   "Identity",
                                        "Reshape", "Squeeze", "Transpose", "Unsqueeze"};
    for (int64_t producer; (producer = graph->values[value].producer) >= 0;) {
        const crd_onnx_node *node = &graph->nodes[producer];
        bool is_move = false;
        for (size_t i = 0; node->kind != NULL && i < sizeof moves / sizeof *moves; i++)
            is_move |= strcmp(node->op_type, moves[i]) == 0;
        if (!is_move || node->n_inputs < 1 || node->inputs[0] < 0)
            break;
        value = node->inputs[0];
    }
    return graph->values[value].name;
}

/* A name that a person gave: none that an exporter counts, "val_7", "onnx::Add_12", "/Constant". */
static int from_given(char out[CRD_ONNX_NAME_SIZE], const char *name)
{
    size_t counted = strncmp(name, "val_", 4) == 0 ? 4 + strspn(name + 4, "0123456789") : 0;
    if (!isalpha((unsigned char)name[0]) || strpbrk(name, "/:") != NULL || name[counted] == '\0' ||
        strlen(name) >= CRD_ONNX_NAME_SIZE / 2)
        return 0;
    snprintf(out, CRD_ONNX_NAME_SIZE, "%s", name);
    clean(out);
    return out[0] != '\0';
}

/* By the name of a weight, or of the bias beside it. */
static int from_weights(char out[CRD_ONNX_NAME_SIZE], const crd_onnx_graph *graph,
                        const crd_onnx_node *node, int weight)
{
    for (int k = weight; weight > 0 && k < weight + 2 && k < node->n_inputs; k++)
        if (node->inputs[k] >= 0 && graph->values[node->inputs[k]].constant != NULL &&
            from_weight(out, crd_onnx_origin(graph, node->inputs[k])))
            return 1;
    return 0;
}

void crd_onnx_name(char out[CRD_ONNX_NAME_SIZE], const crd_onnx_lowering *lowering,
                   const crd_onnx_node *node, int weight, const char *given)
{
    if (!(given != NULL && from_given(out, given)) &&
        !from_weights(out, lowering->graph, node, weight) && !from_node(out, node->name)) {
        snprintf(out, CRD_ONNX_NAME_SIZE, "%.40s", node->op_type);
        clean(out);
    }
    size_t n = strlen(out);
    int64_t k = free_number(lowering->network, out);
    if (k > 1)
        snprintf(out + n, CRD_ONNX_NAME_SIZE - n, "_%lld", (long long)k);
}
