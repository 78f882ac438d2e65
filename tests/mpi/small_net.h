/** A network that is cheap to run. */
#ifndef CRD_TESTS_MPI_SMALL_NET_H
#define CRD_TESTS_MPI_SMALL_NET_H

#include "credence/comm.h"
#include "credence/posterior.h"

enum { SMALL_NET_SIDE = 24, SMALL_NET_CLASSES = 40 };

/** Made on this rank alone; `comm` is for failures. */
crd_posterior *small_net_posterior(crd_comm *comm);

#endif
