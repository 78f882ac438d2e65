/* Eigenvectors of a symmetric matrix by the LAPACK in OpenBLAS, which Debian's library has under
 * Fortran's names only, without LAPACKE. Rows here are LAPACK's columns. */
#include <math.h>

#include "base/alloc.h"
#include "kernels/kernels.h"

/* The last two: lengths of the texts, as gfortran passes them. */
extern void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                    double *w, double *work, const int *lwork, int *iwork, const int *liwork,
                    int *info, size_t jobz_length, size_t uplo_length);

static crd_status check(const double *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++)
            if (!isfinite(a[i * n + j]))
                return CRD_FAIL(CRD_ERR_NUMERIC, "eigenvalues: element (%lld, %lld) is %g",
                                (long long)i, (long long)j, a[i * n + j]);
    return CRD_OK;
}

crd_status crd_eigen_symmetric(double *values, double *a, int64_t n)
{
    crd_status status = CRD_OK;
    double *work = NULL;
    int *places = NULL;
    CRD_REQUIRE(n <= CRD_EIGEN_MAX, CRD_ERR_INTERNAL, "eigenvalues of %lld rows", (long long)n);
    /* LAPACK's least room. */
    const int size = (int)n, n_places = 3 + 5 * size, n_work = 1 + 6 * size + 2 * size * size;
    int info = 0;
    CRD_TRY(check(a, n));
    CRD_ALLOC(&work, n_work, "eigenvectors");
    CRD_ALLOC(&places, n_places, "eigenvectors");
    /* The lower triangle of rows is the upper one of columns. */
    dsyevd_("V", "U", &size, a, &size, values, work, &n_work, places, &n_places, &info, 1, 1);
    CRD_REQUIRE(info == 0, CRD_ERR_NUMERIC, "eigenvalues: LAPACK's dsyevd ends with info %d", info);
cleanup:
    crd_free(places);
    crd_free(work);
    return status;
}
