/** Philox4x32-10 for inlining, and how the address of a stream becomes counter and key. */
#ifndef CRD_RNG_PHILOX_H
#define CRD_RNG_PHILOX_H

#include <stdint.h>

#include "credence/rng.h"

#define CRD_PHILOX_ROUNDS 10
#define CRD_PHILOX_M0 0xD2511F53u
#define CRD_PHILOX_M1 0xCD9E8D57u

/** The pair of keys of every round: the key plus a multiple of the Weyl constants. */
static inline void crd_philox_keys(uint32_t keys[CRD_PHILOX_ROUNDS][2], uint32_t k0, uint32_t k1)
{
    for (uint32_t round = 0; round < CRD_PHILOX_ROUNDS; round++) {
        keys[round][0] = k0 + round * 0x9E3779B9u;
        keys[round][1] = k1 + round * 0xBB67AE85u;
    }
}

/** One block in place: counter in, random words out. */
static inline void crd_philox_rounds(uint32_t c[4], uint32_t keys[CRD_PHILOX_ROUNDS][2])
{
    for (int round = 0; round < CRD_PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)CRD_PHILOX_M0 * c[0];
        uint64_t p1 = (uint64_t)CRD_PHILOX_M1 * c[2];
        c[0] = (uint32_t)(p1 >> 32) ^ c[1] ^ keys[round][0];
        c[2] = (uint32_t)(p0 >> 32) ^ c[3] ^ keys[round][1];
        c[1] = (uint32_t)p1;
        c[3] = (uint32_t)p0;
    }
}

/** Round keys of a stream: its seed, low word first. */
static inline void crd_stream_keys(uint32_t keys[CRD_PHILOX_ROUNDS][2], const crd_stream *stream)
{
    crd_philox_keys(keys, (uint32_t)stream->seed, (uint32_t)(stream->seed >> 32));
}

/** Counter number `index` of a stream, as rng.h states it. */
static inline void crd_stream_counter(uint32_t c[4], const crd_stream *stream, uint32_t index)
{
    c[0] = index;
    c[1] = stream->draw;
    c[2] = stream->image;
    c[3] = stream->tensor << 8 | stream->purpose;
}

/** What is added to the angle word of a stream's normals: half a turn changes the sign of sine and
 * cosine and nothing else, so that the negated normals cost nothing. */
static inline uint32_t crd_stream_turn(const crd_stream *stream)
{
    return stream->negated ? 0x80000000u : 0;
}

#endif
