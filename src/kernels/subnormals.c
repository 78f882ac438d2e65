/* The modes of a core's arithmetic that take numbers below 2^-126 for 0. */
#include <stdint.h>

#include "kernels/kernels.h"

#if defined CRD_KERNELS_X86

enum { MODES = 1 << 15 | 1 << 6 }; /* MXCSR: results, operands */

static uint64_t get(void)
{
    return __builtin_ia32_stmxcsr();
}

static void set(uint64_t state)
{
    __builtin_ia32_ldmxcsr((unsigned)state);
}

#elif defined CRD_KERNELS_NEON

enum { MODES = 1 << 24 }; /* FPCR: both */

static uint64_t get(void)
{
    uint64_t state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    return state;
}

static void set(uint64_t state)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(state));
}

#else

enum { MODES = 0 };

static uint64_t get(void)
{
    return 0;
}

static void set(uint64_t state)
{
    (void)state;
}

#endif

uint64_t crd_subnormals_flush(void)
{
    uint64_t before = get();
    set(before | MODES);
    return before;
}

void crd_subnormals_restore(uint64_t before)
{
    set(before);
}
