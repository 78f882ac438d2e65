/* What goes between ranks in a run of chains: the state to begin with, the draws, the state to be
 * kept. A chain's numbers reach rank 0 as a sum over ranks of their bits, of which one has any. */
#include <string.h>

#include "base/alloc.h"
#include "base/integers.h"
#include "credence/rng.h"
#include "engine/sample_run.h"

int crd_sample_has(const crd_sample_run *r, int64_t chain)
{
    return chain % r->n_colors == crd_comm_rank(r->comm) % r->n_colors;
}

int crd_sample_speaks(const crd_sample_run *r, int64_t chain)
{
    return chain % r->n_colors == crd_comm_rank(r->comm);
}

crd_chain crd_sample_chain(const crd_sample_run *r, int64_t chain)
{
    const crd_sample_state *s = r->state;
    crd_chain out = {.number = chain,
                     .n = s->n,
                     .spans = r->spans,
                     .n_spans = r->n_spans,
                     .position = s->vectors[chain],
                     .numbers = s->numbers + chain * s->n_numbers,
                     .noise = r->noise,
                     .options = &r->options->chain};
    for (int64_t k = 1; k < s->n_vectors; k++)
        out.vectors[k - 1] = s->vectors[chain] + k * s->n;
    return out;
}

/* A state on a rank that has none: of its own chains. */
static crd_status make_room(crd_sample_run *r, int64_t n)
{
    crd_status status = CRD_OK;
    crd_sample_state *s = r->state;
    *s = (crd_sample_state){.n_chains = r->options->n_chains,
                            .n_draws = r->options->chain.n_draws,
                            .n = n,
                            .n_vectors = 1 + r->sampler->n_vectors,
                            .n_numbers = CRD_CHAIN_NUMBERS};
    CRD_ALLOC(&s->vectors, s->n_chains, "chains");
    for (int64_t c = 0; c < s->n_chains; c++)
        if (crd_sample_has(r, c))
            CRD_ALLOC(&s->vectors[c], s->n_vectors * s->n, "a chain");
    CRD_ALLOC(&s->numbers, s->n_chains * s->n_numbers, "chains");
cleanup:
    return status;
}

/* The posterior's draw of the chain's number, or what it starts from. */
static void place_chain(crd_sample_run *r, int64_t c)
{
    const crd_params *params = &r->posterior->network->params;
    float *position = r->state->vectors[c];
    crd_sample_gather(position, r->start->values + c % r->start->n_blocks * params->n_floats,
                      r->posterior);
    for (int64_t k = 0; r->start->spread && k < r->n_spans; k++) {
        const crd_chain_span *span = &r->spans[k];
        const float *rho = r->posterior->rho + params->entries[span->param].offset;
        const crd_stream stream = {.seed = r->options->chain.seed,
                                   .draw = (uint32_t)c,
                                   .tensor = (uint32_t)span->param,
                                   .purpose = CRD_PURPOSE_WEIGHT};
        crd_normal_fill(r->noise, span->count, 0, &stream);
        for (int64_t i = 0; i < span->count; i++)
            position[span->at + i] =
                (float)((double)position[span->at + i] +
                        crd_sigma_of_rho((double)rho[i]) * (double)r->noise[i]);
    }
}

crd_status crd_sample_share(crd_sample_run *r)
{
    crd_status status = CRD_OK;
    crd_sample_state *s = r->state;
    float *room = NULL;
    int is_first = crd_comm_rank(r->comm) == 0;
    int64_t n = 0;
    for (int64_t k = 0; k < r->n_spans; k++)
        n += r->spans[k].count;
    if (!is_first)
        status = make_room(r, n);
    if (status == CRD_OK)
        status = crd_alloc_zeroed((void **)&room, n * (1 + r->sampler->n_vectors), sizeof *room,
                                  "a chain");
    CRD_TRY(crd_comm_agree(r->comm, status));
    crd_comm_broadcast(r->comm, &s->n_gradients, sizeof s->n_gradients);
    for (int64_t c = 0; c < s->n_chains; c++) {
        float *vectors = s->vectors[c] != NULL ? s->vectors[c] : room;
        if (s->n_gradients > 0)
            crd_comm_broadcast(r->comm, vectors, s->n_vectors * s->n * (int64_t)sizeof *vectors);
        else if (s->vectors[c] != NULL)
            place_chain(r, c);
    }
    crd_comm_broadcast(r->comm, s->numbers,
                       s->n_chains * s->n_numbers * (int64_t)sizeof *s->numbers);
cleanup:
    crd_free(room);
    return status;
}

/* n floats, then k doubles, of a rank that speaks for the chain, into those of rank 0. */
static void send(crd_sample_run *r, int64_t chain, float *floats, int64_t n, double *doubles,
                 int64_t k)
{
    int64_t n_words = crd_divide_up(n, 2);
    if (crd_comm_size(r->comm) == 1)
        return;
    memset(r->parcel, 0, (size_t)(n_words + k) * sizeof *r->parcel);
    if (crd_sample_speaks(r, chain)) {
        memcpy(r->parcel, floats, (size_t)n * sizeof *floats);
        memcpy(r->parcel + n_words, doubles, (size_t)k * sizeof *doubles);
    }
    crd_comm_reduce_sum(r->comm, r->parcel, n_words + k);
    if (crd_comm_rank(r->comm) != 0)
        return;
    memcpy(floats, r->parcel, (size_t)n * sizeof *floats);
    memcpy(doubles, r->parcel + n_words, (size_t)k * sizeof *doubles);
}

/* Figures of the draw that the chain's numbers are of. */
static void figure(double out[CRD_DRAW_FIGURES], const crd_sample_run *r, const double *x)
{
    out[CRD_DRAW_LP] = -x[CRD_CHAIN_POTENTIAL];
    out[CRD_DRAW_ENERGY] = r->sampler->end != NULL
                               ? x[CRD_CHAIN_ENERGY]
                               : x[CRD_CHAIN_POTENTIAL] / r->options->chain.temperature;
    out[CRD_DRAW_ACCEPTANCE] = x[CRD_CHAIN_ACCEPTED] / x[CRD_CHAIN_STEPS];
    out[CRD_DRAW_STEP_SIZE] = x[CRD_CHAIN_STEP_SIZE];
    out[CRD_DRAW_DIVERGING] = x[CRD_CHAIN_UNDONE];
    out[CRD_DRAW_N_GRADIENTS] =
        x[CRD_CHAIN_STEPS] * (double)crd_chain_n_gradients(&r->options->chain);
}

crd_status crd_sample_deliver(crd_sample_run *r, int64_t draw)
{
    crd_status status = CRD_OK;
    crd_sample_state *s = r->state;
    int is_first = crd_comm_rank(r->comm) == 0;
    float *own = r->drawn; /* the chains of this rank, in their order; rank 0's room at the end */
    for (int64_t c = 0; c < s->n_chains; c++) {
        double figures[CRD_DRAW_FIGURES] = {0};
        int has = crd_sample_has(r, c);
        float *weights = has ? own : r->noise;
        if (has) {
            figure(figures, r, s->numbers + c * s->n_numbers);
            own += s->n;
        }
        send(r, c, weights, s->n, figures, CRD_DRAW_FIGURES);
        if (!is_first)
            continue;
        memcpy(s->figures + (c * s->n_draws + draw) * CRD_DRAW_FIGURES, figures, sizeof figures);
        if (status == CRD_OK)
            status = r->hooks->draw(c, draw, weights, r->hooks->payload);
    }
    for (int64_t c = 0; c < s->n_chains; c++) {
        double *x = s->numbers + c * s->n_numbers;
        x[CRD_CHAIN_STEPS] = x[CRD_CHAIN_ACCEPTED] = x[CRD_CHAIN_UNDONE] = 0;
    }
    return crd_comm_agree(r->comm, status);
}

void crd_sample_collect(crd_sample_run *r)
{
    crd_sample_state *s = r->state;
    for (int64_t c = 0; c < s->n_chains; c++)
        send(r, c, s->vectors[c], s->n_vectors * s->n, s->numbers + c * s->n_numbers, s->n_numbers);
}
