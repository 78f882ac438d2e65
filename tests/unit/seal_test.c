/* The seal of a posterior with many numbers leaves them to the checksums of their datasets: a flipped byte is found wherever it is, at
 * the latest when the reader asks whether all was right. */
#include "io_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/seal.h"
#include "test_ops.h"

enum { N_IN = 600, N_OUT = 500, N_MEMBERS = 3, N_FLIPS = 150, RECORD_BYTES = 16 + 16 + 48 };
static char large_path[IO_PATH_SIZE], members_path[IO_PATH_SIZE], victim[IO_PATH_SIZE];

/* One layer of 1.2 MB, whose weights are i * step. */
static crd_posterior *large(float step)
{
    crd_network *network;
    crd_posterior *posterior;
    crd_shape input = crd_shape_make(3, 1, 20, N_IN / 20);
    int64_t at = 0;
    assert_ok(crd_network_create(&network, "large", &input));
    assert_ok(network_add(&at, network, "Flatten", "flatten", NULL, &at, 1));
    attr_list linear = linear_list(N_IN, N_OUT, 1);
    assert_ok(network_add(&at, network, "Linear", "fc", &linear, &at, 1));
    assert_ok(crd_posterior_create(&posterior, network));
    posterior->preprocessing = (crd_preprocessing){.channels = 1,
                                                   .crop = 20,
                                                   .crop_width = N_IN / 20,
                                                   .interpolation = CRD_BICUBIC,
                                                   .sd = {1}};
    for (int64_t i = 0; i < network->params.n_floats; i++)
        posterior->mu[i] = step * (float)i;
    return posterior;
}

static int setup(void **state)
{
    if (io_setup(state) != 0)
        return 1;
    crd_posterior *parts[N_MEMBERS], *members;
    crd_component_source sources[N_MEMBERS];
    for (int i = 0; i < N_MEMBERS; i++) {
        parts[i] = large((float)(i + 1));
        sources[i] = (crd_component_source){parts[i], "a.h5", "1a"};
    }
    assert_ok(crd_posterior_write(io_path(large_path, "large.h5"), parts[0], &io_provenance));
    assert_ok(crd_posterior_join(&members, sources, N_MEMBERS, true));
    assert_ok(crd_posterior_write(io_path(members_path, "members.h5"), members, &io_provenance));
    crd_posterior_destroy(members);
    for (int i = 0; i < N_MEMBERS; i++)
        crd_posterior_destroy(parts[i]);
    io_path(victim, "victim.h5");
    return 0;
}

static int64_t size_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (int64_t)info.st_size;
}

static void flip(int64_t place)
{
    unsigned char byte;
    int fd = open(victim, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, (off_t)place), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)place), 1);
    close(fd);
}

static crd_status read_victim(void)
{
    crd_posterior *posterior;
    crd_status status = crd_posterior_read(&posterior, victim);
    crd_posterior_destroy(posterior);
    return status;
}

static void assert_refused(int64_t place)
{
    if (read_victim() != CRD_ERR_INPUT || strstr(crd_status_message(), "victim.h5: ") == NULL)
        fail_msg("byte %lld: %s", (long long)place, crd_status_message());
}

static void every_flip_is_found(void **state)
{
    (void)state;
    io_copy(victim, large_path);
    assert_ok(read_victim());
    int64_t size = size_of(victim);
    srand(1);
    for (int i = 0; i < N_FLIPS; i++) {
        int64_t place = (int64_t)((double)rand() / RAND_MAX * (double)(size - 1));
        flip(place);
        assert_refused(place);
        flip(place);
    }
    for (int64_t place = size - RECORD_BYTES; place < size; place++) {
        flip(place);
        assert_refused(place);
        flip(place);
    }
    assert_ok(read_victim());
    for (int64_t n = 1; n <= RECORD_BYTES; n += 7) {
        io_copy(victim, large_path);
        assert_int_equal(truncate(victim, (off_t)(size - n)), 0);
        assert_fails(read_victim(), CRD_ERR_INPUT, "victim.h5: truncated: ");
    }
    assert_int_equal(truncate(victim, (off_t)(size - RECORD_BYTES - 1)), 0);
    assert_fails(read_victim(), CRD_ERR_INPUT, "victim.h5: truncated: ");
}

/* Numbers are not read to open a file, and the file's digest depends on them still. */
static void only_the_rest_is_read_first(void **state)
{
    (void)state;
    char digest[CRD_FILE_DIGEST_SIZE], other[CRD_FILE_DIGEST_SIZE];
    crd_posterior *changed = large(1.5F);
    crd_posterior_file *file;
    io_copy(victim, large_path);
    flip(size_of(victim) / 2);
    assert_ok(crd_posterior_open(&file, victim));
    assert_fails(crd_posterior_file_load(file), CRD_ERR_INPUT,
                 "victim.h5: /parameters/fc/weight: damaged (checksum ");
    crd_posterior_file_close(file);
    assert_ok(crd_posterior_write(victim, changed, &io_provenance));
    assert_ok(crd_file_digest(digest, large_path));
    assert_ok(crd_file_digest(other, victim));
    assert_string_not_equal(digest, other);
    crd_posterior_destroy(changed);
}

/* Members [first, + n) are asked for, then whether they were right. */
static crd_status read_members(int64_t first, int64_t n)
{
    crd_status status = CRD_OK;
    crd_posterior_file *file = NULL;
    float *mu = NULL;
    CRD_TRY(crd_posterior_open(&file, victim));
    crd_numbers_source source = crd_posterior_file_source(file);
    mu = calloc((size_t)crd_posterior_file_view(file)->network->params.n_floats, sizeof *mu);
    assert_non_null(mu);
    const crd_component_numbers to = {.mu = mu};
    for (int64_t c = first; c < first + n; c++)
        assert_ok(source.read(&to, c % N_MEMBERS, 1, source.payload));
    for (bool done = false; !done;)
        CRD_TRY(source.finish(&done, source.payload));
cleanup:
    free(mu);
    crd_posterior_file_close(file);
    return status;
}

static void what_was_read_in_any_order_is_checked(void **state)
{
    (void)state;
    int64_t orders[][2] = {{0, 3}, {0, 1}, {1, 2}, {2, 3}, {1, 4}, {0, 0}};
    io_copy(victim, members_path);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        assert_ok(read_members(orders[i][0], orders[i][1]));
    flip(size_of(victim) / 2); /* of the second member: no order has it last */
    for (size_t i = 1; i < sizeof orders / sizeof *orders - 1; i++)
        assert_fails(read_members(orders[i][0], orders[i][1]), CRD_ERR_INPUT,
                     "victim.h5: /weights/fc/weight: damaged (checksum ");
    assert_ok(read_members(0, 0)); /* nothing of it counts */
}

/* As somebody might make it who knows how: no range outside the file is ever looked for. */
static void ranges_are_in_the_file_in_order(void **state)
{
    (void)state;
    int64_t size = size_of(large_path) - RECORD_BYTES;
    const crd_byte_range bad[][2] = {{{size - 10, 11}, {size, 1}}, {{100, 10}, {50, 10}},
                                     {{100, 10}, {105, 10}},       {{-1, 10}, {100, 1}},
                                     {{100, -1}, {200, 1}},        {{size + 1, 0}, {size + 1, 0}}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        io_copy(victim, large_path);
        int fd = open(victim, O_RDWR);
        assert_ok(crd_seal_append(fd, victim, bad[i], 2));
        close(fd);
        assert_fails(read_victim(), CRD_ERR_INPUT, "victim.h5: damaged (range ");
    }
    io_copy(victim, large_path);
    int fd = open(victim, O_RDWR);
    assert_ok(
        crd_seal_append(fd, victim, NULL, 0)); /* of the first kind, as older programs made it */
    close(fd);
    assert_ok(read_victim());
    flip(size / 2);
    assert_fails(read_victim(), CRD_ERR_INPUT, "victim.h5: damaged (digest differs)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flip_is_found),
        cmocka_unit_test(only_the_rest_is_read_first),
        cmocka_unit_test(what_was_read_in_any_order_is_checked),
        cmocka_unit_test(ranges_are_in_the_file_in_order),
    };
    return cmocka_run_group_tests_name("seal", tests, setup, io_teardown);
}
