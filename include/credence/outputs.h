/** What the outputs of a network are. Room: base. */
#ifndef CREDENCE_OUTPUTS_H
#define CREDENCE_OUTPUTS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum crd_output_kind {
    CRD_OUTPUT_LOGITS, /**< of classes */
    CRD_OUTPUT_MEANS,  /**< regression: values, nothing known of their noise */
    CRD_OUTPUT_NORMALS /**< regression: means of normal distributions, then as many log variances */
} crd_output_kind;

#ifdef __cplusplus
}
#endif
#endif
