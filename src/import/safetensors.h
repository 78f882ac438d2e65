/** safetensors: the length of a JSON header in 8 bytes, the header, and the tensors one after the
 * other. Source: the format's description by Hugging Face. */
#ifndef CRD_IMPORT_SAFETENSORS_H
#define CRD_IMPORT_SAFETENSORS_H

#include "import/tensor_list.h"

/** 1 if the first n bytes of a file of file_bytes are those of this form. */
int crd_safetensors_fits(const uint8_t *bytes, int64_t n, int64_t file_bytes);

/** Lists the tensors of the open file, which stays the caller's, and the places of their bytes;
 * `path` is borrowed by *storages. Errors: CRD_ERR_INPUT: any length or place that is wrong,
 * holes and overlaps; both are empty then. */
crd_status crd_safetensors_list(crd_tensor_list *out, crd_storages **storages, int fd,
                                int64_t file_bytes, const char *path);

#endif
