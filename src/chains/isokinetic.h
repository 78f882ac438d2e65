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

/** Shares of a step: the first and last turn, and each of the two drifts; the turn between has the
 * rest of 1. */
#define CRD_ISOKINETIC_TURN 0.1931833275037836
#define CRD_ISOKINETIC_DRIFT 0.5

/** u[n] turns for a time under the gradient g of U / T, inverse_t being 1 / T; a u of zeros, which
 * has no direction yet, turns to -g. Returns the change of the kinetic energy. */
double crd_isokinetic_turn(float *u, const float *g, int64_t n, double time, double inverse_t);
/** The position moves along u. */
void crd_isokinetic_drift(float *position, const float *u, int64_t n, double time);
/** Makes u's length 1; a u of zeros stays. */
void crd_isokinetic_normalize(float *u, int64_t n);

#endif
