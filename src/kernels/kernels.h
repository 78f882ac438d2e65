/** The table of hot loops. One plain reference of every entry (*_ref.c), one file per instruction
 * set beside it, filled once at start by what the CPU has;
 * CREDENCE_KERNELS=ref|avx2|avx512|avx512_bf16|neon forces one by name. Pointers may be unaligned;
 * inputs and outputs do not overlap unless they are equal. Nothing allocates.
 */
#ifndef CRD_KERNELS_KERNELS_H
#define CRD_KERNELS_KERNELS_H

#include <stdint.h>

#include "credence/rng.h"
#include "credence/status.h"
#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "kernels/param.h"

typedef struct crd_kernels {
    const char *name; /**< "ref", "avx2", "avx512", "avx512_bf16", "neon" */

    /** out[i] = eps_{first+i}: see crd_normal_fill. */
    void (*normal_fill)(float *out, int64_t n, int64_t first, const crd_stream *stream);
    /** w[i] = fma(sigma[i], eps_{first+i}, mu[i]); mu NULL stands for zeros (flipout's
     * perturbation: the product). first is a multiple of CRD_STREAM_BLOCK. */
    void (*draw)(float *w, const float *mu, const float *sigma, int64_t n, int64_t first,
                 const crd_stream *stream);
    /** out[i] = +1 or -1 by the top bit of word (i / 16) % 4, lane i % 16, of superblock i / 64. */
    void (*sign_fill)(float *out, int64_t n, const crd_stream *stream);
    const crd_conv_kernels *conv;
    const crd_bf16_kernels *bf16;
    const crd_param_kernels *param;
    const crd_elementwise_kernels *elementwise;
} crd_kernels;

/** The table in use. Chosen at the first call. Never NULL. Thread safe. */
const crd_kernels *crd_kernels_get(void);

/** All tables this CPU can run, the reference first: for tests that compare them. Returns their
 * number. */
int crd_kernels_all(const crd_kernels **tables, int capacity);

/** CRD_ERR_USAGE if CREDENCE_KERNELS names something unknown or not runnable here; the program
 * calls it once at start. */
crd_status crd_kernels_check(void);

/** C (m x n) = A (m x k) * B (k x n) + beta * C; row-major with leading dimensions lda, ldb, ldc.
 * OpenBLAS, one thread. beta 0 overwrites. The last bits depend on (m, n, k) and the CPU type only.
 */
void crd_gemm(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t ldb,
              int64_t m, int64_t n, int64_t k, float beta);

/** The same with A, B or both given transposed, (k x m) and (n x k): flags of crd_transpose,
 * added. */
typedef enum crd_transpose { CRD_TRANSPOSE_A = 1, CRD_TRANSPOSE_B = 2 } crd_transpose;
void crd_gemm_transposed(float *c, int64_t ldc, const float *a, int64_t lda, const float *b,
                         int64_t ldb, int64_t m, int64_t n, int64_t k, float beta,
                         unsigned transposed);

/** C (m x n) = A (m x k) * B (k x n) in double, row-major without gaps; a given transposed is (k x
 * m), b (n x k). Sizes below 2^31. The last bits as above. */
void crd_gemm_double(double *c, const double *a, const double *b, int64_t m, int64_t n, int64_t k,
                     unsigned transposed);

/** Most rows of a matrix whose eigenvectors are asked for. */
enum { CRD_EIGEN_MAX = 30000 };

/** Eigenvalues, ascending, and eigenvectors of a symmetric matrix a[n][n], of which the lower
 * triangle is read: row i of `a` is the unit vector of values[i] then. OpenBLAS's LAPACK (dsyevd:
 * divide and conquer). Memory: 2 n^2 doubles more. Cost: about 9 n^3 operations. Errors:
 * CRD_ERR_NUMERIC: a number is not finite, or no convergence. */
crd_status crd_eigen_symmetric(double *values, double *a, int64_t n);

/** One BLAS thread in this process, and its buffer; called once at start by the program. Errors:
 * CRD_ERR_INTERNAL: no room for the buffer. */
crd_status crd_gemm_init(void);

/** Name of the OpenBLAS core in use, for provenance ("Haswell", "Cooperlake"). Static text. */
const char *crd_gemm_core(void);

/** From here on this thread takes numbers below 2^-126 for 0, operands and results: a core takes
 * some hundred cycles for each of them, of which a drawn network may have many. Returns what
 * _restore needs to undo it. Does nothing on a CPU other than x86-64 and AArch64. */
uint64_t crd_subnormals_flush(void);
void crd_subnormals_restore(uint64_t before);

/** Multiply-adds per second times two that one core reaches with independent ones in registers,
 * by the widest instruction set here, in fp32 or with the factors in bf16; measured over about
 * `seconds`. For the bench. */
double crd_peak_flops(int in_bf16, double seconds);

#endif
