#include "crd_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

static void status_keeps_one_clean_line(void **state)
{
    (void)state;
    assert_int_equal(CRD_FAIL(CRD_ERR_INPUT, "a\nb\x1b[2J %d", 7), CRD_ERR_INPUT);
    assert_string_equal(crd_status_message(), "a?b?[2J 7");
    CRD_FAIL(CRD_ERR_IO, "outer: %s", crd_status_message());
    assert_string_equal(crd_status_message(), "outer: a?b?[2J 7");
    char big[2 * CRD_MESSAGE_SIZE];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    CRD_FAIL(CRD_ERR_IO, "%s", big);
    assert_int_equal(strlen(crd_status_message()), CRD_MESSAGE_SIZE - 1);
}

static void numbers_are_parsed_strictly(void **state)
{
    (void)state;
    int64_t i = 0;
    double d = 0;
    assert_ok(crd_text_to_int64(&i, "100", 1, 1000, "--draws"));
    assert_int_equal(i, 100);
    const char *bad[] = {"",    "0", "-5", "1e99", "abc", "12x", " 12", "99999999999999999999",
                         "0x10"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        assert_fails(crd_text_to_int64(&i, bad[k], 1, 1000, "--draws"), CRD_ERR_USAGE, "--draws");
    assert_int_equal(i, 100);
    assert_ok(crd_text_to_double(&d, "-3.5e-1", -1, 1, "x"));
    assert_true(d == -0.35);
    const char *bad_double[] = {"", "nan", "inf", "2", "1e999", "0.5 "};
    for (size_t k = 0; k < sizeof bad_double / sizeof *bad_double; k++)
        assert_fails(crd_text_to_double(&d, bad_double[k], -1, 1, "x"), CRD_ERR_USAGE, "x");
}

static void memory_is_aligned_counted_and_checked(void **state)
{
    (void)state;
    int64_t before = crd_alloc_bytes(), count = crd_alloc_count();
    void *p = NULL;
    assert_ok(crd_alloc_zeroed(&p, 1000, 3, "p"));
    assert_int_equal((uintptr_t)p % CRD_ALIGNMENT, 0);
    assert_int_equal(crd_alloc_bytes(), before + 3000);
    assert_int_equal(crd_alloc_count(), count + 1);
    assert_ok(crd_alloc_grow(&p, 1000, 2000, 3, "p"));
    for (int k = 0; k < 6000; k++)
        assert_int_equal(((char *)p)[k], 0);
    crd_free(p);
    assert_int_equal(crd_alloc_bytes(), before);
    assert_fails(crd_alloc_zeroed(&p, INT64_MAX, 8, "huge"), CRD_ERR_INTERNAL, "huge");
    assert_fails(crd_alloc_zeroed(&p, -1, 8, "negative"), CRD_ERR_INTERNAL, "negative");
    assert_fails(crd_alloc_zeroed(&p, INT64_MAX / 16, 8, "large"), CRD_ERR_INTERNAL, "memory");
    assert_null(p);
}

/* Eight large blocks lie in different sets of the cache, wherever the system puts them in a page. */
static void large_blocks_are_apart(void **state)
{
    (void)state;
    enum { N = 8, PAGE = 4096 };
    int64_t before = crd_alloc_bytes();
    void *blocks[N];
    for (int i = 0; i < N; i++) {
        assert_ok(crd_alloc_zeroed(&blocks[i], 40 << 20, 1, "block"));
        assert_int_equal((uintptr_t)blocks[i] % CRD_ALIGNMENT, 0);
        for (int k = 0; k < i; k++)
            assert_int_not_equal((uintptr_t)blocks[i] % PAGE, (uintptr_t)blocks[k] % PAGE);
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(((char *)blocks[i])[(40 << 20) - 1], 0);
        crd_free(blocks[i]);
    }
    assert_int_equal(crd_alloc_bytes(), before);
}

static void distance_counts_edits(void **state)
{
    (void)state;
    assert_int_equal(crd_text_distance("kitten", "sitting"), 3);
    assert_int_equal(crd_text_distance("", "abc"), 3);
    assert_int_equal(crd_text_distance("draws", "draws"), 0);
}

static void clock_goes_forward(void **state)
{
    (void)state;
    char stamp[CRD_TIMESTAMP_SIZE];
    crd_clock_timestamp(stamp);
    assert_int_equal(strlen(stamp), 20);
    double a = crd_clock_now_s();
    assert_true(crd_clock_now_s() >= a);
}

/* What a user may name by mistake or malice: each refused at once, none waited for. */
static void only_regular_files_are_opened(void **state)
{
    (void)state;
    char folder[] = "/tmp/credence-file-XXXXXX", path[64], pipe_path[64], link_path[64];
    char *bytes;
    int64_t n_bytes;
    int fd;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    snprintf(link_path, sizeof link_path, "%s/link", folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_int_equal(symlink("/dev/zero", link_path), 0);
    const char *const refused[] = {pipe_path, link_path, "/dev/zero", "/dev/tty"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_fails(crd_file_open(&fd, NULL, refused[i], INT64_MAX), CRD_ERR_INPUT,
                     "is not a regular file");
        assert_int_equal(fd, -1);
    }
    assert_fails(crd_file_load(&bytes, &n_bytes, folder, 9), CRD_ERR_INPUT, "is a folder");
    assert_fails(crd_file_load(&bytes, &n_bytes, path, 9), CRD_ERR_INPUT, "file: cannot be opened");
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "123456789", 9), 9);
    close(fd);
    assert_ok(crd_file_load(&bytes, &n_bytes, path, 9));
    assert_int_equal(n_bytes, 9);
    assert_string_equal(bytes, "123456789");
    crd_free(bytes);
    assert_fails(crd_file_load(&bytes, &n_bytes, path, 8), CRD_ERR_INPUT, "at most 8 are allowed");
    assert_null(bytes);
    assert_ok(crd_file_open(&fd, &n_bytes, path, 9));
    assert_fails(crd_file_read(path, fd, 3, 7, "file"), CRD_ERR_IO, "became shorter");
    close(fd);
    snprintf(path, sizeof path, "%s/file", folder);
    unlink(path);
    unlink(pipe_path);
    unlink(link_path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_keeps_one_clean_line),
        cmocka_unit_test(numbers_are_parsed_strictly),
        cmocka_unit_test(memory_is_aligned_counted_and_checked),
        cmocka_unit_test(large_blocks_are_apart),
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(clock_goes_forward),
        cmocka_unit_test(only_regular_files_are_opened),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
