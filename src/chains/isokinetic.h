/** Microcanonical dynamics: a direction u of length 1 that the gradient turns, and a position that
 * moves along it. Integrated in McLachlan's five parts: turn, drift, turn, drift, turn. Private to
 * this room.
 *
 * Sources: Robnik, De Luca, Silverstein and Seljak, "Microcanonical Hamiltonian Monte Carlo", JMLR
 * 2023; the exact turn: Steeg and Galstyan, "Hamiltonian dynamics with non-Newtonian momentum",
 * NeurIPS 2021; the coefficients: McLachlan 1995, as blackjax has them.
 */
#ifndef CRD_CHAINS_ISOKINETIC_H
#define CRD_CHAINS_ISOKINETIC_H

#include "chains/chain.h"

/** Vectors and numbers of a chain that a step needs; a sampler's own come after them. */
enum {
    CRD_ISOKINETIC_DIRECTION,
    CRD_ISOKINETIC_START, /**< the position before the step, and the gradient there */
    CRD_ISOKINETIC_START_GRADIENT,
    CRD_ISOKINETIC_N_VECTORS
};
enum {
    CRD_ISOKINETIC_STEP = CRD_CHAIN_OWN, /**< size of the next step */
    CRD_ISOKINETIC_KINETIC,              /**< change of the kinetic energy in this step */
    CRD_ISOKINETIC_POTENTIAL,            /**< U before the step */
    CRD_ISOKINETIC_OWN                   /**< the first of a sampler's own numbers */
};

/** Gradients of a step: 2. */
int64_t crd_isokinetic_n_gradients(const crd_chain_options *options);
/** Before the first part: keeps what undo needs. */
void crd_isokinetic_begin(crd_chain *chain, const crd_chain_gradient *gradient);
/** A turn and a drift, with the gradient of `phase`; none: the step diverges. */
void crd_isokinetic_move(crd_chain *chain, int64_t phase, const crd_chain_gradient *gradient);
/** The last turn. Returns the change of the energy, infinite of a step that diverged. */
double crd_isokinetic_end(crd_chain *chain, const crd_chain_gradient *gradient);
/** Back to where the step began; the direction is the caller's. */
void crd_isokinetic_undo(crd_chain *chain, crd_chain_gradient *gradient);
/** Makes u's length 1; a u of zeros stays. */
void crd_isokinetic_normalize(float *u, int64_t n);

#endif
