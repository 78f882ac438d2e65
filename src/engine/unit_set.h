/** Which units of a round are done: a bit each, and the k-th one that is not, so that what is
 * left can be dealt anew. */
#ifndef CRD_ENGINE_UNIT_SET_H
#define CRD_ENGINE_UNIT_SET_H

#include <stdint.h>

#include "credence/status.h"

typedef struct crd_unit_set {
    int64_t capacity, n; /**< most units, units of this round */
    int64_t n_words;
    uint64_t *done;  /**< [n_words] unit i is bit i % 64 of word i / 64 */
    int64_t *before; /**< [n_words + 1] units left in the words before */
} crd_unit_set;

/** Makes room for rounds of up to `capacity` units. Clear it in any case. */
crd_status crd_unit_set_init(crd_unit_set *set, int64_t capacity);
void crd_unit_set_clear(crd_unit_set *set);
/** A round of n units begins: none is done. */
void crd_unit_set_begin(crd_unit_set *set, int64_t n);
/** Counts anew, after bits of `done` have been set. */
void crd_unit_set_recount(crd_unit_set *set);
/** Words for n units. */
int64_t crd_unit_set_words(int64_t n);
/** The units of `bits` [n_words] are done too. Returns how many of them were done before, or are
 * no units. */
int64_t crd_unit_set_add(crd_unit_set *set, const uint64_t *bits);
/** Number of units that are not done. */
int64_t crd_unit_set_left(const crd_unit_set *set);
/** The k-th of them, 0 <= k < crd_unit_set_left. Cost: logarithmic. */
int64_t crd_unit_set_nth(const crd_unit_set *set, int64_t k);
/** Number of bits that are set in words[n]. */
int64_t crd_unit_set_count(const uint64_t *words, int64_t n);

#endif
