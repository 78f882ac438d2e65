/* A posterior or checkpoint as JSON: all that the text has, and the whole history. */
#include "report/inspection.h"
#include "report/laplace_report.h"
#include "report/output.h"
#include "report/train_report.h"

static json_t *progress_to_json(const crd_train_state *state)
{
    return json_pack("{s:I, s:I, s:I, s:o}", "step", (json_int_t)state->step, "epoch",
                     (json_int_t)state->epoch, "batch", (json_int_t)state->batch, "best_nll",
                     crd_json_real(state->best));
}

/** Its prior, its initial values and its tensors are its components' own. */
static json_t *family_to_json(const crd_posterior *e)
{
    json_t *list = json_array();
    for (int64_t c = 0; e->origins != NULL && e->n_chains == 0 && c < e->n_components; c++)
        json_array_append_new(list,
                              json_pack("{s:o, s:s}", "file", crd_json_text(e->origins[c].file),
                                        "digest", e->origins[c].digest));
    json_t *shown = json_pack("{s:s, s:I, s:s, s:s, s:I, s:o}", "arch", e->network->arch,
                              "n_classes", (json_int_t)e->n_classes, "type", e->conversion.type,
                              "family", crd_family_name(e->family), "n_components",
                              (json_int_t)e->n_components, "components", list);
    if (e->n_chains > 0)
        json_object_set_new(shown, "n_chains", json_integer((json_int_t)e->n_chains));
    if (crd_family_has_deviations(e->family))
        json_object_set_new(shown, "rank", json_integer((json_int_t)e->rank));
    return shown;
}

static json_t *settings_to_json(const crd_posterior *posterior, const crd_posterior_facts *facts)
{
    const crd_conversion *c = &posterior->conversion;
    return json_pack("{s:s, s:I, s:s, s:s, s:f, s:f, s:b, s:f, s:b, s:f, s:o, s:o}", "arch",
                     posterior->network->arch, "n_classes", (json_int_t)posterior->n_classes,
                     "type", c->type, "initial_values", crd_initial_kind_names()[c->initial],
                     "prior_mu", c->prior_mu, "prior_sigma", c->prior_sigma, "moped_enable",
                     c->moped_enable, "moped_delta", c->moped_delta, "moped_prior", c->moped_prior,
                     "sigma_min", c->sigma_min, "kl_sum", crd_json_real(facts->kl_sum), "kl_mean",
                     crd_json_real(facts->kl_mean));
}

static json_t *floats_to_json(const float *values, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++)
        json_array_append_new(list, crd_json_real((double)values[i]));
    return list;
}

static json_t *preprocessing_to_json(const crd_preprocessing *p)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:s, s:o, s:o}", "channels", (json_int_t)p->channels,
                     "resize", (json_int_t)p->resize, "crop", (json_int_t)p->crop, "crop_width",
                     (json_int_t)crd_preprocessing_width(p), "interpolation",
                     crd_interpolation_names()[p->interpolation], "mean",
                     floats_to_json(p->mean, p->channels), "sd",
                     floats_to_json(p->sd, p->channels));
}

static json_t *graph_to_json(const crd_inspection *inspection)
{
    const crd_network *network = inspection->posterior->network;
    json_t *list = json_array();
    for (int64_t i = 0; i < network->n_ops; i++) {
        char output[CRD_SHAPE_TEXT_SIZE], weight[CRD_SHAPE_TEXT_SIZE];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", crd_network_op_name(network, i),
                            "kind", crd_network_op_kind(network, i), "output",
                            crd_shape_text(output, crd_network_op_shape(network, i)), "weight",
                            crd_weight_shape_text(weight, network, i), "bayesian",
                            (int)crd_inspection_is_bayesian(inspection, i)));
    }
    return list;
}

static json_t *tensors_to_json(const crd_inspection *inspection)
{
    const crd_params *params = &inspection->posterior->network->params;
    json_t *list = json_array();
    for (int64_t i = 0; i < inspection->n_tensors; i++) {
        const crd_tensor_facts *f = &inspection->tensors[i];
        json_array_append_new(
            list,
            json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                      params->entries[f->param].name, "n",
                      (json_int_t)params->entries[f->param].count, "sigma_min",
                      crd_json_real(f->sigma_min), "sigma_median", crd_json_real(f->sigma_median),
                      "sigma_max", crd_json_real(f->sigma_max), "snr_5", crd_json_real(f->snr_5),
                      "snr_50", crd_json_real(f->snr_50), "snr_95", crd_json_real(f->snr_95), "kl",
                      crd_json_real(f->kl)));
    }
    return list;
}

static json_t *history_to_json(const crd_epoch *epochs, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++)
        json_array_append_new(list, crd_train_epoch_to_json(&epochs[i]));
    return list;
}

void crd_inspection_set_json(json_t *root, const crd_inspection *inspection)
{
    const crd_posterior *p = inspection->posterior;
    if (inspection->kind == CRD_FILE_CHECKPOINT)
        json_object_set_new(root, "training", progress_to_json(&inspection->state));
    json_object_set_new(root, "posterior",
                        inspection->is_normal ? settings_to_json(p, &inspection->facts)
                                              : family_to_json(p));
    if (p->laplace.n_images > 0)
        json_object_set_new(root, "laplace", crd_laplace_to_json(&p->laplace));
    json_object_set_new(root, "preprocessing", preprocessing_to_json(&p->preprocessing));
    if (inspection->n_epochs > 0)
        json_object_set_new(root, "history",
                            history_to_json(inspection->history, inspection->n_epochs));
    json_object_set_new(root, "ops", graph_to_json(inspection));
    if (inspection->is_normal)
        json_object_set_new(root, "tensors", tensors_to_json(inspection));
}
