/* A Laplace approximation from files to a file: rank 0 opens network and images, all ranks add up
 * the Hessian (engine/curvature_ranks.c), rank 0 makes the posterior of it
 * (bayes/laplace_layer.h). */
#include "credence/laplace_files.h"

#include "app/context.h"
#include "app/image_set.h"
#include "app/output_claim.h"
#include "app/settings.h"
#include "base/alloc.h"
#include "bayes/laplace_layer.h"
#include "engine/curvature_ranks.h"
#include "graph/graph.h"

/** A run. What is not marked lives on rank 0 only. */
typedef struct run {
    const crd_laplace_files_options *given; /* all ranks */
    const crd_laplace_files_hooks *hooks;   /* all ranks */
    crd_comm *comm;                         /* all ranks */
    crd_context context;                    /* all ranks */
    crd_head head;                          /* all ranks */
    crd_network *front;                     /* all ranks: what comes before the last layer */
    crd_curvature *curvature;               /* all ranks */
    crd_image_set images;
    int64_t *labels;
    crd_laplace laplace;
    crd_spectrum spectrum;
    crd_output_lock *lock;
} run;

void crd_laplace_files_options_init(crd_laplace_files_options *out)
{
    *out = (crd_laplace_files_options){.hessian = CRD_HESSIAN_KRON};
}

static crd_status load(float *images, int64_t *labels, float *values, int64_t epoch, int64_t first,
                       int64_t n, void *payload)
{
    run *r = payload;
    (void)values, (void)epoch;
    for (int64_t i = 0; i < n; i++) {
        crd_status status =
            crd_image_set_load(images + i * r->images.floats, &r->images, first + i, NULL, 0, 0);
        if (status != CRD_OK)
            return status;
        labels[i] = r->labels[first + i];
    }
    return CRD_OK;
}

static void show_progress(int64_t n_done, int64_t n_images, double data_term, void *payload)
{
    run *r = payload;
    (void)data_term;
    if (r->hooks->progress != NULL)
        r->hooks->progress(n_done, n_images, r->hooks->payload);
}

static crd_status check_posterior(const crd_posterior *posterior, const char *file)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_posterior_check_normal(posterior, file, "take"));
    CRD_REQUIRE(posterior->laplace.n_images == 0, CRD_ERR_INPUT,
                "%s: is a Laplace approximation already; take the network that it was made of",
                file);
    CRD_REQUIRE(posterior->outputs == CRD_OUTPUT_LOGITS, CRD_ERR_INPUT,
                "%s: its outputs are %s; needed are logits of classes", file,
                crd_output_kind_names()[posterior->outputs]);
    CRD_REQUIRE(!crd_network_is_stochastic(posterior->network), CRD_ERR_INPUT,
                "%s: has dropout in prediction, so it is not one network", file);
cleanup:
    return status;
}

static crd_status open_files(run *r)
{
    crd_status status = CRD_OK;
    const crd_laplace_files_options *given = r->given;
    crd_context *c = &r->context;
    crd_head head;
    CRD_TRY(
        crd_output_claim(&r->lock, given->output,
                         &(crd_output_inputs){given->posterior, given->data, given->n_data, NULL}));
    CRD_TRY(crd_file_check_place(given->output));
    CRD_TRY(
        crd_context_open(c, given->posterior, given->data, given->n_data, 0, "reparameterization"));
    CRD_TRY(check_posterior(c->posterior, given->posterior));
    CRD_TRY(crd_posterior_file_load(c->file));
    CRD_TRY(crd_head_find(&head, c->posterior->network, c->posterior->mu, given->posterior));
    CRD_TRY(crd_curvature_check(given->hessian, &head, given->posterior));
    crd_dataset_log_fit(c->images.dataset, &c->posterior->preprocessing);
    CRD_TRY(crd_image_set_init(&r->images, c->images.dataset, &c->posterior->preprocessing));
    CRD_TRY(crd_image_set_match(&r->labels, &r->images, c->posterior));
cleanup:
    return status;
}

/** On every rank, from the model that all share. */
static crd_status make_sums(run *r)
{
    crd_status status = CRD_OK;
    const crd_model *model = crd_context_model(&r->context);
    CRD_TRY(crd_head_find(&r->head, model->network, model->mu, "model"));
    CRD_TRY(crd_network_copy_front(&r->front, model->network, model->network->n_ops - 1));
    CRD_TRY(crd_curvature_create(&r->curvature, r->given->hessian, &r->head, r->context.n_images,
                                 CRD_CURVATURE_BATCH));
cleanup:
    return status;
}

static crd_status find_precision(run *r)
{
    crd_status status = CRD_OK;
    crd_ggn ggn = {0};
    double precision = r->given->prior_precision;
    CRD_TRY(crd_curvature_read(&ggn, r->curvature));
    r->laplace = (crd_laplace){.n_images = r->context.n_images,
                               .hessian = ggn.hessian,
                               .is_optimized = precision == 0,
                               .log_likelihood = ggn.log_likelihood};
    CRD_TRY(crd_spectrum_make(&r->spectrum, &ggn, &r->head));
    if (r->laplace.is_optimized)
        CRD_TRY(crd_laplace_optimize(&precision, &r->spectrum));
    crd_laplace_evaluate(&r->laplace, &r->spectrum, precision);
cleanup:
    crd_ggn_clear(&ggn);
    return status;
}

static crd_status write(run *r, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_laplace_files_options *given = r->given;
    crd_provenance_store *store = NULL;
    crd_provenance provenance;
    const crd_run_inputs inputs = crd_context_inputs(&r->context, given->data, given->n_data);
    crd_settings settings = {0};
    crd_settings_add(&settings, "hessian", "%s", crd_hessian_names()[given->hessian]);
    crd_settings_add(&settings, "prior-precision", "%.17g", r->laplace.prior_precision);
    const crd_record record = crd_settings_record(&settings, &given->record);
    CRD_TRY(crd_provenance_make(&provenance, &store, &record, 0, &inputs));
    CRD_TRY(crd_posterior_write(given->output, posterior, &provenance));
cleanup:
    crd_provenance_store_destroy(store);
    return status;
}

/** Rank 0, once it has the sums. */
static crd_status conclude(crd_posterior **out, run *r)
{
    crd_status status = CRD_OK;
    CRD_TRY(find_precision(r));
    CRD_TRY(crd_laplace_posterior(out, r->context.posterior, &r->spectrum, &r->laplace));
    CRD_TRY(write(r, *out));
cleanup:
    return status;
}

static crd_status run_files(crd_posterior **out, run *r)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(r->comm) == 0;
    const crd_train_hooks hooks = {.load = load, .progress = show_progress, .payload = r};
    CRD_REQUIRE(r->given->posterior != NULL && r->given->n_data > 0 && r->given->output != NULL,
                CRD_ERR_USAGE, "a posterior, data and an output are needed");
    crd_predict_options shared;
    crd_predict_options_init(&shared);
    shared.sampler.mean = 1;
    CRD_TRY(
        crd_context_share(&r->context, r->comm, is_first ? open_files(r) : CRD_OK, NULL, &shared));
    CRD_TRY(crd_comm_agree(r->comm, make_sums(r)));
    crd_model features = *crd_context_model(&r->context);
    features.network = r->front;
    CRD_TRY(crd_curvature_gather(r->curvature, r->comm, &features, r->context.n_images, &hooks));
    CRD_TRY(crd_comm_agree(r->comm, is_first ? conclude(out, r) : CRD_OK));
cleanup:
    return status;
}

crd_status crd_laplace_files(crd_posterior **out, crd_comm *comm,
                             const crd_laplace_files_options *options,
                             const crd_laplace_files_hooks *hooks)
{
    const crd_laplace_files_hooks none = {0};
    run r = {.given = options, .hooks = hooks != NULL ? hooks : &none, .comm = comm};
    *out = NULL;
    crd_status status = run_files(out, &r);
    if (status != CRD_OK) {
        crd_posterior_destroy(*out);
        *out = NULL;
    }
    crd_spectrum_clear(&r.spectrum);
    crd_curvature_destroy(r.curvature);
    crd_network_destroy(r.front);
    crd_image_set_clear(&r.images);
    crd_free(r.labels);
    crd_context_close(&r.context);
    crd_output_lock_release(r.lock);
    return status;
}
