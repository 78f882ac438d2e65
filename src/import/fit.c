/* How the tensors of a state dict fit a network, by names and shapes alone: under which prefix its
 * names lie there, what is missing, what is too much; and which architecture of the zoo fits best.
 * bayesian-torch's names count as those of the layer they belong to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "credence/image.h"
#include "credence/weights.h"

enum { MAX_PREFIXES = 8, LEAF_SIZE = 32 };

/* A tensor's name as the deterministic network has it. */
typedef struct plain_name {
    char text[CRD_STATE_NAME_SIZE];
    int64_t index; /* in the dict's table */
} plain_name;

/* The names of a dict, sorted. */
typedef struct catalogue {
    const crd_state_dict *dict;
    plain_name *names;
    int64_t n_names;
    int is_bayesian; /* names are bayesian-torch's */
} catalogue;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const plain_name *)a)->text, ((const plain_name *)b)->text);
}

static const char *leaf_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot == NULL ? name : dot + 1;
}

static int is_of_bayesian_torch(const crd_params *params)
{
    for (int64_t i = 0; i < params->n_params; i++) {
        const char *leaf = leaf_of(params->entries[i].name);
        if (strcmp(leaf, "mu_kernel") == 0 || strcmp(leaf, "mu_weight") == 0)
            return 1;
    }
    return 0;
}

/* 0: the tensor is the rho of another one. */
static int make_plain(char out[CRD_STATE_NAME_SIZE], const char *name, int bayesian)
{
    static const char *const leaves[][2] = {
        {"mu_kernel", "weight"}, {"mu_weight", "weight"}, {"mu_bias", "bias"}};
    const char *leaf = leaf_of(name);
    snprintf(out, CRD_STATE_NAME_SIZE, "%s", name);
    if (!bayesian)
        return 1;
    for (size_t k = 0; k < sizeof leaves / sizeof *leaves; k++)
        if (strcmp(leaf, leaves[k][0]) == 0) /* shorter than what it replaces */
            snprintf(out + (leaf - name), LEAF_SIZE, "%s", leaves[k][1]);
    return strncmp(leaf, "rho_", 4) != 0;
}

static crd_status catalogue_init(catalogue *c, const crd_state_dict *dict)
{
    crd_status status;
    const crd_params *params = &dict->params;
    *c = (catalogue){.dict = dict, .is_bayesian = is_of_bayesian_torch(params)};
    CRD_ALLOC(&c->names, params->n_params, "names of the state dict");
    for (int64_t i = 0; i < params->n_params; i++) {
        c->names[c->n_names].index = i;
        c->n_names +=
            make_plain(c->names[c->n_names].text, params->entries[i].name, c->is_bayesian);
    }
    qsort(c->names, (size_t)c->n_names, sizeof *c->names, by_name);
cleanup:
    return status;
}

/* Index in the dict's table of the network's `name` under `prefix`; -1: it is not there. */
static int64_t find(const catalogue *c, const char *prefix, const char *name)
{
    plain_name wanted;
    int n = snprintf(wanted.text, sizeof wanted.text, "%s%s", prefix, name);
    if (n >= (int)sizeof wanted.text)
        return -1;
    const plain_name *found =
        bsearch(&wanted, c->names, (size_t)c->n_names, sizeof *c->names, by_name);
    return found == NULL ? -1 : found->index;
}

static int64_t count_found(const catalogue *c, const char *prefix, const crd_params *network)
{
    int64_t n = 0;
    for (int64_t i = 0; i < network->n_params; i++)
        n += find(c, prefix, network->entries[i].name) >= 0;
    return n;
}

/* What stands before `name` in a tensor's name; 0: it does not end so. */
static int split_prefix(char out[CRD_STATE_NAME_SIZE], const char *tensor, const char *name)
{
    size_t n = strlen(tensor), n_name = strlen(name);
    if (n <= n_name || strcmp(tensor + n - n_name, name) != 0 || tensor[n - n_name - 1] != '.')
        return 0;
    snprintf(out, CRD_STATE_NAME_SIZE, "%.*s", (int)(n - n_name), tensor);
    return 1;
}

/* The prefix under which most of the network's names lie; of several the first in the dict.
 * Candidates are what stands before its first name wherever that occurs; the empty one holds
 * where none does better. */
static void find_prefix(char out[CRD_STATE_NAME_SIZE], const catalogue *c,
                        const crd_params *network)
{
    const crd_params *params = &c->dict->params;
    int64_t most = count_found(c, "", network);
    int n_tried = 0;
    out[0] = '\0';
    for (int64_t i = 0; i < params->n_params && n_tried < MAX_PREFIXES; i++) {
        char plain[CRD_STATE_NAME_SIZE], prefix[CRD_STATE_NAME_SIZE];
        if (!make_plain(plain, params->entries[i].name, c->is_bayesian) ||
            !split_prefix(prefix, plain, network->entries[0].name))
            continue;
        int64_t n_found = count_found(c, prefix, network);
        if (n_found > most) {
            most = n_found;
            memcpy(out, prefix, sizeof prefix);
        }
        n_tried++;
    }
}

static int starts_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static void note(char out[CRD_STATE_NAME_SIZE], int64_t *n, const char *name)
{
    if ((*n)++ == 0)
        snprintf(out, CRD_STATE_NAME_SIZE, "%s", name);
}

static const char *other_type(const crd_state_dict *dict, const char *prefix, const char *name)
{
    for (int64_t i = 0; i < dict->n_others; i++)
        if (starts_with(dict->others[i].name, prefix) &&
            strcmp(dict->others[i].name + strlen(prefix), name) == 0)
            return dict->others[i].type;
    return NULL;
}

/* Whether a tensor belongs to a head that only training runs. */
static int is_passed_over(const char *name, const crd_arch *arch)
{
    if (arch == NULL || arch->passed_over == NULL)
        return 0;
    for (const char *const *prefix = arch->passed_over; *prefix != NULL; prefix++)
        if (starts_with(name, *prefix))
            return 1;
    return 0;
}

/* What the network needs: is it there, and of the right shape? Marks what is. */
static void fit_needed(crd_state_fit *fit, uint8_t *used, const catalogue *c,
                       const crd_params *network)
{
    for (int64_t i = 0; i < network->n_params; i++) {
        const crd_param *param = &network->entries[i];
        int64_t index = find(c, fit->prefix, param->name);
        if (index < 0) {
            if (fit->n_missing == 0)
                fit->missing_type = other_type(c->dict, fit->prefix, param->name);
            note(fit->missing, &fit->n_missing, param->name);
            continue;
        }
        used[index] = 1;
        const crd_shape *shape = &c->dict->params.entries[index].shape;
        if (crd_shape_equal(shape, &param->shape)) {
            fit->n_fitting++;
            continue;
        }
        if (fit->n_misshaped == 0) {
            fit->needed_shape = param->shape;
            fit->found_shape = *shape;
        }
        note(fit->misshaped, &fit->n_misshaped, param->name);
    }
}

static crd_status fit_catalogue(crd_state_fit *fit, const catalogue *c, const crd_network *network)
{
    crd_status status;
    uint8_t *used = NULL;
    const crd_arch *arch = crd_zoo_find(network->arch);
    *fit = (crd_state_fit){0};
    CRD_ALLOC(&used, c->dict->params.n_params, "tensors used");
    find_prefix(fit->prefix, c, &network->params);
    fit_needed(fit, used, c, &network->params);
    for (int64_t i = 0; i < c->n_names; i++) {
        const char *name = c->dict->params.entries[c->names[i].index].name;
        if (starts_with(name, fit->prefix) && used[c->names[i].index])
            continue;
        if (!starts_with(name, fit->prefix) || is_passed_over(name + strlen(fit->prefix), arch))
            note(fit->beside, &fit->n_beside, name);
        else
            note(fit->unexpected, &fit->n_unexpected, name);
    }
cleanup:
    crd_free(used);
    return status;
}

crd_status crd_state_dict_fit(crd_state_fit *fit, const crd_state_dict *dict,
                              const crd_network *network)
{
    catalogue c;
    crd_status status = catalogue_init(&c, dict);
    if (status == CRD_OK)
        status = fit_catalogue(fit, &c, network);
    crd_free(c.names);
    return status;
}

int64_t crd_state_fit_faults(const crd_state_fit *fit)
{
    return fit->n_missing + fit->n_misshaped + fit->n_unexpected;
}

/* Shape of an op's weight in the dict; NULL: it has none there. */
static const crd_shape *weight_shape(const catalogue *c, const char *prefix,
                                     const crd_network *network, int64_t op)
{
    const crd_param *weight = &network->params.entries[crd_network_op_param(network, op)];
    int64_t index = find(c, prefix, weight->name);
    return index < 0 ? NULL : &c->dict->params.entries[index].shape;
}

/* Channels from the first weighted layer, classes from the last. What they do not tell stays 0: the
 * architecture's usual number. */
static void measure(int64_t *in_channels, int64_t *n_classes, const catalogue *c,
                    const crd_network *usual)
{
    char prefix[CRD_STATE_NAME_SIZE];
    *in_channels = *n_classes = 0;
    find_prefix(prefix, c, &usual->params);
    for (int64_t i = 0, is_first = 1; i < usual->n_ops; i++) {
        if (!crd_network_op_may_be_random(usual, i))
            continue;
        const crd_shape *shape = weight_shape(c, prefix, usual, i);
        int is_usable = shape != NULL && shape->n_dims >= 2 && shape->dims[0] > 0;
        if (is_first && is_usable && shape->n_dims == 4)
            *in_channels = shape->dims[1];
        *n_classes = is_usable ? shape->dims[0] : 0;
        is_first = 0;
    }
    if (*in_channels > CRD_MAX_CHANNELS)
        *in_channels = 0;
}

/* The network of `arch` of the usual size again, with the dict's channels and classes. */
static crd_status rebuild(crd_network **out, const catalogue *c, const char *arch,
                          const crd_network *usual, int64_t image_size)
{
    int64_t in_channels, n_classes;
    measure(&in_channels, &n_classes, c, usual);
    return crd_zoo_build(out, arch, in_channels, image_size, n_classes);
}

crd_status crd_state_dict_network(crd_network **out, const crd_state_dict *dict, const char *arch,
                                  int64_t image_size)
{
    crd_status status;
    catalogue c;
    crd_network *usual = NULL;
    *out = NULL;
    CRD_TRY(catalogue_init(&c, dict));
    CRD_TRY(crd_zoo_build(&usual, arch, 0, 0, 0));
    CRD_TRY(rebuild(out, &c, arch, usual, image_size));
cleanup:
    crd_network_destroy(usual);
    crd_free(c.names);
    return status;
}

/* Jaccard's index of the tensors that are there and those that are needed; 1: all fit. Tensors that
 * have another shape in the usual size may fit in another one. */
static double share_of_fitting(const crd_state_fit *fit, int any_shape)
{
    int64_t n = fit->n_fitting + (any_shape ? fit->n_misshaped : 0);
    return (double)n / (double)(fit->n_fitting + crd_state_fit_faults(fit));
}

crd_status crd_state_dict_guess(const crd_arch **out, crd_state_fit *fit,
                                const crd_state_dict *dict, int64_t image_size)
{
    crd_status status;
    catalogue c;
    crd_network *usual = NULL, *network = NULL;
    *out = NULL;
    CRD_TRY(catalogue_init(&c, dict));
    /* Until all fit: no later one can do better. */
    for (int64_t i = 0; crd_zoo_get(i) != NULL && (*out == NULL || share_of_fitting(fit, 0) < 1);
         i++) {
        const crd_arch *arch = crd_zoo_get(i);
        crd_state_fit tried;
        crd_network_destroy(usual);
        CRD_TRY(crd_zoo_build(&usual, arch->name, 0, 0, 0));
        CRD_TRY(fit_catalogue(&tried, &c, usual));
        /* An image size that is too small for one architecture does not matter to the others. */
        if ((*out != NULL && share_of_fitting(&tried, 1) <= share_of_fitting(fit, 0)) ||
            rebuild(&network, &c, arch->name, usual, image_size) != CRD_OK)
            continue;
        CRD_TRY(fit_catalogue(&tried, &c, network));
        crd_network_destroy(network);
        network = NULL;
        if (*out == NULL || share_of_fitting(&tried, 0) > share_of_fitting(fit, 0)) {
            *out = arch;
            *fit = tried;
        }
    }
    CRD_REQUIRE(*out != NULL, CRD_ERR_INPUT, "no architecture takes images of that size");
cleanup:
    crd_network_destroy(usual);
    crd_network_destroy(network);
    crd_free(c.names);
    return status;
}

void crd_state_dict_keep(crd_state_dict *dict, const char *prefix, const crd_arch *arch)
{
    crd_params *params = &dict->params;
    size_t n_prefix = strlen(prefix);
    int64_t n = 0;
    for (int64_t i = 0; i < params->n_params; i++) {
        crd_param *entry = &params->entries[i];
        if (!starts_with(entry->name, prefix) || is_passed_over(entry->name + n_prefix, arch)) {
            crd_free(entry->name);
            continue;
        }
        memmove(entry->name, entry->name + n_prefix, strlen(entry->name + n_prefix) + 1);
        params->entries[n++] = *entry;
    }
    params->n_params = n;
}

const char *crd_state_fit_text(char out[CRD_STATE_TEXT_SIZE], const crd_state_fit *fit)
{
    char needed[CRD_SHAPE_TEXT_SIZE], found[CRD_SHAPE_TEXT_SIZE];
    int n = 0;
    out[0] = '\0';
    if (fit->n_missing > 0)
        n += snprintf(out, CRD_STATE_TEXT_SIZE, "%lld missing, the first is %s%s%s%s",
                      (long long)fit->n_missing, fit->missing,
                      fit->missing_type == NULL ? "" : " (there as ",
                      fit->missing_type == NULL ? "" : fit->missing_type,
                      fit->missing_type == NULL ? "" : ", which is not read)");
    if (fit->n_unexpected > 0)
        n += snprintf(out + n, (size_t)(CRD_STATE_TEXT_SIZE - n),
                      "%s%lld that it does not have, the first is %s", n > 0 ? "; " : "",
                      (long long)fit->n_unexpected, fit->unexpected);
    if (fit->n_misshaped > 0)
        snprintf(out + n, (size_t)(CRD_STATE_TEXT_SIZE - n),
                 "%s%lld of another shape, the first is %s: %s, needed is %s", n > 0 ? "; " : "",
                 (long long)fit->n_misshaped, fit->misshaped,
                 crd_shape_text(found, &fit->found_shape),
                 crd_shape_text(needed, &fit->needed_shape));
    return out;
}
