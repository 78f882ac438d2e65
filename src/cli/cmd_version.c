/* `credence version`, also --version and -V: what the program is, was built with and runs on. */
#include <jansson.h>
#include <stdio.h>

#include "app/build_info.h"
#include "cli/command.h"
#include "credence/version.h"
#include "kernels/kernels.h"
#include "report/output.h"

crd_status crd_cmd_version(const crd_cli *cli)
{
    if (crd_opt_flag(cli->options, CRD_OPT_JSON))
        return crd_json_print(json_pack(
            "{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "version", CREDENCE_VERSION, "git", CRD_GIT_HASH,
            "compiler", CRD_COMPILER, "mpi", crd_comm_mpi_library(), "built_with", CRD_BUILT_WITH,
            "kernels", crd_kernels_get()->name, "openblas_core", crd_gemm_core()));
    printf("credence %s (git %s)\n", CREDENCE_VERSION, CRD_GIT_HASH);
    printf("compiler    %s\n", CRD_COMPILER);
    printf("MPI         %s\n", crd_comm_mpi_library());
    printf("built with  %s\n", CRD_BUILT_WITH);
    printf("kernels     %s\n", crd_kernels_get()->name);
    printf("OpenBLAS    %s core\n", crd_gemm_core());
    return CRD_OK;
}
