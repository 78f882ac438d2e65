/** What the two bodies of the communicator (one process; MPI) have in common. */
#ifndef CRD_COMM_COMM_BODY_H
#define CRD_COMM_COMM_BODY_H

#include <stdatomic.h>

#include "credence/comm.h"

/** Bytes of a page of a shared block. */
enum { CRD_SHARED_PAGE = 4096 };

/** Operations of a body. Each is collective where the public function is. */
typedef struct crd_comm_ops {
    void (*destroy)(crd_comm *comm);
    crd_status (*split)(crd_comm **out, crd_comm *comm, int color);
    void (*abort)(crd_comm *comm, int code);
    crd_status (*agree)(crd_comm *comm, crd_status local);
    void (*broadcast)(crd_comm *comm, void *data, int64_t n_bytes);
    void (*reduce)(crd_comm *comm, int64_t *values, int64_t n, int maximum);
    void (*sum_begin)(crd_comm *comm, int64_t *values, int64_t n);
    void (*sum_end)(crd_comm *comm);
    /* The node's block: allocation of n_bytes (a multiple of the page), agreed on. */
    crd_status (*shared_create)(crd_shared *shared);
    void (*shared_destroy)(crd_shared *shared);
    void (*shared_begin)(crd_shared *shared, int64_t first_page, int64_t n_pages);
    void (*shared_progress)(crd_shared *shared);
    void (*shared_end)(crd_shared *shared);
    void (*shared_gather)(crd_shared *shared, const int64_t *begin);
    void (*node_barrier)(crd_comm *comm);
    /* The alarm between nodes; within one its word is shared. _open makes its body. */
    crd_status (*alarm_open)(crd_alarm *alarm);
    void (*alarm_close)(crd_alarm *alarm);
    void (*alarm_travel)(crd_alarm *alarm);
    int (*alarm_arrived)(crd_alarm *alarm);
    int (*alarm_settle)(crd_alarm *alarm);
} crd_comm_ops;

/** Bytes of a host name as messages show it, its final zero included. */
enum { CRD_HOST_SIZE = 64 };

/** Bytes of the words for what a rank does, their final zero included. */
enum { CRD_ACTIVITY_SIZE = 64 };

/** What a rank does, in its node's shared memory: for the watchdog. */
typedef struct crd_activity {
    _Atomic uint64_t beat;  /* another number for everything new */
    _Atomic uint64_t tick;  /* of the rank's own watchdog: stands still when the process does */
    _Atomic int is_waiting; /* for other ranks */
    int rank;
    char what[CRD_ACTIVITY_SIZE]; /* always ends with a zero */
} crd_activity;

struct crd_comm {
    const crd_comm_ops *ops;
    int rank, size, node, n_nodes, node_rank;
    int *node_sizes; /* [n_nodes] */
    crd_comm_cost cost;
    char host[CRD_HOST_SIZE];
    crd_activity *activity; /* NULL: nobody watches */
    /* For tests: what goes wrong at this agreement of this rank, counted from 1; 0: nothing. */
    int64_t fault_step, n_steps;
    int fault_stalls;
    void *body; /* the body's own */
};

struct crd_shared {
    crd_comm *comm;
    void *data;
    int64_t n_bytes;
    void *body;
};

/** Fills in what every body's communicator holds. */
void crd_comm_init(crd_comm *comm, const crd_comm_ops *ops);

/** Reads CREDENCE_FAULT; after the rank is known. Errors: CRD_ERR_USAGE. */
crd_status crd_comm_read_fault(crd_comm *comm);

struct crd_alarm {
    crd_comm *comm;
    crd_shared *shared;
    _Atomic int64_t *level; /* the node's */
    void *body;
};

/** Raises an atomic number to at least `value`. */
static inline void crd_atomic_raise(_Atomic int64_t *number, int64_t value)
{
    int64_t now = atomic_load(number);
    while (now < value && !atomic_compare_exchange_weak(number, &now, value)) {
    }
}

#endif
