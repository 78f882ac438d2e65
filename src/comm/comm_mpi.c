/* Many processes, by MPI. */
#include "comm/comm_mpi.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/integers.h"
#include "base/text.h"
#include "comm/node_memory.h"

/* Large transfers go in pieces: MPI counts are ints. */
enum { PIECE_BYTES = 1 << 30, PIECE_NUMBERS = 1 << 26, PAGE = CRD_SHARED_PAGE };

typedef struct mpi_shared {
    crd_node_memory memory;
    MPI_Request request;
} mpi_shared;

static void mpi_destroy(crd_comm *comm)
{
    crd_mpi_body *body = crd_mpi_body_of(comm);
    int owns_mpi = body->owns_mpi;
    MPI_Type_free(&body->page);
    if (body->leaders != MPI_COMM_NULL)
        MPI_Comm_free(&body->leaders);
    MPI_Comm_free(&body->node);
    MPI_Comm_free(&body->all);
    crd_free(body);
    if (owns_mpi)
        MPI_Finalize();
}

static crd_status mpi_split(crd_comm **out, crd_comm *comm, int color)
{
    MPI_Comm part;
    MPI_Comm_split(crd_mpi_body_of(comm)->all, color, comm->rank, &part);
    crd_status status = crd_comm_create_mpi(out, part);
    MPI_Comm_free(&part);
    return status;
}

static void mpi_abort(crd_comm *comm, int code)
{
    MPI_Abort(crd_mpi_body_of(comm)->all, code);
}

static crd_status mpi_agree(crd_comm *comm, crd_status local)
{
    MPI_Comm all = crd_mpi_body_of(comm)->all;
    double start = crd_clock_now_s();
    int mine = local == CRD_OK ? comm->size : comm->rank, first;
    MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, all);
    if (first < comm->size) {
        struct {
            int code;
            char message[CRD_MESSAGE_SIZE];
        } fault = {.code = (int)local};
        strncpy(fault.message, crd_status_message(), CRD_MESSAGE_SIZE - 1);
        MPI_Bcast(&fault, (int)sizeof fault, MPI_BYTE, first, all);
        local = crd_status_set((crd_status)fault.code, "%s", fault.message);
    }
    crd_mpi_count(comm, 1, sizeof mine, start);
    return local;
}

static void mpi_broadcast(crd_comm *comm, void *data, int64_t n_bytes)
{
    if (comm->size == 1)
        return;
    double start = crd_clock_now_s();
    for (int64_t at = 0; at < n_bytes; at += PIECE_BYTES) {
        int64_t piece = n_bytes - at < PIECE_BYTES ? n_bytes - at : PIECE_BYTES;
        MPI_Bcast((char *)data + at, (int)piece, MPI_BYTE, 0, crd_mpi_body_of(comm)->all);
    }
    crd_mpi_count(comm, crd_divide_up(n_bytes, PIECE_BYTES), comm->rank == 0 ? n_bytes : 0, start);
}

static void mpi_reduce(crd_comm *comm, int64_t *values, int64_t n, int maximum)
{
    double start = crd_clock_now_s();
    for (int64_t at = 0; at < n; at += PIECE_NUMBERS) {
        int64_t piece = n - at < PIECE_NUMBERS ? n - at : PIECE_NUMBERS;
        const void *send = comm->rank == 0 ? MPI_IN_PLACE : values + at;
        MPI_Reduce(send, values + at, (int)piece, MPI_INT64_T, maximum ? MPI_MAX : MPI_SUM, 0,
                   crd_mpi_body_of(comm)->all);
    }
    crd_mpi_count(comm, crd_divide_up(n, PIECE_NUMBERS),
                  comm->rank == 0 ? 0 : n * (int64_t)sizeof *values, start);
}

static void mpi_sum_end(crd_comm *comm)
{
    crd_mpi_body *body = crd_mpi_body_of(comm);
    double start = crd_clock_now_s();
    MPI_Waitall(body->n_sums, body->sums, MPI_STATUSES_IGNORE);
    body->n_sums = 0;
    crd_mpi_count(comm, 0, 0, start);
}

static void mpi_sum_begin(crd_comm *comm, int64_t *values, int64_t n)
{
    crd_mpi_body *body = crd_mpi_body_of(comm);
    if (comm->size == 1)
        return;
    double start = crd_clock_now_s();
    for (int64_t at = 0; at < n; at += PIECE_NUMBERS) {
        int64_t piece = n - at < PIECE_NUMBERS ? n - at : PIECE_NUMBERS;
        if (body->n_sums == MAX_SUMS)
            mpi_sum_end(comm);
        MPI_Iallreduce(MPI_IN_PLACE, values + at, (int)piece, MPI_INT64_T, MPI_SUM, body->all,
                       &body->sums[body->n_sums++]);
    }
    /* Lets those begun before make progress: Open MPI moves only when called. */
    int done;
    MPI_Testall(body->n_sums, body->sums, &done, MPI_STATUSES_IGNORE);
    crd_mpi_count(comm, crd_divide_up(n, PIECE_NUMBERS), n * (int64_t)sizeof *values, start);
}

static void mpi_node_barrier(crd_comm *comm)
{
    double start = crd_clock_now_s();
    MPI_Barrier(crd_mpi_body_of(comm)->node);
    crd_mpi_count(comm, 0, 0, start); /* within the node: no message */
}

static crd_status mpi_shared_create(crd_shared *shared)
{
    crd_comm *comm = shared->comm;
    mpi_shared *block = NULL;
    crd_status status = crd_alloc_zeroed((void **)&block, 1, sizeof *block, "shared block");
    status = crd_comm_agree(comm, status);
    if (status == CRD_OK)
        status = crd_node_memory_create(&block->memory, comm, shared->n_bytes);
    if (status != CRD_OK) {
        crd_free(block);
        return status;
    }
    block->request = MPI_REQUEST_NULL;
    shared->data = block->memory.data;
    shared->body = block;
    return CRD_OK;
}

static void mpi_shared_destroy(crd_shared *shared)
{
    mpi_shared *block = shared->body;
    crd_node_memory_destroy(&block->memory);
    crd_free(block);
}

static void mpi_shared_begin(crd_shared *shared, int64_t first_page, int64_t n_pages)
{
    mpi_shared *block = shared->body;
    crd_mpi_body *body = crd_mpi_body_of(shared->comm);
    crd_node_memory_sync(&block->memory);
    if (body->leaders == MPI_COMM_NULL || shared->comm->n_nodes == 1)
        return;
    double start = crd_clock_now_s();
    char *data = (char *)shared->data + first_page * PAGE;
    MPI_Ibcast(data, (int)n_pages, body->page, 0, body->leaders, &block->request); /* to 8 TiB */
    crd_mpi_count(shared->comm, 1, shared->comm->rank == 0 ? n_pages * PAGE : 0, start);
}

static void mpi_shared_progress(crd_shared *shared)
{
    mpi_shared *block = shared->body;
    int done;
    MPI_Test(&block->request, &done, MPI_STATUS_IGNORE);
}

static void mpi_shared_end(crd_shared *shared)
{
    mpi_shared *block = shared->body;
    double start = crd_clock_now_s();
    MPI_Wait(&block->request, MPI_STATUS_IGNORE);
    crd_node_memory_sync(&block->memory);
    crd_mpi_count(shared->comm, 0, 0, start);
    mpi_node_barrier(shared->comm);
    crd_node_memory_sync(&block->memory);
}

static void mpi_shared_gather(crd_shared *shared, const int64_t *begin)
{
    crd_comm *comm = shared->comm;
    crd_mpi_body *body = crd_mpi_body_of(comm);
    mpi_shared *block = shared->body;
    int64_t n_calls = 0, n_bytes = 0;
    double start = crd_clock_now_s();
    crd_node_memory_sync(&block->memory);
    if (comm->node_rank == 0)
        for (int k = 1; k < comm->n_nodes; k++)
            for (int64_t at = begin[k]; at < begin[k + 1]; at += PIECE_BYTES) {
                int64_t piece = begin[k + 1] - at < PIECE_BYTES ? begin[k + 1] - at : PIECE_BYTES;
                char *bytes = (char *)shared->data + at;
                if (comm->node == k)
                    MPI_Send(bytes, (int)piece, MPI_BYTE, 0, 0, body->leaders);
                else if (comm->node == 0)
                    MPI_Recv(bytes, (int)piece, MPI_BYTE, k, 0, body->leaders, MPI_STATUS_IGNORE);
                n_calls += comm->node == k || comm->node == 0;
                n_bytes += comm->node == k ? piece : 0;
            }
    crd_node_memory_sync(&block->memory);
    crd_mpi_count(comm, n_calls, n_bytes, start);
}

static const crd_comm_ops mpi_ops = {
    .destroy = mpi_destroy,
    .split = mpi_split,
    .abort = mpi_abort,
    .agree = mpi_agree,
    .broadcast = mpi_broadcast,
    .reduce = mpi_reduce,
    .sum_begin = mpi_sum_begin,
    .sum_end = mpi_sum_end,
    .shared_create = mpi_shared_create,
    .shared_destroy = mpi_shared_destroy,
    .shared_begin = mpi_shared_begin,
    .shared_progress = mpi_shared_progress,
    .shared_end = mpi_shared_end,
    .shared_gather = mpi_shared_gather,
    .node_barrier = mpi_node_barrier,
    .alarm_open = crd_mpi_alarm_open,
    .alarm_close = crd_mpi_alarm_close,
    .alarm_travel = crd_mpi_alarm_travel,
    .alarm_arrived = crd_mpi_alarm_arrived,
    .alarm_settle = crd_mpi_alarm_settle,
};

/* Ranks a node at most, from the environment: lets one machine act as several in tests. */
static crd_status read_node_limit(int64_t *limit)
{
    const char *text = getenv("CREDENCE_RANKS_PER_NODE");
    *limit = INT_MAX;
    return text == NULL ? CRD_OK
                        : crd_text_to_int64(limit, text, 1, INT_MAX, "CREDENCE_RANKS_PER_NODE");
}

/* Who shares memory with whom: nodes are numbered by their leaders' ranks. */
static void find_nodes(crd_comm *comm, crd_mpi_body *body, int64_t limit)
{
    MPI_Comm machine;
    MPI_Comm_split_type(body->all, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &machine);
    MPI_Comm_rank(machine, &comm->node_rank);
    MPI_Comm_split(machine, comm->node_rank / (int)limit, comm->rank, &body->node);
    MPI_Comm_free(&machine);
    MPI_Comm_rank(body->node, &comm->node_rank);
    MPI_Comm_split(body->all, comm->node_rank == 0 ? 0 : MPI_UNDEFINED, comm->rank, &body->leaders);
    if (body->leaders != MPI_COMM_NULL) {
        MPI_Comm_rank(body->leaders, &comm->node);
        MPI_Comm_size(body->leaders, &comm->n_nodes);
    }
    int place[2] = {comm->node, comm->n_nodes};
    MPI_Bcast(place, 2, MPI_INT, 0, body->node);
    comm->node = place[0];
    comm->n_nodes = place[1];
}

static void share_node_sizes(crd_comm *comm, crd_mpi_body *body)
{
    int node_size;
    MPI_Comm_size(body->node, &node_size);
    if (body->leaders != MPI_COMM_NULL)
        MPI_Allgather(&node_size, 1, MPI_INT, comm->node_sizes, 1, MPI_INT, body->leaders);
    MPI_Bcast(comm->node_sizes, comm->n_nodes, MPI_INT, 0, body->node);
}

static crd_status create(crd_comm **out, MPI_Comm mpi_comm, int owns_mpi)
{
    crd_status status = CRD_OK;
    crd_comm *comm = NULL;
    crd_mpi_body *body = NULL;
    *out = NULL;
    /* Too little memory for a handful of words cannot be agreed on without the communicator it
     * was for. */
    if (crd_alloc_zeroed((void **)&comm, 1, sizeof *comm, "communicator") != CRD_OK ||
        crd_alloc_zeroed((void **)&body, 1, sizeof *body, "communicator") != CRD_OK)
        MPI_Abort(mpi_comm, CRD_ERR_INTERNAL);
    crd_comm_init(comm, &mpi_ops);
    comm->body = body;
    body->owns_mpi = owns_mpi;
    MPI_Comm_dup(mpi_comm, &body->all);
    MPI_Comm_rank(body->all, &comm->rank);
    MPI_Comm_size(body->all, &comm->size);
    MPI_Type_contiguous(PAGE, MPI_BYTE, &body->page);
    MPI_Type_commit(&body->page);
    int64_t limit;
    status = read_node_limit(&limit);
    if (status == CRD_OK)
        status = crd_comm_read_fault(comm);
    status = crd_comm_agree(comm, status);
    find_nodes(comm, body, status == CRD_OK ? limit : 1);
    if (status == CRD_OK)
        status = crd_comm_agree(comm, crd_alloc_zeroed((void **)&comm->node_sizes, comm->n_nodes,
                                                       sizeof *comm->node_sizes, "communicator"));
    if (status != CRD_OK) {
        crd_comm_destroy(comm);
        return status;
    }
    share_node_sizes(comm, body);
    *out = comm;
    return CRD_OK;
}

crd_status crd_comm_create_world(crd_comm **out)
{
    int provided;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    return create(out, MPI_COMM_WORLD, 1);
}

crd_status crd_comm_create_mpi(crd_comm **out, MPI_Comm mpi_comm)
{
    return create(out, mpi_comm, 0);
}

const char *crd_comm_mpi_library(void)
{
    /* The call is allowed before MPI_Init, so nothing has to be kept in a communicator. */
    static char name[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    MPI_Get_library_version(name, &length);
    name[strcspn(name, ",\n")] = '\0';
    return name;
}
