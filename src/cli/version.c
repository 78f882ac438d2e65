#include <stdio.h>

#include "cli/build_info.h"
#include "cli/command.h"
#include "credence/version.h"
#include "kernels/kernels.h"

void crd_version_print(void)
{
    printf("credence %s (git %s)\n", CREDENCE_VERSION, CRD_GIT_HASH);
    printf("compiler    %s\n", CRD_COMPILER);
    printf("MPI         %s\n", crd_comm_mpi_library());
    printf("built with  %s\n", CRD_BUILT_WITH);
    printf("kernels     %s\n", crd_kernels_get()->name);
    printf("OpenBLAS    %s core\n", crd_gemm_core());
}
