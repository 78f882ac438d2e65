/* The unpickler and what is made of its values. The input is the pickle; the archive around it is always
 * right, so that no CRC keeps a mutation from being read. */
#define _GNU_SOURCE /* memfd_create */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "credence/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_PICKLE = 1 << 17 };

/* A zip file in the making: the members so far, and their directory. */
typedef struct archive {
    uint8_t bytes[MAX_PICKLE + 2048], directory[1024];
    uint32_t n_bytes, n_directory, n_members;
} archive;

static void put(uint8_t *to, uint32_t *at, uint64_t value, int n)
{
    for (int i = 0; i < n; i++)
        to[(*at)++] = (uint8_t)(value >> (8 * i));
}

/* What local header and directory entry have in common, from the version to the name's length. */
static void put_facts(uint8_t *to, uint32_t *at, const char *name, uint32_t crc, uint32_t size)
{
    put(to, at, 20, 2); /* version */
    put(to, at, 0, 8);  /* flags, stored, time, date */
    put(to, at, crc, 4);
    put(to, at, size, 4);
    put(to, at, size, 4);
    put(to, at, strlen(name), 2);
    put(to, at, 0, 2); /* no extra field */
}

static void add_member(archive *a, const char *name, const uint8_t *data, uint32_t size)
{
    uint32_t start = a->n_bytes, crc = (uint32_t)crc32(0, data, size);
    put(a->bytes, &a->n_bytes, 0x04034b50, 4);
    put_facts(a->bytes, &a->n_bytes, name, crc, size);
    memcpy(a->bytes + a->n_bytes, name, strlen(name));
    a->n_bytes += (uint32_t)strlen(name);
    memcpy(a->bytes + a->n_bytes, data, size);
    a->n_bytes += size;

    put(a->directory, &a->n_directory, 0x02014b50, 4);
    put(a->directory, &a->n_directory, 20, 2);
    put_facts(a->directory, &a->n_directory, name, crc, size);
    put(a->directory, &a->n_directory, 0, 8); /* comment, disk, attributes */
    put(a->directory, &a->n_directory, 0, 2);
    put(a->directory, &a->n_directory, start, 4);
    memcpy(a->directory + a->n_directory, name, strlen(name));
    a->n_directory += (uint32_t)strlen(name);
    a->n_members++;
}

static void finish(archive *a)
{
    uint32_t start = a->n_bytes;
    memcpy(a->bytes + a->n_bytes, a->directory, a->n_directory);
    a->n_bytes += a->n_directory;
    put(a->bytes, &a->n_bytes, 0x06054b50, 4);
    put(a->bytes, &a->n_bytes, 0, 4);
    put(a->bytes, &a->n_bytes, a->n_members, 2);
    put(a->bytes, &a->n_bytes, a->n_members, 2);
    put(a->bytes, &a->n_bytes, a->n_directory, 4);
    put(a->bytes, &a->n_bytes, start, 4);
    put(a->bytes, &a->n_bytes, 0, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static archive a;
    static const uint8_t floats[24] = {0, 0, 0x80, 0x3f, 1, 2, 3, 4, 5, 6, 7, 8};
    char path[64];
    if (size > MAX_PICKLE)
        return 0;
    a.n_bytes = a.n_directory = a.n_members = 0;
    add_member(&a, "a/data.pkl", data, (uint32_t)size);
    add_member(&a, "a/data/0", floats, 24); /* as the seeds want it */
    add_member(&a, "a/data/1", floats, 8);
    add_member(&a, "a/data/2", floats, 0);
    finish(&a);
    int file = memfd_create("weights", 0);
    if (file < 0 || write(file, a.bytes, a.n_bytes) != (ssize_t)a.n_bytes)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    crd_state_dict dict;
    int64_t before = crd_alloc_bytes();
    crd_status status = crd_state_dict_read(&dict, path, NULL);
    if (status != CRD_OK && status != CRD_ERR_INPUT)
        abort();
    /* The archive is sound: only the pickle may be at fault. */
    static const char zip_fault[] = ": truncated";
    if (status != CRD_OK &&
        strncmp(crd_status_message() + strlen(path), zip_fault, sizeof zip_fault - 1) == 0)
        abort();
    crd_state_dict_clear(&dict);
    if (crd_alloc_bytes() != before)
        abort();
    close(file);
    return 0;
}
