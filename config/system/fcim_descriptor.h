// SPDX-License-Identifier: Apache-2.0
// A descriptor of the accelerator: the bytes in memory by which software orders one call, and the word with which it ends.
// Written by make registers from models/system/descriptor.py. docs/registers.md says what the fields mean and what is legal.
#ifndef FCIM_DESCRIPTOR_H
#define FCIM_DESCRIPTOR_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a descriptor is little endian: swap the bytes of each field, and take this line out"
#endif

#define FCIM_DESCRIPTOR_BYTES 128
#define FCIM_COMPLETION_BYTES 8

// op
#define FCIM_OP_PREFILL 1u
#define FCIM_OP_DECODE 2u

// flags
#define FCIM_FLAG_FUSED 0x1u
#define FCIM_FLAG_SKIP 0x2u
#define FCIM_FLAG_OWN_START 0x4u
#define FCIM_FLAG_INTERRUPT 0x8u

// the completion word: a mask, and where its lowest bit is
#define FCIM_COMPLETION_TAG_bm 0xffffffffull
#define FCIM_COMPLETION_TAG_bp 0
#define FCIM_COMPLETION_STATUS_bm 0xff00000000ull
#define FCIM_COMPLETION_STATUS_bp 32

// status
#define FCIM_STATUS_OK 0u
#define FCIM_STATUS_UNKNOWN_OP 1u
#define FCIM_STATUS_RESERVED 2u
#define FCIM_STATUS_SIZE 3u
#define FCIM_STATUS_ALIGNMENT 4u
#define FCIM_STATUS_UNREADABLE 5u
#define FCIM_STATUS_READ 6u
#define FCIM_STATUS_WRITE 7u
#define FCIM_STATUS_ENGINE 8u

// No field lies across a multiple of its size, so that nothing has to be packed; the lines behind it hold that.
typedef struct {
    uint8_t op;                // 1 prefill, 2 decode
    uint8_t flags;             // bit 0 `fused`, 1 `skip`, 2 own start, 3 interrupt when done; others 0
    uint8_t tau;               // lazy threshold: 0 to 8 powers of two by which a score may pass the running maximum; 0: none
    uint8_t octaves;           // with `skip`: blocks so many powers of two below the maximum are left out; 0: only of probability 0
    uint8_t group;             // query heads per KV head
    uint8_t split;             // engines per KV head in decode: 1, 2, 4, 8 or 16; 1 in prefill
    uint16_t reserved;         // 0
    uint32_t tokens;           // query tokens
    uint32_t first;            // position of the first query token: so many keys are in the cache before it
    uint32_t kv_heads;         // KV heads
    uint32_t tag;              // what the completion word repeats
    uint64_t q;                // base of Q
    uint64_t k;                // base of K
    uint64_t v;                // base of V
    uint64_t o;                // base of O
    uint64_t q_table;          // base of the multipliers of Q
    uint64_t k_table;          // base of the multipliers of K and V
    uint32_t q_token_stride;   // from token to token, bytes
    uint32_t q_head_stride;    // from query head to query head, bytes
    uint32_t k_token_stride;   // from token to token, bytes
    uint32_t k_head_stride;    // from KV head to KV head, bytes
    uint32_t v_token_stride;   // from token to token, bytes
    uint32_t v_head_stride;    // from KV head to KV head, bytes
    uint32_t o_token_stride;   // from token to token, bytes
    uint32_t o_head_stride;    // from query head to query head, bytes
    uint32_t q_table_stride;   // from KV head to KV head, bytes
    uint32_t k_table_stride;   // from KV head to KV head, bytes
    uint64_t completion;       // where the 8 bytes of the completion word go
    uint64_t h_table;          // base of the shifts, a byte per KV head
} fcim_descriptor_t;

#define FCIM_LIES_AT(field, byte, bytes) static_assert(offsetof(fcim_descriptor_t, field) == byte \
    && sizeof(((fcim_descriptor_t *)0)->field) == bytes, #field)
FCIM_LIES_AT(op, 0, 1);
FCIM_LIES_AT(flags, 1, 1);
FCIM_LIES_AT(tau, 2, 1);
FCIM_LIES_AT(octaves, 3, 1);
FCIM_LIES_AT(group, 4, 1);
FCIM_LIES_AT(split, 5, 1);
FCIM_LIES_AT(reserved, 6, 2);
FCIM_LIES_AT(tokens, 8, 4);
FCIM_LIES_AT(first, 12, 4);
FCIM_LIES_AT(kv_heads, 16, 4);
FCIM_LIES_AT(tag, 20, 4);
FCIM_LIES_AT(q, 24, 8);
FCIM_LIES_AT(k, 32, 8);
FCIM_LIES_AT(v, 40, 8);
FCIM_LIES_AT(o, 48, 8);
FCIM_LIES_AT(q_table, 56, 8);
FCIM_LIES_AT(k_table, 64, 8);
FCIM_LIES_AT(q_token_stride, 72, 4);
FCIM_LIES_AT(q_head_stride, 76, 4);
FCIM_LIES_AT(k_token_stride, 80, 4);
FCIM_LIES_AT(k_head_stride, 84, 4);
FCIM_LIES_AT(v_token_stride, 88, 4);
FCIM_LIES_AT(v_head_stride, 92, 4);
FCIM_LIES_AT(o_token_stride, 96, 4);
FCIM_LIES_AT(o_head_stride, 100, 4);
FCIM_LIES_AT(q_table_stride, 104, 4);
FCIM_LIES_AT(k_table_stride, 108, 4);
FCIM_LIES_AT(completion, 112, 8);
FCIM_LIES_AT(h_table, 120, 8);
#undef FCIM_LIES_AT
static_assert(sizeof(fcim_descriptor_t) == FCIM_DESCRIPTOR_BYTES, "fcim_descriptor_t");

#endif
