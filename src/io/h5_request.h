/** What is asked of an HDF5 file that is read, and who answers: for a file that this process
 * writes, HDF5 in this process (h5_answer.c); for every other one a process of its own
 * (h5_process.c), so that a file that makes HDF5 crash, hang or ask for memory without end
 * costs no more than itself. */
#ifndef CRD_IO_H5_REQUEST_H
#define CRD_IO_H5_REQUEST_H

#include "io/h5.h"

enum { CRD_H5_KEY_SIZE = 128 };

typedef enum crd_h5_op {
    CRD_H5_OPEN,          /**< the file itself; no data */
    CRD_H5_DESCRIBE,      /**< crd_h5_facts of the object at `path` */
    CRD_H5_VALUES,        /**< `n_bytes` of values of a dataset as `type`: all of it or a block */
    CRD_H5_STRINGS,       /**< the strings of a dataset, each with its final zero */
    CRD_H5_DATASETS,      /**< paths of all datasets below `path`, each with its final zero */
    CRD_H5_ATTRIBUTE,     /**< attribute `key`: n_values of `type`, or a text with its final zero */
    CRD_H5_HAS_ATTRIBUTE, /**< one byte if attribute `key` is there, else nothing */
    CRD_H5_NUMBER,        /**< attribute `key`, of any numeric type, as one double; nothing: none */
    CRD_H5_STAMP,         /**< sets attribute `key` of an object of a copy to `text`; no data */
    CRD_H5_CLOSE,         /**< closes a copy; no data, and no further request */
    CRD_H5_ATTRIBUTES,    /**< all attributes: key and text, each with its final zero */
} crd_h5_op;

typedef struct crd_h5_request {
    crd_h5_op op;
    crd_h5_type type;
    int64_t n_values, n_bytes;
    int has_block;
    int64_t start[CRD_MAX_DIMS], count[CRD_MAX_DIMS];
    char path[CRD_H5_PATH_SIZE], key[CRD_H5_KEY_SIZE], text[CRD_H5_KEY_SIZE];
} crd_h5_request;

/** Takes the next `n` bytes of an answer. */
typedef crd_status crd_h5_sink(const void *data, int64_t n, void *payload);

/** Answers with HDF5, in the process that calls. */
crd_status crd_h5_answer(crd_h5 *file, const crd_h5_request *request, crd_h5_sink *sink,
                         void *payload);

/** A process that reads one file. */
typedef struct crd_h5_reader crd_h5_reader;

/** Starts one for the open file `fd`, which messages call `name`. `changes` 1: it is a copy, to
 * be changed. Errors: CRD_ERR_IO: no process can be started; CRD_ERR_INPUT: HDF5 cannot open
 * the file, or dies of it. */
crd_status crd_h5_reader_start(crd_h5_reader **out, int fd, const char *name, int changes);
/** Asks it. Errors: what the answer says; CRD_ERR_INPUT: it died, or took too long. */
crd_status crd_h5_reader_ask(crd_h5_reader *reader, const crd_h5_request *request,
                             crd_h5_sink *sink, void *payload);
/** Ends it. NULL is allowed. */
void crd_h5_reader_end(crd_h5_reader *reader);

/** Starts the HDF5 library, if it has not been: in the launcher, so that no reader has to. */
void crd_h5_prepare(void);
/** Opens the file with HDF5 in this process: for the reader's process only. */
crd_status crd_h5_open_here(crd_h5 **out, const char *path, const char *name, int changes);

#endif
