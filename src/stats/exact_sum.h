/** Sums of doubles that are exact in any order: fixed-point numbers of 512 bits, as integers that
 * add up element by element.
 *
 * A number is cut into digits of 32 bits, from 2^-250 to 2^261; element l of a sum gets the digit
 * of weight 2^(32 l - 250). An addition adds less than 2^32 to an element, so 2^31 of them stay
 * below 2^63. Room: stats.
 */
#ifndef CRD_STATS_EXACT_SUM_H
#define CRD_STATS_EXACT_SUM_H

#include <stdint.h>

/** int64 of a sum. All zero: nothing added. */
enum { CRD_EXACT_SIZE = 16 };

/** Adds x, finite. What is below 2^-250 is cut off; what is above 2^260 counts as that. */
void crd_exact_add(int64_t sum[CRD_EXACT_SIZE], double x);
/** The sum as a double: off by 2^-52 of it at most, and by 2^-100 of the largest digit. */
double crd_exact_get(const int64_t sum[CRD_EXACT_SIZE]);

typedef struct crd_moments {
    double mean, variance; /**< NaN without numbers; variance (n - 1) NaN below two */
} crd_moments;

/** Of n numbers of which sum and sum of squares are known. In twice the precision of a double:
 * numbers of 24 bits that differ in their last bit only have their true variance. */
crd_moments crd_exact_moments(int64_t n, const int64_t sum[CRD_EXACT_SIZE],
                              const int64_t squares[CRD_EXACT_SIZE]);

#endif
