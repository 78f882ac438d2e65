/** Checks for programs under mpirun: a failure says rank and line and ends the job with code 1. */
#ifndef CRD_TESTS_MPI_MPI_TEST_H
#define CRD_TESTS_MPI_MPI_TEST_H

#include <stdio.h>

#include "credence/comm.h"

#define CHECK(comm, condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "rank %d: %s:%d: %s failed; last message: %s\n", crd_comm_rank(comm),  \
                    __FILE__, __LINE__, #condition, crd_status_message());                         \
            crd_comm_abort((comm), 1);                                                             \
        }                                                                                          \
    } while (0)

#endif
