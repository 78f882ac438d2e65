/** The instruction sets within this room: their tables, and what this CPU can run. */
#ifndef CRD_KERNELS_VARIANTS_H
#define CRD_KERNELS_VARIANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"

/** Before a short loop over sums: gcc would unroll it too late for them to leave memory for
 * registers. */
#ifdef __clang__
#define CRD_UNROLLED
#else
#define CRD_UNROLLED _Pragma("GCC unroll 16")
#endif

extern const crd_kernels crd_kernels_ref;
extern const crd_conv_kernels crd_conv_kernels_ref;
extern const crd_bf16_kernels crd_bf16_kernels_ref;
extern const crd_param_kernels crd_param_kernels_ref;
extern const crd_elementwise_kernels crd_elementwise_kernels_ref;
/** `n_steps` steps of independent multiply-adds in registers. Returns the floating-point operations
 * of one step; *sink keeps the compiler from leaving the work out. */
typedef double crd_peak_loop(float *sink, int64_t n_steps);
crd_peak_loop crd_peak_loop_ref;

#ifdef CRD_KERNELS_X86
extern const crd_kernels crd_kernels_avx2;
extern const crd_kernels crd_kernels_avx512;
/** The same, but for bf16. */
extern const crd_kernels crd_kernels_avx512_bf16;
extern const crd_conv_kernels crd_conv_kernels_avx2;
extern const crd_bf16_kernels crd_bf16_kernels_avx2;
extern const crd_conv_kernels crd_conv_kernels_avx512;
extern const crd_bf16_kernels crd_bf16_kernels_avx512;
extern const crd_bf16_kernels crd_bf16_kernels_avx512_bf16;
extern const crd_param_kernels crd_param_kernels_avx2;
extern const crd_param_kernels crd_param_kernels_avx512;
extern const crd_elementwise_kernels crd_elementwise_kernels_avx2;
extern const crd_elementwise_kernels crd_elementwise_kernels_avx512;
crd_peak_loop crd_peak_loop_avx2;
crd_peak_loop crd_peak_loop_avx512;
crd_peak_loop crd_peak_loop_avx512_bf16;
#endif
#ifdef CRD_KERNELS_NEON
extern const crd_kernels crd_kernels_neon;
extern const crd_conv_kernels crd_conv_kernels_neon;
extern const crd_bf16_kernels crd_bf16_kernels_neon;
extern const crd_param_kernels crd_param_kernels_neon;
crd_peak_loop crd_peak_loop_neon;
#endif

typedef struct crd_variant {
    const crd_kernels *table;
    crd_peak_loop *peak_loop;
    crd_peak_loop *bf16_peak_loop; /**< the same one where products in bf16 are made of fp32's */
    bool (*runs_here)(void);
} crd_variant;

/** All variants of this build, the narrowest first. */
extern const crd_variant crd_variants[];
extern const int crd_n_variants;

/** The table CREDENCE_KERNELS now names, the widest if it is unset; NULL if it names none that runs
 * here. crd_kernels_get keeps the first answer. */
const crd_kernels *crd_kernels_choose(void);

#endif
