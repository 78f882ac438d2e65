/* A set of units as bits, with counts by word, so that the k-th one that is left is found by
 * bisection. */
#include "engine/unit_set.h"

#include <string.h>

#include "base/alloc.h"

enum { WORD_BITS = 64 };

static int count_bits(uint64_t word)
{
    int n = 0;
    for (; word != 0; word &= word - 1)
        n++;
    return n;
}

/* Bits of word w that are units and not done. */
static uint64_t left_in(const crd_unit_set *set, int64_t w)
{
    int64_t n = set->n - w * WORD_BITS;
    uint64_t units = n >= WORD_BITS ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
    return units & ~set->done[w];
}

void crd_unit_set_recount(crd_unit_set *set)
{
    set->before[0] = 0;
    for (int64_t w = 0; w < set->n_words; w++)
        set->before[w + 1] = set->before[w] + count_bits(left_in(set, w));
}

int64_t crd_unit_set_words(int64_t n)
{
    return (n + WORD_BITS - 1) / WORD_BITS;
}

crd_status crd_unit_set_init(crd_unit_set *set, int64_t capacity)
{
    crd_status status = CRD_OK;
    *set = (crd_unit_set){.capacity = capacity};
    CRD_ALLOC(&set->done, crd_unit_set_words(capacity), "units done");
    CRD_ALLOC(&set->before, crd_unit_set_words(capacity) + 1, "units done");
cleanup:
    return status;
}

void crd_unit_set_clear(crd_unit_set *set)
{
    crd_free(set->done);
    crd_free(set->before);
    *set = (crd_unit_set){0};
}

void crd_unit_set_begin(crd_unit_set *set, int64_t n)
{
    set->n = n;
    set->n_words = crd_unit_set_words(n);
    memset(set->done, 0, (size_t)set->n_words * sizeof *set->done);
    crd_unit_set_recount(set);
}

int64_t crd_unit_set_add(crd_unit_set *set, const uint64_t *bits)
{
    int64_t n_wrong = 0;
    for (int64_t w = 0; w < set->n_words; w++) {
        n_wrong += count_bits(bits[w] & ~left_in(set, w));
        set->done[w] |= bits[w];
    }
    crd_unit_set_recount(set);
    return n_wrong;
}

int64_t crd_unit_set_left(const crd_unit_set *set)
{
    return set->before[set->n_words];
}

int64_t crd_unit_set_nth(const crd_unit_set *set, int64_t k)
{
    int64_t low = 0, high = set->n_words; /* the word is in [low, high) */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (set->before[middle] <= k)
            low = middle;
        else
            high = middle;
    }
    uint64_t word = left_in(set, low);
    for (int64_t skip = k - set->before[low]; skip > 0; skip--)
        word &= word - 1;
    int bit = 0;
    while ((word >> bit & 1) == 0)
        bit++;
    return low * WORD_BITS + bit;
}

int64_t crd_unit_set_count(const uint64_t *words, int64_t n)
{
    int64_t count = 0;
    for (int64_t w = 0; w < n; w++)
        count += count_bits(words[w]);
    return count;
}
