/* `credence inspect`: what a file holds, by its kind, as text or JSON: provenance, graph, tensors,
 * history, datasets. It only reads; --reseal, which writes a copy, is io/reseal.c. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/tensor_facts.h"
#include "base/alloc.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/train_report.h"
#include "credence/files.h"

/** What the visitors of a file need: where the output goes. */
typedef struct visit {
    json_t *json; /* array or object to fill; NULL: text is printed */
    int64_t n_damaged;
} visit;

static void visit_attribute(const char *name, const char *value, void *payload)
{
    visit *v = payload;
    if (v->json != NULL) {
        json_object_set_new(v->json, name, crd_json_text(value));
        return;
    }
    printf("  ");
    crd_print_padded(name, 28);
    printf("  ");
    crd_print_clean(value);
    putchar('\n');
}

static void visit_dataset(const char *path, const char *type, const crd_shape *shape,
                          uint64_t digest, int matches, void *payload)
{
    visit *v = payload;
    char text[CRD_SHAPE_TEXT_SIZE];
    v->n_damaged += !matches;
    if (v->json == NULL) {
        printf("  %016" PRIx64 "  %-8s %-22s %s%s\n", digest, type, crd_shape_text(text, shape),
               path, matches ? "" : "  DAMAGED");
        return;
    }
    char hex[17];
    snprintf(hex, sizeof hex, "%016" PRIx64, digest);
    json_t *dims = json_array();
    for (int d = 0; d < shape->n_dims; d++)
        json_array_append_new(dims, json_integer(shape->dims[d]));
    json_array_append_new(v->json, json_pack("{s:o, s:s, s:o, s:s, s:b}", "path",
                                             crd_json_text(path), "type", type, "shape", dims,
                                             "digest", hex, "matches", matches));
}

static crd_status show_datasets(json_t *root, const char *path)
{
    visit v = {.json = root != NULL ? json_array() : NULL};
    if (root != NULL)
        json_object_set_new(root, "datasets", v.json);
    else
        puts("datasets (XXH3-64, type, shape, path)");
    crd_status status = crd_file_datasets(path, visit_dataset, &v);
    if (status == CRD_OK && v.n_damaged > 0)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: %lld datasets differ from their stored digests", path,
                        (long long)v.n_damaged);
    return status;
}

static crd_status show_tensors(json_t *root, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_params *params = &posterior->network->params;
    int64_t largest = 1;
    double *sorted = NULL;
    json_t *list = root != NULL ? json_array() : NULL;
    if (root != NULL)
        json_object_set_new(root, "tensors", list);
    for (int64_t i = 0; i < params->n_params; i++)
        largest = params->entries[i].count > largest ? params->entries[i].count : largest;
    CRD_ALLOC(&sorted, largest, "sigma");
    if (root == NULL)
        printf("Bayesian tensors          %36s %29s\n  %-32s %9s %9s %9s  %9s %9s %9s  %11s\n",
               "sigma", "|mu| / sigma", "name", "min", "median", "max", "5 %", "median", "95 %",
               "KL, nats");
    for (int64_t i = 0; i < params->n_params; i++) {
        if (!posterior->bayesian[i] || params->entries[i].count == 0)
            continue;
        crd_tensor_facts f = crd_tensor_facts_of(sorted, posterior, i);
        if (root == NULL)
            printf("  %-32s %9.3g %9.3g %9.3g  %9.3g %9.3g %9.3g  %11.5g\n",
                   params->entries[i].name, f.sigma_min, f.sigma_median, f.sigma_max, f.snr_5,
                   f.snr_50, f.snr_95, f.kl);
        else
            json_array_append_new(
                list,
                json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                          params->entries[i].name, "n", (json_int_t)params->entries[i].count,
                          "sigma_min", crd_json_real(f.sigma_min), "sigma_median",
                          crd_json_real(f.sigma_median), "sigma_max", crd_json_real(f.sigma_max),
                          "snr_5", crd_json_real(f.snr_5), "snr_50", crd_json_real(f.snr_50),
                          "snr_95", crd_json_real(f.snr_95), "kl", crd_json_real(f.kl)));
    }
cleanup:
    crd_free(sorted);
    return status;
}

static void show_graph(json_t *root, const crd_posterior *posterior)
{
    const crd_network *network = posterior->network;
    json_t *list = root != NULL ? json_array() : NULL;
    if (root != NULL)
        json_object_set_new(root, "ops", list);
    else
        printf("graph\n  %-30s %-18s %-18s %-16s %s\n", "op", "kind", "output", "weight",
               "Bayesian");
    for (int64_t i = 0; i < network->n_ops; i++) {
        const char *name = crd_network_op_name(network, i), *kind = crd_network_op_kind(network, i);
        int64_t weight = crd_network_op_param(network, i);
        char out[CRD_SHAPE_TEXT_SIZE], in[CRD_SHAPE_TEXT_SIZE] = "";
        crd_shape_text(out, crd_network_op_shape(network, i));
        if (weight >= 0)
            crd_shape_text(in, &network->params.entries[weight].shape);
        int is_bayesian = 0; /* in any component */
        for (int64_t c = 0; weight >= 0 && c < posterior->n_components; c++)
            is_bayesian |= posterior->bayesian[c * network->params.n_params + weight];
        if (root == NULL)
            printf("  %-30s %-18s %-18s %-16s %s\n", name, kind, out, in, is_bayesian ? "yes" : "");
        else
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", name, "kind", kind,
                                            "output", out, "weight", in, "bayesian", is_bayesian));
    }
}

static json_t *three(const float *values, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++)
        json_array_append_new(list, crd_json_real((double)values[i]));
    return list;
}

static void print_initial(const crd_conversion *c)
{
    if (c->initial == CRD_INITIAL_IMPORTED)
        puts("mu and rho taken as they were from a state dict of bayesian-torch");
    else if (c->initial == CRD_INITIAL_MOPED)
        printf("MOPED, sigma = %g |weight|, at least %g\n", c->moped_delta, c->sigma_min);
    else
        printf("initial mu ~ N(%g, 0.1^2), rho ~ N(%g, 0.1^2)\n", c->posterior_mu_init,
               c->posterior_rho_init);
    if (c->initial == CRD_INITIAL_DISCARDED)
        puts("  the weights that convert was given for its Bayesian layers were not used "
             "(--no-moped): before training it is a random network");
}

static void show_preprocessing(json_t *root, const crd_preprocessing *p)
{
    const char *filter = p->interpolation == CRD_BICUBIC ? "bicubic" : "bilinear";
    if (root != NULL) {
        json_object_set_new(root, "preprocessing",
                            json_pack("{s:I, s:I, s:I, s:s, s:o, s:o}", "channels",
                                      (json_int_t)p->channels, "resize", (json_int_t)p->resize,
                                      "crop", (json_int_t)p->crop, "interpolation", filter, "mean",
                                      three(p->mean, p->channels), "sd",
                                      three(p->sd, p->channels)));
        return;
    }
    printf("preprocessing\n  %s; resize %lld (%s), crop %lld; mean",
           p->channels == 1 ? "grey" : "RGB", (long long)p->resize, filter, (long long)p->crop);
    for (int64_t k = 0; k < p->channels; k++)
        printf(" %g", (double)p->mean[k]);
    printf(", sd");
    for (int64_t k = 0; k < p->channels; k++)
        printf(" %g", (double)p->sd[k]);
    putchar('\n');
}

/** Its prior, its initial values and its tensors are its components' own. */
static void show_ensemble(json_t *root, const crd_posterior *e)
{
    const char *family = crd_family_name(e->family), *estimator = e->conversion.type;
    json_t *list = root != NULL ? json_array() : NULL;
    if (root == NULL)
        printf("posterior\n  %s, %lld classes%s, %s: %s of %lld %s\n", e->network->arch,
               (long long)e->n_classes, e->classes != NULL ? " with names" : "", estimator, family,
               (long long)e->n_components, crd_family_title(e->family));
    if (root == NULL && e->n_chains > 0)
        printf("  %lld draws of each of %lld chains\n", (long long)(e->n_components / e->n_chains),
               (long long)e->n_chains);
    for (int64_t c = 0; e->n_chains == 0 && c < e->n_components; c++) {
        if (root == NULL) {
            printf("  component %-4lld %s  ", (long long)c, e->origins[c].digest);
            crd_print_clean(e->origins[c].file);
            putchar('\n');
        } else {
            json_array_append_new(list,
                                  json_pack("{s:o, s:s}", "file", crd_json_text(e->origins[c].file),
                                            "digest", e->origins[c].digest));
        }
    }
    if (root != NULL)
        json_object_set_new(root, "posterior",
                            json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:o}", "arch",
                                      e->network->arch, "n_classes", (json_int_t)e->n_classes,
                                      "type", estimator, "family", family, "n_components",
                                      (json_int_t)e->n_components, "n_chains",
                                      (json_int_t)e->n_chains, "components", list));
}

static void show_settings(json_t *root, const crd_posterior *posterior)
{
    const crd_conversion *c = &posterior->conversion;
    double sum, mean;
    crd_posterior_kl(&sum, &mean, posterior);
    if (root != NULL) {
        json_object_set_new(
            root, "posterior",
            json_pack("{s:s, s:I, s:s, s:s, s:f, s:f, s:b, s:f, s:b, s:f, s:o, s:o}", "arch",
                      posterior->network->arch, "n_classes", (json_int_t)posterior->n_classes,
                      "type", c->type, "initial_values", crd_initial_kind_names()[c->initial],
                      "prior_mu", c->prior_mu, "prior_sigma", c->prior_sigma, "moped_enable",
                      c->moped_enable, "moped_delta", c->moped_delta, "moped_prior", c->moped_prior,
                      "sigma_min", c->sigma_min, "kl_sum", crd_json_real(sum), "kl_mean",
                      crd_json_real(mean)));
        return;
    }
    printf("posterior\n  %s, %lld classes%s, %s\n", posterior->network->arch,
           (long long)posterior->n_classes, posterior->classes != NULL ? " with names" : "",
           c->type);
    printf("  prior N(%g, %g^2)%s", c->prior_mu, c->prior_sigma,
           posterior->prior_mu != NULL ? " with the weights as means" : "");
    if (c->prior_kind == CRD_PRIOR_MIXTURE)
        printf(" in a share of %g, else sd %g", c->prior_pi, c->prior_sigma2);
    printf(", scale %s; ", crd_prior_scale_names()[c->prior_scale]);
    print_initial(c);
    printf("  KL %.6g nats to the prior; %.6g as the sum of each tensor's mean\n", sum, mean);
}

static void show_progress(json_t *root, const crd_train_state *state)
{
    if (root != NULL) {
        json_object_set_new(root, "training",
                            json_pack("{s:I, s:I, s:I, s:o}", "step", (json_int_t)state->step,
                                      "epoch", (json_int_t)state->epoch, "batch",
                                      (json_int_t)state->batch, "best_nll",
                                      crd_json_real(state->best)));
        return;
    }
    printf("training\n  %lld steps: %lld epochs and %lld batches of the next\n",
           (long long)state->step, (long long)state->epoch, (long long)state->batch);
}

static crd_status show_history(json_t *root, const char *path)
{
    crd_epoch *epochs = NULL;
    int64_t n;
    crd_status status = crd_posterior_read_history(&epochs, &n, path);
    if (status != CRD_OK || n == 0)
        return status;
    if (root == NULL) {
        crd_train_print_history(epochs, n);
    } else {
        json_t *list = json_array();
        for (int64_t i = 0; i < n; i++)
            json_array_append_new(list, crd_train_epoch_to_json(&epochs[i]));
        json_object_set_new(root, "history", list);
    }
    crd_history_free(epochs);
    return CRD_OK;
}

static crd_status show_posterior(json_t *root, const char *path, crd_file_kind kind)
{
    crd_status status = CRD_OK;
    crd_posterior *posterior = NULL;
    crd_train_state state = {0};
    if (kind == CRD_FILE_CHECKPOINT) {
        CRD_TRY(crd_checkpoint_read(&posterior, &state, path, NULL));
        CRD_REQUIRE(posterior != NULL, CRD_ERR_INPUT, "%s: was removed while it was read", path);
        show_progress(root, &state);
    } else {
        CRD_TRY(crd_posterior_read(&posterior, path));
    }
    if (crd_family_is_ensemble(posterior->family))
        show_ensemble(root, posterior);
    else
        show_settings(root, posterior);
    show_preprocessing(root, &posterior->preprocessing);
    CRD_TRY(show_history(root, path));
    show_graph(root, posterior);
    if (!crd_family_is_ensemble(posterior->family))
        CRD_TRY(show_tensors(root, posterior));
cleanup:
    crd_train_state_clear(&state);
    crd_posterior_destroy(posterior);
    return status;
}

crd_status crd_cmd_inspect(const crd_cli *cli)
{
    static const char *const kinds[] = {[CRD_FILE_POSTERIOR] = "posterior",
                                        [CRD_FILE_PREDICTION] = "prediction",
                                        [CRD_FILE_TENSORS] = "tensors",
                                        [CRD_FILE_CHECKPOINT] = "checkpoint",
                                        [CRD_FILE_CHAINS] = "checkpoint of chains"};
    crd_status status = CRD_OK;
    const char *path = cli->options->arguments[0];
    int only_datasets = cli->options->values[CRD_OPT_DATASETS].integer != 0;
    json_t *root = NULL;
    crd_file_kind kind;
    const crd_option_value *reseal = &cli->options->values[CRD_OPT_RESEAL];
    if (reseal->given) {
        CRD_TRY(crd_file_reseal(reseal->text, path));
        path = reseal->text;
    }
    CRD_TRY(crd_file_identify(&kind, path));
    int has_posterior = kind == CRD_FILE_POSTERIOR || kind == CRD_FILE_CHECKPOINT;
    if (cli->options->values[CRD_OPT_JSON].integer) {
        root = json_pack("{s:o, s:s}", "file", crd_json_text(path), "kind", kinds[kind]);
    } else if (!only_datasets) {
        crd_print_clean(path);
        printf(": %s\n", kinds[kind]);
    }
    if (!only_datasets) {
        visit v = {.json = root != NULL ? json_object() : NULL};
        if (root != NULL)
            json_object_set_new(root, "attributes", v.json);
        else
            puts("attributes");
        CRD_TRY(crd_file_attributes(path, visit_attribute, &v));
        if (has_posterior)
            CRD_TRY(show_posterior(root, path, kind));
    }
    if (only_datasets || !has_posterior)
        CRD_TRY(show_datasets(root, path));
    if (root != NULL) {
        status = crd_json_print(root);
        root = NULL;
    }
cleanup:
    json_decref(root);
    return status;
}
