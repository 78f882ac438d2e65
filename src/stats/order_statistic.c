/* Order statistics by radix selection: the bits of numbers from 0 on have the order of the
 * numbers. A histogram of the highest 16 bits tells in which of them the place lies; only numbers
 * with these are kept, and so on with the next bits. */
#include "stats/order_statistic.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/compare.h"

enum { DIGIT_BITS = 16, N_DIGITS = 1 << DIGIT_BITS, HIGHEST_SHIFT = 64 - DIGIT_BITS, FEW = 1024 };

static unsigned digit_of(double value, int shift)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (unsigned)(bits >> shift) & (N_DIGITS - 1);
}

static void count_digits(int64_t *counts, const double *values, int64_t n, int shift)
{
    memset(counts, 0, N_DIGITS * sizeof *counts);
    for (int64_t i = 0; i < n; i++)
        counts[digit_of(values[i], shift)]++;
}

/** The digit of what stands at *place, which becomes its place among those with that digit. */
static unsigned find_digit(int64_t *place, const int64_t *counts)
{
    unsigned digit = 0;
    for (; *place >= counts[digit]; digit++)
        *place -= counts[digit];
    return digit;
}

/** Into `kept`, which may be `values`. Returns their number. */
static int64_t keep_digit(double *kept, const double *values, int64_t n, int shift, unsigned digit)
{
    int64_t n_kept = 0;
    for (int64_t i = 0; i < n; i++) {
        double value = values[i];
        kept[n_kept] = value; /* without a branch */
        n_kept += digit_of(value, shift) == digit;
    }
    return n_kept;
}

/** `highest`: the counts of the highest digits of values[n]. */
static double select_place(double *room, int64_t *counts, const int64_t *highest,
                           const double *values, int64_t n, int64_t place)
{
    int shift = HIGHEST_SHIFT;
    n = keep_digit(room, values, n, shift, find_digit(&place, highest));
    while (n > FEW && shift > 0) {
        shift -= DIGIT_BITS;
        count_digits(counts, room, n, shift);
        n = keep_digit(room, room, n, shift, find_digit(&place, counts));
    }
    if (n <= FEW) /* else they are all equal */
        qsort(room, (size_t)n, sizeof *room, crd_compare_double);
    return room[place];
}

crd_status crd_order_statistics(double *out, const double *values, int64_t n, const int64_t *places,
                                int n_places)
{
    crd_status status = CRD_OK;
    double *room = NULL;
    int64_t *counts = NULL, *highest = NULL;
    CRD_ALLOC(&room, n, "order statistics");
    CRD_ALLOC(&counts, N_DIGITS, "order statistics");
    CRD_ALLOC(&highest, N_DIGITS, "order statistics");
    count_digits(highest, values, n, HIGHEST_SHIFT);
    for (int k = 0; k < n_places; k++)
        out[k] = select_place(room, counts, highest, values, n, places[k]);
cleanup:
    crd_free(highest);
    crd_free(counts);
    crd_free(room);
    return status;
}
