#define _GNU_SOURCE /* sched_setaffinity, syscall */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mpi_test.h"

static void all_ranks_get_the_lowest_failure(crd_comm *comm)
{
    int rank = crd_comm_rank(comm), size = crd_comm_size(comm);
    CHECK(comm, crd_comm_agree(comm, CRD_OK) == CRD_OK);
    for (int failing = 0; failing < size; failing++) {
        crd_status local = CRD_OK;
        if (rank >= failing)
            local = CRD_FAIL(rank == failing ? CRD_ERR_IO : CRD_ERR_INTERNAL,
                             "rank %d of %d failed", rank, size);
        char expected[64];
        snprintf(expected, sizeof expected, "rank %d of %d failed", failing, size);
        CHECK(comm, crd_comm_agree(comm, local) == CRD_ERR_IO);
        CHECK(comm, strcmp(crd_status_message(), expected) == 0);
    }
}

static void nodes_are_numbered_by_their_leaders(crd_comm *comm)
{
    int n_nodes = crd_comm_n_nodes(comm), total = 0;
    const int *sizes = crd_comm_node_sizes(comm);
    for (int k = 0; k < n_nodes; k++)
        total += sizes[k];
    CHECK(comm, total == crd_comm_size(comm));
    CHECK(comm, crd_comm_node(comm) >= 0 && crd_comm_node(comm) < n_nodes);
    CHECK(comm, crd_comm_node_rank(comm) < sizes[crd_comm_node(comm)]);
    CHECK(comm,
          crd_comm_rank(comm) != 0 || (crd_comm_node(comm) == 0 && crd_comm_node_rank(comm) == 0));
    const char *limit = getenv("CREDENCE_RANKS_PER_NODE");
    if (limit != NULL)
        for (int k = 0; k < n_nodes; k++)
            CHECK(comm, sizes[k] <= atol(limit));
}

static void sums_and_broadcasts_are_exact(crd_comm *comm)
{
    int rank = crd_comm_rank(comm), size = crd_comm_size(comm);
    enum { N = 100003 };
    int64_t *sums = malloc(N * sizeof *sums), *maxima = malloc(N * sizeof *maxima);
    for (int64_t i = 0; i < N; i++) {
        sums[i] = (i << 30) + rank;
        maxima[i] = i % size == rank ? i : -i - 1;
    }
    crd_comm_reduce_sum(comm, sums, N);
    crd_comm_reduce_max(comm, maxima, N);
    for (int64_t i = 0; rank == 0 && i < N; i++) {
        CHECK(comm, sums[i] == size * (i << 30) + size * (size - 1) / 2);
        CHECK(comm, maxima[i] == i);
    }
    CHECK(comm, rank == 0 || sums[5] == (INT64_C(5) << 30) + rank);
    if (rank == 0)
        for (int64_t i = 0; i < N; i++)
            maxima[i] = i * i;
    crd_comm_broadcast(comm, maxima, N * (int64_t)sizeof *maxima);
    CHECK(comm, maxima[N - 1] == (int64_t)(N - 1) * (N - 1));
    free(sums);
    free(maxima);
}

static void many_sums_may_be_under_way(crd_comm *comm)
{
    enum { N = 150, LENGTH = 1000 };
    int64_t rank = crd_comm_rank(comm), size = crd_comm_size(comm);
    int64_t *values = malloc(N * LENGTH * sizeof *values);
    for (int64_t i = 0; i < N * LENGTH; i++)
        values[i] = i * (rank + 1);
    for (int k = 0; k < N; k++)
        crd_comm_sum_begin(comm, values + k * LENGTH, LENGTH);
    crd_comm_sum_end(comm);
    for (int64_t i = 0; i < N * LENGTH; i++)
        CHECK(comm, values[i] == i * size * (size + 1) / 2);
    free(values);
}

static void blocks_are_shared_and_carried(crd_comm *comm)
{
    enum { N = 50000 };
    crd_shared *block = NULL;
    CHECK(comm, crd_shared_create(&block, comm, N * (int64_t)sizeof(int)) == CRD_OK);
    int *numbers = crd_shared_data(block), rank = crd_comm_rank(comm);
    for (int i = 0; i < N; i++)
        CHECK(comm, numbers[i] == 0);
    CHECK(comm, crd_comm_agree(comm, CRD_OK) == CRD_OK); /* all have looked before one writes */
    for (int round = 1; round < 4; round++) {
        if (rank == 0)
            for (int i = 0; i < N; i++)
                numbers[i] = i * round;
        if (round == 2) {
            crd_shared_begin(block, N * (int64_t)sizeof(int));
            crd_shared_progress(block);
            crd_shared_end(block);
        } else {
            crd_shared_broadcast(block, N * (int64_t)sizeof(int));
        }
        for (int i = 0; i < N; i++)
            CHECK(comm, numbers[i] == i * round);
        CHECK(comm, crd_comm_agree(comm, CRD_OK) == CRD_OK);
    }
    /* Every node fills its part; rank 0's node then has all parts. */
    int n_nodes = crd_comm_n_nodes(comm), node = crd_comm_node(comm);
    int64_t *begin = malloc(((size_t)n_nodes + 1) * sizeof *begin);
    for (int k = 0; k <= n_nodes; k++)
        begin[k] = (int64_t)N * k / n_nodes * (int64_t)sizeof(int);
    if (crd_comm_node_rank(comm) == crd_comm_node_sizes(comm)[node] - 1)
        for (int64_t i = begin[node] / 4; i < begin[node + 1] / 4; i++)
            numbers[i] = 1000000 * (node + 1) + (int)i;
    crd_shared_gather(block, begin);
    for (int k = 0; node == 0 && k < n_nodes; k++)
        for (int64_t i = begin[k] / 4; i < begin[k + 1] / 4; i++)
            CHECK(comm, numbers[i] == 1000000 * (k + 1) + (int)i);
    free(begin);
    crd_shared_destroy(block);
    CHECK(comm, crd_shared_create(&block, comm, -1) == CRD_ERR_INTERNAL && block == NULL);
}

static void counters_give_every_number_once(crd_comm *comm)
{
    enum { N = 20000 };
    crd_counter *counter = NULL;
    CHECK(comm, crd_counter_create(&counter, comm) == CRD_OK);
    for (int round = 0; round < 3; round++) {
        int64_t *taken = calloc(N, sizeof *taken);
        crd_counter_reset(counter, 0);
        for (int64_t i; (i = crd_counter_next(counter)) < N;)
            taken[i]++;
        crd_comm_reduce_sum(comm, taken, N);
        for (int i = 0; crd_comm_rank(comm) == 0 && i < N; i++)
            CHECK(comm, taken[i] == crd_comm_n_nodes(comm));
        free(taken);
    }
    crd_counter_reset(counter, 5);
    int64_t number = crd_counter_next(counter);
    CHECK(comm, number >= 5 && number < 5 + crd_comm_size(comm));
    crd_counter_destroy(counter);
}

/* Any rank may raise it, several may, and none is left over for the next time. */
static void alarms_reach_all_ranks(crd_comm *comm)
{
    crd_alarm *alarm = NULL;
    int rank = crd_comm_rank(comm), size = crd_comm_size(comm);
    CHECK(comm, crd_alarm_create(&alarm, comm) == CRD_OK);
    for (int round = 0; round < 40; round++) {
        int caller = round % (size + 1),
            second = (round / 2) % size; /* caller == size: nobody calls */
        if (rank == caller)
            crd_alarm_raise(alarm, 1);
        if (rank == second && round % 3 == 0 && caller < size)
            crd_alarm_raise(alarm, 2);
        if (caller < size && round % 2 == 0)
            while (crd_alarm_get(alarm) == 0) { /* all see it although nobody has met */
            }
        while (!crd_alarm_arrived(alarm)) {
        }
        int expected = caller == size ? 0 : round % 3 == 0 ? 2 : 1;
        CHECK(comm, crd_alarm_settle(alarm) == expected);
        CHECK(comm, crd_comm_agree(comm, CRD_OK) == CRD_OK); /* before anybody raises it again */
    }
    crd_alarm_destroy(alarm);
}

/* The n-th core of those allowed, counted around. */
static cpu_set_t nth_core(const cpu_set_t *allowed, int n)
{
    cpu_set_t one;
    int left = n % CPU_COUNT(allowed);
    size_t core = 0;
    for (; !CPU_ISSET(core, allowed) || left-- > 0; core++) {
    }
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    return one;
}

static void cores_of_a_node_are_counted_once(crd_comm *comm)
{
    cpu_set_t allowed, one;
    int n_cores, n_ranks = crd_comm_node_sizes(comm)[crd_comm_node(comm)];
    CHECK(comm, sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    int n_allowed = CPU_COUNT(&allowed);
    CHECK(comm, crd_comm_count_cores(&n_cores, comm) == CRD_OK && n_cores == n_allowed);
    one = nth_core(&allowed, 0);
    CHECK(comm, sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(comm, crd_comm_count_cores(&n_cores, comm) == CRD_OK && n_cores == 1);
    one = nth_core(&allowed, crd_comm_node_rank(comm));
    CHECK(comm, sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(comm, crd_comm_count_cores(&n_cores, comm) == CRD_OK);
    CHECK(comm, n_cores == (n_ranks < n_allowed ? n_ranks : n_allowed));
    CHECK(comm, sched_setaffinity(0, sizeof allowed, &allowed) == 0);
}

/* What the system gives as a turn, in ns; before Linux 6.12 it says 0. */
static uint64_t turn_ns(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        uint32_t nice, priority;
        uint64_t turn_ns, others[2];
    } attributes = {.size = sizeof attributes};
    return syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0
               ? attributes.turn_ns
               : 0;
}

/* Those that have a core each keep the turns they have. */
static void ranks_that_share_cores_take_long_turns(crd_comm *comm)
{
    cpu_set_t allowed, one;
    int n_ranks = crd_comm_node_sizes(comm)[crd_comm_node(comm)];
    uint64_t before = turn_ns();
    CHECK(comm, sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    if (n_ranks <= CPU_COUNT(&allowed)) {
        CHECK(comm, crd_comm_ask_long_slices(comm) == CRD_OK && turn_ns() == before);
    }
    one = nth_core(&allowed, 0);
    CHECK(comm, sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(comm, crd_comm_ask_long_slices(comm) == CRD_OK);
    CHECK(comm, turn_ns() == (before > 0 && n_ranks > 1 ? 100000000 : before));
    CHECK(comm, sched_setaffinity(0, sizeof allowed, &allowed) == 0);
}

int main(void)
{
    crd_comm *comm;
    if (crd_comm_create_world(&comm) != CRD_OK)
        return 1;
    all_ranks_get_the_lowest_failure(comm);
    nodes_are_numbered_by_their_leaders(comm);
    sums_and_broadcasts_are_exact(comm);
    many_sums_may_be_under_way(comm);
    blocks_are_shared_and_carried(comm);
    counters_give_every_number_once(comm);
    alarms_reach_all_ranks(comm);
    cores_of_a_node_are_counted_once(comm);
    ranks_that_share_cores_take_long_turns(comm);
    crd_comm_destroy(comm);
    return 0;
}
