/** The one header that shows MPI: for programs that bring their own communicator. Room: comm. */
#ifndef CREDENCE_MPI_H
#define CREDENCE_MPI_H

#include <mpi.h>

#include "credence/comm.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A communicator of the processes of `mpi_comm`, which is duplicated; MPI stays initialised
 * when it is destroyed. Collective: on mpi_comm. */
crd_status crd_comm_create_mpi(crd_comm **out, MPI_Comm mpi_comm);

#ifdef __cplusplus
}
#endif
#endif
