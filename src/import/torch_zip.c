/* The zip form of torch.save. libzip reads the archive; names, sizes, CRCs and the number of
 * members are checked first, since no length in a file is trusted. */
#include "import/torch_zip.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "base/alloc.h"
#include "credence/log.h"
#include "import/pickle.h"

enum { MAX_NAME = 512 };

typedef struct crd_torch_zip {
    crd_storages storages;
    zip_t *zip;
    zip_file_t *member;
    int64_t i_member;    /* the open one */
    char stem[MAX_NAME]; /* what all names begin with, up to the '/' */
    int has_told;        /* that a member has no CRC */
} crd_torch_zip;

/* One line about a failed zip_open. */
static crd_status refuse_zip(int code)
{
    switch (code) {
    case ZIP_ER_OPEN:
    case ZIP_ER_READ:
        return CRD_FAIL(CRD_ERR_INPUT, "cannot be read");
    case ZIP_ER_NOZIP:
        return CRD_FAIL(CRD_ERR_INPUT, "truncated (not downloaded whole?) or damaged: the zip "
                                       "directory at its end is missing or wrong");
    case ZIP_ER_EXISTS:
        return CRD_FAIL(CRD_ERR_INPUT, "damaged: two members have the same name");
    case ZIP_ER_MEMORY:
        return CRD_FAIL(CRD_ERR_INTERNAL, "zip directory: out of memory");
    }
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    crd_status status =
        CRD_FAIL(CRD_ERR_INPUT, "truncated or damaged: %s", zip_error_strerror(&error));
    zip_error_fini(&error);
    return status;
}

/* Names are never used as file names; a writer who puts ".." there means no good all the same. */
static int name_is_plain(const char *name)
{
    if (name[0] == '/' || strlen(name) >= MAX_NAME || strchr(name, '\\') != NULL)
        return 0;
    for (const char *part = name; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return 0;
    }
    return 1;
}

static crd_status stat_member(zip_stat_t *out, crd_torch_zip *archive, int64_t i)
{
    const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(archive->zip, (zip_uint64_t)i, 0, out) != 0 ||
        (out->valid & needed) != needed)
        return CRD_FAIL(CRD_ERR_INPUT, "damaged zip file: member %lld has no name or size",
                        (long long)i);
    return CRD_OK;
}

/* Remembers the stem if this is the pickle; there must be one only. */
static crd_status note_stem(crd_torch_zip *archive, const char *name)
{
    static const char ending[] = "/data.pkl";
    size_t length = strlen(name), n = sizeof ending - 1;
    if (length <= n || strcmp(name + length - n, ending) != 0)
        return CRD_OK;
    if (archive->stem[0] != '\0')
        return CRD_FAIL(CRD_ERR_INPUT, "two members are called data.pkl");
    memcpy(archive->stem, name, length - n);
    return CRD_OK;
}

/* Stored members whose sizes add up to no more than the file: no length in the archive can then
 * make us allocate or read more than the file has. */
static crd_status check_members(crd_torch_zip *archive, int64_t file_bytes)
{
    crd_status status = CRD_OK;
    char shown[CRD_PRINTABLE_SIZE];
    uint64_t bytes_left = (uint64_t)file_bytes;
    int64_t n_members = zip_get_num_entries(archive->zip, 0);
    for (int64_t i = 0; i < n_members; i++) {
        zip_stat_t info;
        CRD_TRY(stat_member(&info, archive, i));
        crd_pickle_printable(shown, info.name, (int64_t)strlen(info.name));
        CRD_REQUIRE(name_is_plain(info.name), CRD_ERR_INPUT,
                    "member name '%s' is a path torch.save does not write", shown);
        CRD_REQUIRE(info.comp_method == ZIP_CM_STORE && info.encryption_method == ZIP_EM_NONE,
                    CRD_ERR_INPUT,
                    "member %s is compressed or encrypted, which torch.save never does (from a "
                    "TorchScript archive, save module.state_dict() instead)",
                    shown);
        CRD_REQUIRE(info.size == info.comp_size && info.size <= bytes_left, CRD_ERR_INPUT,
                    "member %s claims more bytes (%llu) than the file has", shown,
                    (unsigned long long)info.size);
        bytes_left -= info.size;
        CRD_TRY(note_stem(archive, info.name));
    }
    CRD_REQUIRE(archive->stem[0] != '\0', CRD_ERR_INPUT,
                "a zip file without data.pkl: not a file of torch.save");
cleanup:
    return status;
}

/* <stem>/<name>: number and size, or member -1. */
static crd_status find_member(int64_t *member, int64_t *n_bytes, crd_torch_zip *archive,
                              const char *name)
{
    crd_status status = CRD_OK;
    char full[2 * MAX_NAME];
    int length = snprintf(full, sizeof full, "%s/%s", archive->stem, name);
    *member = length < (int)sizeof full ? zip_name_locate(archive->zip, full, 0) : -1;
    *n_bytes = 0;
    if (*member >= 0) {
        zip_stat_t info;
        CRD_TRY(stat_member(&info, archive, *member));
        *n_bytes = (int64_t)info.size;
    }
cleanup:
    return status;
}

static crd_status refuse_member(const crd_torch_zip *archive, const char *why)
{
    char shown[CRD_PRINTABLE_SIZE];
    const char *name = zip_get_name(archive->zip, (zip_uint64_t)archive->i_member, 0);
    crd_pickle_printable(shown, name, name == NULL ? 0 : (int64_t)strlen(name));
    return CRD_FAIL(CRD_ERR_INPUT, "%s in member %s: the file is damaged", why, shown);
}

/* torch.serialization.set_crc32_options(False) leaves CRC 0, which bytes have once in 2^32. */
static int lacks_crc(crd_torch_zip *archive)
{
    zip_stat_t info;
    if (zip_stat_index(archive->zip, (zip_uint64_t)archive->i_member, 0, &info) != 0 ||
        (info.valid & ZIP_STAT_CRC) == 0 || info.crc != 0 || info.size == 0)
        return 0;
    if (!archive->has_told)
        crd_log(CRD_LOG_INFO, "weights: the file was saved without checksums (CRC 0): damage in it "
                              "cannot be noticed");
    archive->has_told = 1;
    return 1;
}

static crd_status begin_member(crd_storages *storages, int64_t member)
{
    crd_torch_zip *archive = (crd_torch_zip *)storages;
    archive->i_member = member;
    archive->member = zip_fopen_index(archive->zip, (zip_uint64_t)member, 0);
    return archive->member == NULL ? refuse_member(archive, zip_strerror(archive->zip)) : CRD_OK;
}

static crd_status read_member(void *out, crd_storages *storages, int64_t n)
{
    crd_torch_zip *archive = (crd_torch_zip *)storages;
    char *to = out;
    while (n > 0) {
        zip_int64_t got = zip_fread(archive->member, to, (zip_uint64_t)n);
        if (got < 0)
            return refuse_member(archive, zip_file_strerror(archive->member));
        if (got == 0)
            return refuse_member(archive, "early end");
        to += got;
        n -= got;
    }
    return CRD_OK;
}

static crd_status end_member(crd_storages *storages)
{
    crd_torch_zip *archive = (crd_torch_zip *)storages;
    crd_status status = CRD_OK;
    char rest;
    /* libzip compares the CRC only when asked to read past the end. */
    zip_int64_t got = lacks_crc(archive) ? 0 : zip_fread(archive->member, &rest, 1);
    if (got < 0)
        status = refuse_member(archive, zip_file_strerror(archive->member));
    else if (got > 0)
        status = refuse_member(archive, "late end");
    zip_fclose(archive->member);
    archive->member = NULL;
    return status;
}

/* torch 2 says its byte order; torch 1 wrote what the machine had, which was little. */
static crd_status check_byte_order(crd_torch_zip *archive)
{
    crd_status status;
    int64_t member, n_bytes;
    char text[7] = "";
    CRD_TRY(find_member(&member, &n_bytes, archive, "byteorder"));
    if (member < 0)
        goto cleanup;
    CRD_TRY(begin_member(&archive->storages, member));
    CRD_TRY(read_member(text, &archive->storages, n_bytes < 6 ? n_bytes : 6));
    CRD_REQUIRE(strcmp(text, "big") != 0, CRD_ERR_INPUT,
                "written on a big-endian machine; load and save it again on a little-endian one");
    CRD_REQUIRE(strcmp(text, "little") == 0 && n_bytes == 6, CRD_ERR_INPUT,
                "member byteorder is neither 'little' nor 'big'");
    CRD_TRY(end_member(&archive->storages));
cleanup:
    return status;
}

static crd_status find_storage(int64_t *member, int64_t *n_bytes, crd_storages *storages,
                               const char *key)
{
    char name[MAX_NAME];
    crd_status status;
    snprintf(name, sizeof name, "data/%s", key);
    CRD_TRY(find_member(member, n_bytes, (crd_torch_zip *)storages, name));
    CRD_REQUIRE(*member >= 0, CRD_ERR_INPUT, "member %s is missing", name);
cleanup:
    return status;
}

static void close_zip(crd_storages *storages)
{
    crd_torch_zip *archive = (crd_torch_zip *)storages;
    if (archive->member != NULL)
        zip_fclose(archive->member);
    if (archive->zip != NULL)
        zip_discard(archive->zip);
}

static const crd_storages_kind zip_kind = {"member data/", 5,          find_storage, begin_member,
                                           read_member,    end_member, close_zip};

crd_status crd_torch_zip_open(crd_storages **out, int fd, int64_t file_bytes)
{
    crd_status status;
    crd_torch_zip *archive = NULL;
    int code = 0, own = -1;
    *out = NULL;
    CRD_ALLOC(&archive, 1, "archive");
    archive->storages.kind = &zip_kind;
    own = dup(fd);
    CRD_REQUIRE(own >= 0, CRD_ERR_IO, "cannot be opened twice: %s", strerror(errno));
    archive->zip = zip_fdopen(own, ZIP_CHECKCONS, &code);
    if (archive->zip == NULL)
        CRD_TRY(refuse_zip(code));
    own = -1; /* libzip has closed it */
    CRD_TRY(check_members(archive, file_bytes));
    CRD_TRY(check_byte_order(archive));
    *out = &archive->storages;
    archive = NULL;
cleanup:
    if (own >= 0)
        close(own);
    if (archive != NULL)
        crd_storages_close(&archive->storages);
    return status;
}

crd_status crd_torch_zip_load_pickle(char **bytes, int64_t *n_bytes, crd_storages *storages,
                                     int64_t max_bytes)
{
    crd_status status;
    char *text = NULL;
    int64_t member;
    CRD_TRY(find_member(&member, n_bytes, (crd_torch_zip *)storages, "data.pkl"));
    CRD_REQUIRE(member >= 0 && *n_bytes <= max_bytes, CRD_ERR_INPUT,
                "data.pkl has %lld bytes, at most %lld are allowed", (long long)*n_bytes,
                (long long)max_bytes);
    CRD_ALLOC(&text, *n_bytes, "data.pkl");
    CRD_TRY(begin_member(storages, member));
    CRD_TRY(read_member(text, storages, *n_bytes));
    CRD_TRY(end_member(storages));
    *bytes = text;
    text = NULL;
cleanup:
    crd_free(text);
    return status;
}
