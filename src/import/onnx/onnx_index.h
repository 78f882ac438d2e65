/** Evaluations that index, sort or reduce. Private to this room. */
#ifndef CRD_IMPORT_ONNX_INDEX_H
#define CRD_IMPORT_ONNX_INDEX_H

#include "import/onnx/onnx_operators.h"

CRD_ONNX_SHAPE(gather);
CRD_ONNX_EVAL(gather);
CRD_ONNX_SHAPE(gather_elements);
CRD_ONNX_EVAL(gather_elements);
CRD_ONNX_SHAPE(gather_nd);
CRD_ONNX_EVAL(gather_nd);
CRD_ONNX_EVAL(scatter_elements);
CRD_ONNX_EVAL(scatter_nd);
CRD_ONNX_SHAPE(one_hot);
CRD_ONNX_EVAL(one_hot);
CRD_ONNX_SHAPE(compress);
CRD_ONNX_EVAL(compress);
CRD_ONNX_SHAPE(non_zero);
CRD_ONNX_EVAL(non_zero);
CRD_ONNX_SHAPE(top_k);
CRD_ONNX_EVAL(top_k);

/** rule of a reduction. */
enum {
    CRD_ONNX_SUM,
    CRD_ONNX_MEAN,
    CRD_ONNX_MAX,
    CRD_ONNX_MIN,
    CRD_ONNX_PROD,
    CRD_ONNX_L1,
    CRD_ONNX_L2,
    CRD_ONNX_SUM_SQUARE,
    CRD_ONNX_LOG_SUM,
    CRD_ONNX_LOG_SUM_EXP
};
CRD_ONNX_SHAPE(reduce);
CRD_ONNX_EVAL(reduce);
/** Axes that a reduction runs over; *is_known: its numbers are constants. */
crd_status crd_onnx_reduced(bool marks[CRD_MAX_DIMS], bool *is_known, const crd_onnx_call *call);
/** rule 1: of the largest, -1: of the smallest. */
CRD_ONNX_SHAPE(arg);
CRD_ONNX_EVAL(arg);
CRD_ONNX_EVAL(cum_sum);
/** rule 0: Softmax, 1: LogSoftmax, 2: Hardmax. */
CRD_ONNX_SHAPE(softmax);
CRD_ONNX_EVAL(softmax);
/** Axes [*first, *end) that it runs over: before opset 13 all from `axis` on, since that one. */
crd_status crd_onnx_softmax_axes(int *first, int *end, const crd_onnx_call *call);
CRD_ONNX_SHAPE(matmul);
CRD_ONNX_EVAL(matmul);
/** An Einsum of two factors, "BID,BJD->BIJ": axes of the factors and of the output as labels. */
typedef struct crd_onnx_equation {
    int n_labels, n_axes[3], labels[3][CRD_MAX_DIMS];
    bool is_summed[CRD_MAX_DIMS]; /**< by label: the output has none */
} crd_onnx_equation;
/** *is_known: it is of that form, with each letter once in each. */
void crd_onnx_equation_of(crd_onnx_equation *out, bool *is_known, const char *text);
CRD_ONNX_SHAPE(einsum);
CRD_ONNX_SHAPE(attention);

CRD_ONNX_SHAPE(layer_norm);
CRD_ONNX_EVAL(layer_norm);
CRD_ONNX_SHAPE(gemm);
CRD_ONNX_EVAL(gemm);

#endif
