/** Random numbers as a function, not a state.
 *
 * Every random number of Credence is Philox4x32-10 (Salmon et al., "Parallel random numbers: as
 * easy as 1, 2, 3", SC 2011) of a key and a counter. The key is the seed. The counter is what the
 * number is for: (element block, draw, image, tensor and purpose). So draw d is the same network on
 * every rank, for every image, on every CPU, and any number can be made again from its address
 * alone.
 *
 * Key: the seed, low word first. Counter word 0: number of the counter within the stream; 1: draw;
 * 2: image; 3: tensor * 256 + purpose. Different streams never share a counter.
 *
 * Room: rng, which specifies the numbers; crd_normal_fill has its loops, and so its body, in
 * kernels.
 */
#ifndef CREDENCE_RNG_H
#define CREDENCE_RNG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a stream of random numbers is for. Values are part of the format: never renumber, only
 * append; at most 255. */
typedef enum crd_purpose {
    CRD_PURPOSE_WEIGHT = 1,      /**< eps of a parameter tensor */
    CRD_PURPOSE_SIGN_IN = 2,     /**< flipout: sign of an input channel (or pixel) */
    CRD_PURPOSE_SIGN_OUT = 3,    /**< flipout: sign of an output channel (or pixel) */
    CRD_PURPOSE_ACTIVATION = 4,  /**< local reparameterization: eps of an output element */
    CRD_PURPOSE_INITIAL_MU = 5,  /**< conversion without MOPED: initial mu */
    CRD_PURPOSE_INITIAL_RHO = 6, /**< conversion without MOPED: initial rho */
    CRD_PURPOSE_DROPOUT = 7,     /**< training: which elements dropout keeps; tensor is the node */
    CRD_PURPOSE_AUGMENT = 8,     /**< random changes of a training image; `draw` is the epoch */
    CRD_PURPOSE_SHUFFLE = 9,     /**< order of a data set; `draw` is the epoch, `image` the round */
    CRD_PURPOSE_BOOTSTRAP = 10,  /**< resampling of images for errors; `draw` is the resample */
    CRD_PURPOSE_LABEL = 11,      /**< a class drawn with a draw's probabilities */
    /** `draw` is the step, `image` the number of the chain: noise of a step, of its parameter */
    CRD_PURPOSE_CHAIN = 12,
    CRD_PURPOSE_CHAIN_START = 13,  /**< likewise the first direction of a chain */
    CRD_PURPOSE_CHAIN_ACCEPT = 14, /**< likewise whether a proposal is accepted */
    CRD_PURPOSE_LOW_RANK = 15,     /**< factors of a draw's deviations; all tensors share them */
} crd_purpose;

/** Address of a stream. Its elements are numbered from 0. */
typedef struct crd_stream {
    uint64_t seed;    /**< of the run: Philox key */
    uint32_t draw;    /**< number of the draw */
    uint32_t image;   /**< number of the image in the run; 0 where the stream serves all images */
    uint32_t tensor;  /**< index of the parameter in the network's table, below 2^24 */
    uint32_t purpose; /**< crd_purpose */
    uint32_t negated; /**< 1: every normal with the other sign, to the bit; signs stay */
} crd_stream;

/** One Philox4x32-10 block. Source: Salmon et al. 2011; known answers of Random123. Collective: no.
 */
void crd_philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/** Elements of the stream in one block of 16 Philox counters: element e lies in superblock e / 64;
 * there lane e % 16 of word (e / 16) % 4 belongs to counter 16 * (e / 64) + lane. A superblock
 * holds 64 elements so that every instruction set up to 512 bits makes it without shuffles. */
#define CRD_STREAM_BLOCK 64

/** Image at place `place`, 0 .. n - 1, of epoch `epoch` of a shuffled data set: a bijection of 0
 * .. n - 1 that is a function of (seed, epoch), evaluated in constant memory (a Feistel network
 * with cycle walking). n <= 2^62, epoch < 2^32. Collective: no. */
int64_t crd_shuffled(int64_t place, int64_t n, uint64_t seed, int64_t epoch);

/** Standard normals: elements [first, first + n) of the stream into out[0 .. n). Box-Muller: words
 * 0 and 1 of a counter give the elements of words 0 and 1, words 2 and 3 likewise; src/rng/normal.h
 * is the arithmetic. |value| < 6.8. Same bits for every instruction set. `first` is a multiple of
 * CRD_STREAM_BLOCK; n is any length; first + n <= 2^34. Collective: no. Cost: about 0.5 ns an
 * element with AVX-512, 1 ns with AVX2, 20 ns without. */
void crd_normal_fill(float *out, int64_t n, int64_t first, const crd_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
