/* Exact sums: digits of a large fixed-point number, read back in double-double arithmetic
 * (Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18
 * (1971)). */
#include "stats/exact_sum.h"

#include <math.h>

__extension__ typedef unsigned __int128 wide;

/* Weight of the lowest bit, and of a number that is too large. */
enum { LOWEST = -250, HIGHEST = 260, DIGIT_BITS = 32, MANTISSA_BITS = 53 };

void crd_exact_add(int64_t sum[CRD_EXACT_SIZE], double x)
{
    int exponent;
    double fraction = frexp(fmin(fabs(x), ldexp(1, HIGHEST)), &exponent);
    uint64_t mantissa = (uint64_t)ldexp(fraction, MANTISSA_BITS);
    int place = exponent - MANTISSA_BITS - LOWEST; /* of the mantissa's lowest bit */
    if (place < 0) {
        mantissa = place > -MANTISSA_BITS ? mantissa >> -place : 0;
        place = 0;
    }
    wide bits = (wide)mantissa << place % DIGIT_BITS;
    for (int64_t *digit = sum + place / DIGIT_BITS; bits != 0; digit++, bits >>= DIGIT_BITS)
        *digit += x < 0 ? -(int64_t)(uint32_t)bits : (int64_t)(uint32_t)bits;
}

/* high + low, the second at most half a unit of the first one's last place. */
typedef struct pair {
    double high, low;
} pair;

static pair add(double a, double b)
{
    double sum = a + b, part = sum - a;
    return (pair){sum, (a - (sum - part)) + (b - part)};
}

static pair add_pair(pair a, pair b)
{
    pair high = add(a.high, b.high), low = add(a.low, b.low);
    high = add(high.high, high.low + low.high);
    return add(high.high, high.low + low.low);
}

static pair multiply(pair a, pair b)
{
    double product = a.high * b.high;
    double rest = fma(a.high, b.high, -product) + (a.high * b.low + a.low * b.high);
    return add(product, rest);
}

static pair read(const int64_t sum[CRD_EXACT_SIZE])
{
    pair total = {0, 0};
    for (int l = CRD_EXACT_SIZE - 1; l >= 0; l--) {
        double low = (double)(uint32_t)sum[l];
        double high = (double)((sum[l] - (int64_t)(uint32_t)sum[l]) / (INT64_C(1) << DIGIT_BITS));
        int weight = LOWEST + l * DIGIT_BITS;
        total = add_pair(total, (pair){ldexp(high, weight + DIGIT_BITS), 0});
        total = add_pair(total, (pair){ldexp(low, weight), 0});
    }
    return total;
}

double crd_exact_get(const int64_t sum[CRD_EXACT_SIZE])
{
    return read(sum).high;
}

crd_moments crd_exact_moments(int64_t n, const int64_t sum[CRD_EXACT_SIZE],
                              const int64_t squares[CRD_EXACT_SIZE])
{
    pair total = read(sum), count = {(double)n, 0};
    pair square = multiply(total, total), scatter = multiply(count, read(squares));
    scatter = add_pair(scatter, (pair){-square.high, -square.low});
    crd_moments m = {total.high / (double)n, NAN};
    if (n > 1)
        m.variance = fmax(scatter.high, 0) / (double)n / (double)(n - 1);
    return m;
}
