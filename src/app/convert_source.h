/** What a conversion starts from: a network with weights. Private to this room. */
#ifndef CRD_APP_CONVERT_SOURCE_H
#define CRD_APP_CONVERT_SOURCE_H

#include "credence/convert_files.h"
#include "credence/weights.h"
#include "credence/zoo.h"

typedef struct crd_convert_source {
    const crd_arch *arch; /**< NULL: of an ONNX model, which no table has */
    crd_network *network;
    crd_state_dict dict;      /**< its params are the weights, under the network's names */
    crd_posterior *posterior; /**< whose means the weights are; NULL: of a file, or random */
    crd_output_kind outputs;  /**< of an ONNX model; else logits */
} crd_convert_source;

/** Opens the weights, or makes random ones where none are given, and builds the network as these,
 * arch, crop, channels, n_classes and classes have it. Errors: CRD_ERR_USAGE: options
 * that contradict each other; those of the files. Clear it in any case. */
crd_status crd_convert_source_init(crd_convert_source *source,
                                   const crd_convert_files_options *options);
void crd_convert_source_clear(crd_convert_source *source);

#endif
