/** A file that appears whole or not at all: written under a temporary name, synced, renamed. */
#ifndef CRD_IO_ATOMIC_H
#define CRD_IO_ATOMIC_H

#include <stdint.h>

#include "credence/status.h"

/** What is added to the name of a replaced file that is kept. */
#define CRD_ATOMIC_OLD ".prev"

typedef struct crd_atomic_file {
    char *path;      /**< its place; symbolic links are followed */
    char *temp_path; /**< in the same folder: ".NAME.XXXXXXYYYYYY.tmp" */
    int fd;          /**< of the temporary file, read and write */
    /** 1: the file that is replaced stays, as NAME CRD_ATOMIC_OLD; 0 after _begin */
    int keeps_old;
} crd_atomic_file;

/** Creates the temporary file with the mode of the file that it replaces, or the one that the
 * umask gives, and removes those that killed processes have left of the same `path` (a lock
 * tells: systems without open file description locks keep them). Errors: CRD_ERR_IO: folder
 * missing or not writable, or `path` is there and no regular file; nothing to release then. */
crd_status crd_atomic_begin(crd_atomic_file *file, const char *path);

/** Takes disk space for `bytes` after the present end, which moves. Errors: CRD_ERR_IO. */
crd_status crd_atomic_reserve(crd_atomic_file *file, int64_t bytes);

/** Brings all that was written to the disk, and lets go of copies in memory, so that reading
 * shows what has arrived. Errors: CRD_ERR_IO. */
crd_status crd_atomic_sync(crd_atomic_file *file);

/** Renames into place (replacing what is there), syncs the folder; releases in any case. After
 * _sync. */
crd_status crd_atomic_publish(crd_atomic_file *file);

/** Removes the temporary file and releases; harmless after _publish. */
void crd_atomic_abandon(crd_atomic_file *file);

/** Removes what killed processes have left of their tries to write `path`, told by name and
 * lock. */
void crd_atomic_remove_stale(const char *path);

/** Where a file written as `path` will be: a link's target, there or not, so that the link stays
 * a link. Free with crd_free. Errors: CRD_ERR_IO: no regular file is there. */
crd_status crd_atomic_resolve(char **out, const char *path);

/** Locks an open file against other processes, until it is closed or the process ends. 0, or -1
 * and errno: EAGAIN or EACCES: another has it; others: locks do not work here. */
int crd_atomic_lock(int fd);

/** Names a file that must not outlive this process, should a signal end it; `path` is borrowed
 * until _unguard. */
void crd_atomic_guard(char *path);
void crd_atomic_unguard(char *path);

/** Removes the files that are being written, and the guarded ones. Async-signal-safe; for the
 * end of the process only. */
void crd_atomic_remove_all(void);

#endif
