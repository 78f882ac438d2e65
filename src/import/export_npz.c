/* npz, what numpy.savez writes: a zip of .npy files, stored. Formats: PKWARE's APPNOTE 6.3, numpy's
 * NEP 1. Without zip64: a state dict above 4 GiB is better kept as safetensors. */
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "base/alloc.h"
#include "import/export.h"

enum { NPY_SIZE = 512, RECORD_SIZE = 1024, MAX_MEMBERS = 65534 };

/* A little-endian record in the making. */
typedef struct record {
    unsigned char bytes[RECORD_SIZE];
    int64_t n;
} record;

/* What the directory at the end repeats of a member. */
typedef struct member {
    uint32_t crc, offset, n_bytes;
} member;

static void put(record *r, uint64_t value, int n)
{
    for (int i = 0; i < n; i++)
        r->bytes[r->n++] = (unsigned char)(value >> (8 * i));
}

static void put_name(record *r, const char *name)
{
    r->n += snprintf((char *)r->bytes + r->n, (size_t)(RECORD_SIZE - r->n), "%s.npy", name);
}

/* Magic, version 1.0, length, a Python dict, padded to 64 bytes. Returns its length. */
static int64_t make_npy_header(char out[NPY_SIZE], const crd_export_array *array)
{
    char *text = out + 10;
    int n = snprintf(text, NPY_SIZE - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                     array->is_int64 ? "<i8" : "<f4");
    for (int d = 0; d < array->shape.n_dims; d++)
        n += snprintf(text + n, (size_t)(NPY_SIZE - 10 - n), "%lld,%s",
                      (long long)array->shape.dims[d], d + 1 < array->shape.n_dims ? " " : "");
    n += snprintf(text + n, (size_t)(NPY_SIZE - 10 - n), "), }");
    int length = (10 + n + 1 + 63) / 64 * 64;
    memset(text + n, ' ', (size_t)(length - 10 - n));
    out[length - 1] = '\n';
    memcpy(out, "\x93NUMPY\1\0", 8);
    out[8] = (char)((length - 10) & 0xff);
    out[9] = (char)((length - 10) >> 8);
    return length;
}

/* What the local header and the directory's entry have in common. */
static void put_facts(record *r, const member *m, const char *name)
{
    put(r, 20, 2);         /* version 2.0 */
    put(r, 0, 2);          /* flags */
    put(r, 0, 2);          /* stored */
    put(r, 0, 2);          /* time 00:00 */
    put(r, 1 << 5 | 1, 2); /* 1980-01-01 */
    put(r, m->crc, 4);
    put(r, m->n_bytes, 4);
    put(r, m->n_bytes, 4);
    put(r, strlen(name) + 4, 2);
    put(r, 0, 2); /* no extra field */
}

static crd_status write_member(member *m, uint64_t *at, int fd, const crd_export_array *array,
                               const char *path)
{
    crd_status status;
    char header[NPY_SIZE];
    record r = {.n = 0};
    int64_t n_header = make_npy_header(header, array), n = crd_export_bytes(array);
    m->offset = (uint32_t)*at;
    m->n_bytes = (uint32_t)(n_header + n);
    m->crc = (uint32_t)crc32_z(0, (const unsigned char *)header, (size_t)n_header);
    m->crc = (uint32_t)crc32_z(m->crc, array->values, (size_t)n);
    put(&r, 0x04034b50, 4);
    put_facts(&r, m, array->name);
    put_name(&r, array->name);
    CRD_TRY(crd_export_put(fd, r.bytes, r.n, path));
    CRD_TRY(crd_export_put(fd, header, n_header, path));
    CRD_TRY(crd_export_put(fd, array->values, n, path));
    *at += (uint64_t)(r.n + n_header + n);
cleanup:
    return status;
}

static crd_status write_entry(uint64_t *at, int fd, const member *m, const char *name,
                              const char *path)
{
    record r = {.n = 0};
    put(&r, 0x02014b50, 4);
    put(&r, 20, 2); /* made by version 2.0 */
    put_facts(&r, m, name);
    put(&r, 0, 2 + 2 + 2); /* no comment, disk 0, no inner attributes */
    put(&r, 0, 4);         /* no outer ones */
    put(&r, m->offset, 4);
    put_name(&r, name);
    *at += (uint64_t)r.n;
    return crd_export_put(fd, r.bytes, r.n, path);
}

static crd_status write_end(int fd, int64_t n, uint64_t start, uint64_t end, const char *path)
{
    record r = {.n = 0};
    put(&r, 0x06054b50, 4);
    put(&r, 0, 2 + 2); /* one disk */
    put(&r, (uint64_t)n, 2);
    put(&r, (uint64_t)n, 2);
    put(&r, end - start, 4);
    put(&r, start, 4);
    put(&r, 0, 2); /* no comment */
    return crd_export_put(fd, r.bytes, r.n, path);
}

crd_status crd_export_npz(int fd, const crd_export_array *arrays, int64_t n, const char *path)
{
    crd_status status;
    member *members = NULL;
    uint64_t at = 0, start;
    int64_t n_all = 0;
    for (int64_t i = 0; i < n; i++)
        n_all += crd_export_bytes(&arrays[i]) + NPY_SIZE + 2 * RECORD_SIZE;
    CRD_REQUIRE(n_all < UINT32_MAX && n <= MAX_MEMBERS, CRD_ERR_USAGE,
                "%s: %lld bytes in %lld arrays are more than an npz file holds here; use --to "
                "safetensors",
                path, (long long)n_all, (long long)n);
    CRD_ALLOC(&members, n, "members");
    for (int64_t i = 0; i < n; i++)
        CRD_TRY(write_member(&members[i], &at, fd, &arrays[i], path));
    start = at;
    for (int64_t i = 0; i < n; i++)
        CRD_TRY(write_entry(&at, fd, &members[i], arrays[i].name, path));
    CRD_TRY(write_end(fd, n, start, at, path));
cleanup:
    crd_free(members);
    return status;
}
