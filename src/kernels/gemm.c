/* Matrix products by OpenBLAS, with one thread: the only file that includes cblas.h. Sizes beyond
 * the BLAS's int are cut. */
#include <cblas.h>
#include <limits.h>

#include "base/alloc.h"
#include "kernels/kernels.h"

/* The BLAS counts in int. Longer products are cut; where a leading dimension does not fit, the
 * matrix is taken row by row, so that it is never used. */
#define MAX_LENGTH (INT_MAX / 2)

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t rows_at_once(int64_t leading)
{
    return leading > INT_MAX ? 1 : MAX_LENGTH;
}

void crd_gemm_transposed(float *c, int64_t ldc, const float *a, int64_t lda, const float *b,
                         int64_t ldb, int64_t m, int64_t n, int64_t k, float beta,
                         unsigned transposed)
{
    int a_flipped = (transposed & CRD_TRANSPOSE_A) != 0;
    int b_flipped = (transposed & CRD_TRANSPOSE_B) != 0;
    int64_t a_rows = rows_at_once(lda), b_rows = rows_at_once(ldb);
    int64_t m_step = min64(a_flipped ? MAX_LENGTH : a_rows, rows_at_once(ldc));
    int64_t n_step = b_flipped ? b_rows : MAX_LENGTH;
    int64_t k_step = min64(a_flipped ? a_rows : MAX_LENGTH, b_flipped ? MAX_LENGTH : b_rows);
    int a_leading = (int)min64(lda, INT_MAX), b_leading = (int)min64(ldb, INT_MAX);
    int c_leading = (int)min64(ldc, INT_MAX);
    for (int64_t i = 0; i < m; i += m_step) {
        for (int64_t j = 0; j < n; j += n_step) {
            /* At least once, for a product of no terms still scales C. */
            for (int64_t l = 0; l == 0 || l < k; l += k_step)
                cblas_sgemm(CblasRowMajor, a_flipped ? CblasTrans : CblasNoTrans,
                            b_flipped ? CblasTrans : CblasNoTrans, (int)min64(m - i, m_step),
                            (int)min64(n - j, n_step), (int)min64(k - l, k_step), 1.0f,
                            a_flipped ? a + l * lda + i : a + i * lda + l, a_leading,
                            b_flipped ? b + j * ldb + l : b + l * ldb + j, b_leading,
                            l == 0 ? beta : 1.0f, c + i * ldc + j, c_leading);
        }
    }
}

void crd_gemm(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t ldb,
              int64_t m, int64_t n, int64_t k, float beta)
{
    crd_gemm_transposed(c, ldc, a, lda, b, ldb, m, n, k, beta, 0);
}

void crd_gemm_double(double *c, const double *a, const double *b, int64_t m, int64_t n, int64_t k,
                     unsigned transposed)
{
    int a_flipped = (transposed & CRD_TRANSPOSE_A) != 0;
    int b_flipped = (transposed & CRD_TRANSPOSE_B) != 0;
    cblas_dgemm(CblasRowMajor, a_flipped ? CblasTrans : CblasNoTrans,
                b_flipped ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, a,
                (int)(a_flipped ? m : k), b, (int)(b_flipped ? k : n), 0, c, (int)n);
}

crd_status crd_gemm_init(void)
{
    /* The first product that is not small maps a buffer, which stays. OpenBLAS tries for ever
     * if it cannot. */
    enum { BUFFER_BYTES = 128 << 20, SIDE = 128 };
    crd_status status = CRD_OK;
    float *matrix = NULL;
    openblas_set_num_threads(1);
    CRD_TRY(crd_alloc_probe(BUFFER_BYTES, "matrix products"));
    CRD_ALLOC(&matrix, 2 * SIDE * SIDE, "matrix");
    crd_gemm(matrix + SIDE * SIDE, SIDE, matrix, SIDE, matrix, SIDE, SIDE, SIDE, SIDE, 0);
cleanup:
    crd_free(matrix);
    return status;
}

const char *crd_gemm_core(void)
{
    return openblas_get_corename();
}
