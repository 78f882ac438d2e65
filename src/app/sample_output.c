/* From the draws of chains to a posterior of members: every draw a network with the weights that
 * were sampled and, for the others, those that its chain had. */
#include "app/sample_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "credence/rng.h"

enum { N_SHOWN = 64, NAME_SIZE = 320 }; /* weights of which ArviZ sees the draws */

/** Network, classes and preprocessing of the posterior; no weights yet. */
static crd_status create(crd_posterior **out, const crd_sample_output *o)
{
    crd_status status = crd_posterior_create_like(out, o->posterior, crd_family_find("members"),
                                                  o->state->n_chains * o->state->n_draws);
    if (status == CRD_OK)
        (*out)->n_chains = o->state->n_chains;
    return status;
}

/** What ArviZ gets to see. */
typedef struct shown {
    int64_t n, *places; /* [n] among the sampled weights, rising */
    float *weights;     /* [n_chains][n_draws][n] */
    char (*names)[NAME_SIZE];
    const char **labels;
} shown;

static void name_place(char out[NAME_SIZE], const crd_posterior *p, int64_t place)
{
    const crd_params *params = &p->network->params;
    int64_t index = 0;
    while (!p->bayesian[index] || place >= params->entries[index].count) {
        place -= p->bayesian[index] ? params->entries[index].count : 0;
        index++;
    }
    snprintf(out, NAME_SIZE, "%s[%" PRId64 "]", params->entries[index].name, place);
}

/** The first N_SHOWN places of a shuffled order of the weights, in their own order. */
static crd_status choose(shown *s, const crd_sample_output *o)
{
    crd_status status = CRD_OK;
    int64_t n = o->state->n;
    s->n = n < N_SHOWN ? n : N_SHOWN;
    CRD_ALLOC(&s->places, s->n, "weights for ArviZ");
    CRD_ALLOC(&s->weights, o->state->n_chains * o->state->n_draws * s->n, "weights for ArviZ");
    CRD_ALLOC(&s->names, s->n, "names of weights");
    CRD_ALLOC(&s->labels, s->n, "names of weights");
    for (int64_t k = 0; k < s->n; k++) {
        int64_t place = crd_shuffled(k, n, o->seed, 0), at = k;
        for (; at > 0 && s->places[at - 1] > place; at--)
            s->places[at] = s->places[at - 1];
        s->places[at] = place;
    }
    for (int64_t k = 0; k < s->n; k++) {
        name_place(s->names[k], o->posterior, s->places[k]);
        s->labels[k] = s->names[k];
    }
cleanup:
    return status;
}

/** The draws as the components of a posterior, read one after the other. */
typedef struct reading {
    const crd_sample_output *output;
    const crd_posterior *chains;
    float *weights; /* of a draw */
} reading;

static crd_status read_draws(const crd_component_numbers *to, int64_t first, int64_t n,
                             void *payload)
{
    crd_status status = CRD_OK;
    const reading *r = payload;
    const crd_sample_output *o = r->output;
    const int64_t n_floats = r->chains->network->params.n_floats;
    for (int64_t i = 0; i < n; i++) {
        int64_t chain = (first + i) % o->state->n_chains;
        memcpy(to[i].mu, o->start->values + chain % o->start->n_blocks * n_floats,
               (size_t)n_floats * sizeof *to[i].mu);
        CRD_TRY(crd_draws_read(r->weights, o->draws, first + i, o->state->n));
        crd_sample_scatter(to[i].mu, r->weights, o->posterior);
        CRD_TRY(crd_posterior_check_numbers(r->chains, first + i, &to[i]));
    }
cleanup:
    return status;
}

static crd_status take_shown(shown *s, const reading *r)
{
    crd_status status = CRD_OK;
    const crd_sample_state *state = r->output->state;
    for (int64_t c = 0; c < state->n_chains * state->n_draws; c++) {
        int64_t chain = c % state->n_chains, draw = c / state->n_chains;
        CRD_TRY(crd_draws_read(r->weights, r->output->draws, c, state->n));
        for (int64_t k = 0; k < s->n; k++)
            s->weights[(chain * state->n_draws + draw) * s->n + k] = r->weights[s->places[k]];
    }
cleanup:
    return status;
}

/** Of quantity k: the log posterior, or weight k - 1 of those that are shown. */
static void take_quantity(double *out, const crd_chain_report *r, int64_t k)
{
    for (int64_t i = 0; i < r->n_chains * r->n_draws; i++)
        out[i] = k == 0 ? r->figures[i * CRD_DRAW_FIGURES + CRD_DRAW_LP]
                        : (double)r->weights[i * r->n_weights + k - 1];
}

static crd_status diagnose(crd_chain_diagnostics *out, const crd_chain_report *r)
{
    crd_status status = CRD_OK;
    double *quantity = NULL;
    CRD_ALLOC(&quantity, r->n_chains * r->n_draws, "draws of a quantity");
    for (int64_t k = 0; k <= r->n_weights; k++) {
        take_quantity(quantity, r, k);
        CRD_TRY(crd_chain_diagnose(&out[k], quantity, r->n_chains, r->n_draws));
    }
cleanup:
    crd_free(quantity);
    return status;
}

int64_t crd_sample_output_bytes(int64_t n_chains, int64_t n_draws, int64_t n_weights,
                                const crd_params *params)
{
    int64_t n = 0;
    const crd_chain_report report = {.n_chains = n_chains,
                                     .n_draws = n_draws,
                                     .n_weights = n_weights < N_SHOWN ? n_weights : N_SHOWN};
    for (int64_t p = 0; p < params->n_params; p++)
        n += params->entries[p].count;
    return n_chains * n_draws * n * (int64_t)sizeof(float) + crd_chain_report_bytes(&report);
}

crd_status crd_sample_output_write(const crd_sample_output *o, const char *path)
{
    crd_status status = CRD_OK;
    crd_posterior *chains = NULL;
    crd_chain_diagnostics *diagnostics = NULL;
    shown s = {0};
    reading r = {.output = o};
    CRD_TRY(create(&chains, o));
    CRD_TRY(choose(&s, o));
    r.chains = chains;
    CRD_ALLOC(&r.weights, o->state->n, "a draw");
    CRD_TRY(take_shown(&s, &r));
    CRD_ALLOC(&diagnostics, 1 + s.n, "diagnostics");
    const crd_chain_report report = {.n_chains = o->state->n_chains,
                                     .n_draws = o->state->n_draws,
                                     .n_weights = s.n,
                                     .figures = o->state->figures,
                                     .weights = s.weights,
                                     .weight_names = s.labels,
                                     .diagnostics = diagnostics};
    CRD_TRY(diagnose(diagnostics, &report));
    const crd_numbers_source source = {.read = read_draws, .payload = &r};
    CRD_TRY(crd_posterior_write_chains(path, chains, &source, &report, o->provenance));
    if (o->hooks->end != NULL)
        CRD_TRY(o->hooks->end(chains, &report, o->hooks->payload));
cleanup:
    crd_free(r.weights);
    crd_free(diagnostics);
    crd_free(s.labels);
    crd_free(s.names);
    crd_free(s.weights);
    crd_free(s.places);
    crd_posterior_destroy(chains);
    return status;
}
