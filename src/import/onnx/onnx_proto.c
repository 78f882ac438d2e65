/* protobuf-c unpacks by recursion, and without a limit: a walk over the wire format that knows the
 * message types checks nesting and lengths first. Every allocation is counted against the budget,
 * as a few bytes in a file can ask for a large structure. */
#include "import/onnx/onnx_proto.h"

#include <stdlib.h>
#include <string.h>

#include "import/onnx/onnx_outside.h"

enum { MAX_NESTING = 32, HEADER = 16 };

/* A base 128 number. Returns the bytes it takes; 0: damaged. */
static int64_t read_varint(uint64_t *out, const uint8_t *bytes, int64_t n)
{
    *out = 0;
    for (int64_t k = 0; k < n && k < 10; k++) {
        *out |= (uint64_t)(bytes[k] & 127) << (7 * k);
        if (bytes[k] < 128)
            return k + 1;
    }
    return 0;
}

/* Bytes of a field's value, its length included; *inner: of them, what a message may have. */
static int64_t value_bytes(int64_t *inner, int wire, const uint8_t *bytes, int64_t n)
{
    uint64_t number = 0;
    int64_t used = 0;
    *inner = 0;
    if (wire == 1 || wire == 5)
        return wire == 1 ? 8 : 4;
    if (wire != 0 && wire != 2)
        return 0;
    used = read_varint(&number, bytes, n);
    if (wire == 0 || used == 0)
        return used;
    if (number > (uint64_t)(n - used))
        return 0;
    *inner = (int64_t)number;
    return used + (int64_t)number;
}

static crd_status check_message(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                                int64_t n, int depth)
{
    crd_status status = CRD_OK;
    uint64_t seen = 0; /* single messages, by field: protobuf-c joins a second one by copying */
    CRD_REQUIRE(depth <= MAX_NESTING, CRD_ERR_INPUT, "its messages are nested more than %d deep",
                MAX_NESTING);
    for (int64_t at = 0; at < n;) {
        uint64_t key;
        int64_t inner, used = read_varint(&key, bytes + at, n - at);
        CRD_REQUIRE(used > 0 && key >> 3 > 0 && key >> 3 < 1 << 29, CRD_ERR_INPUT,
                    "damaged: no field begins where one should");
        at += used;
        used = value_bytes(&inner, (int)(key & 7), bytes + at, n - at);
        CRD_REQUIRE(used > 0 && used <= n - at, CRD_ERR_INPUT,
                    "damaged or truncated: field %llu of %s ends beyond its message",
                    (unsigned long long)(key >> 3), type->name);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3));
        bool is_message = field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE;
        if (is_message && field->label != PROTOBUF_C_LABEL_REPEATED && field->id < 64) {
            CRD_REQUIRE((seen >> field->id & 1) == 0, CRD_ERR_INPUT,
                        "damaged: field %u of %s is there twice", field->id, type->name);
            seen |= UINT64_C(1) << field->id;
        }
        if (is_message && (key & 7) == 2)
            CRD_TRY(check_message(field->descriptor, bytes + at + used - inner, inner, depth + 1));
        at += used;
    }
cleanup:
    return status;
}

/* Blocks remember their size in front. */
static void *counted_alloc(void *data, size_t size)
{
    crd_onnx_budget *budget = data;
    int64_t bytes = (int64_t)size + HEADER;
    if (bytes < HEADER || bytes > budget->limit - budget->used)
        return NULL;
    char *block = malloc((size_t)bytes);
    if (block == NULL)
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    budget->used += bytes;
    return block + HEADER;
}

static void counted_free(void *data, void *pointer)
{
    crd_onnx_budget *budget = data;
    int64_t bytes;
    if (pointer == NULL)
        return;
    char *block = (char *)pointer - HEADER;
    memcpy(&bytes, block, sizeof bytes);
    budget->used -= bytes;
    free(block);
}

static ProtobufCAllocator allocator_of(crd_onnx_budget *budget)
{
    return (ProtobufCAllocator){counted_alloc, counted_free, budget};
}

crd_status crd_onnx_message_unpack(ProtobufCMessage **out, crd_onnx_budget *budget,
                                   const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                                   int64_t n)
{
    crd_status status = CRD_OK;
    ProtobufCAllocator allocator = allocator_of(budget);
    *out = NULL;
    CRD_TRY(check_message(type, bytes, n, 0));
    *out = protobuf_c_message_unpack(type, &allocator, (size_t)n, bytes);
    CRD_REQUIRE(*out != NULL, CRD_ERR_INPUT,
                "damaged, or needs more than %lld MB of memory, which is what a file of its size "
                "may",
                (long long)(budget->limit >> 20));
cleanup:
    return status;
}

void crd_onnx_message_free(ProtobufCMessage *message, crd_onnx_budget *budget)
{
    ProtobufCAllocator allocator = allocator_of(budget);
    if (message != NULL)
        protobuf_c_message_free_unpacked(message, &allocator);
}

/* Bytes of an element in raw data. */
static int64_t raw_bytes(crd_onnx_type type)
{
    static const signed char bytes[] = {0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8, 0, 0, 2};
    return bytes[type];
}

/* Element i of little-endian raw data. */
static void set_raw(crd_onnx_tensor *out, int64_t i, const uint8_t *raw)
{
    uint64_t bits = 0;
    int64_t n = raw_bytes(out->type);
    for (int64_t k = 0; k < n; k++)
        bits |= (uint64_t)raw[i * n + k] << (8 * k);
    if (out->type == CRD_ONNX_FLOAT16)
        out->f[i] = crd_onnx_from_half((uint16_t)bits);
    else if (out->type == CRD_ONNX_BFLOAT16)
        out->f[i] = crd_onnx_from_bfloat((uint16_t)bits);
    else if (out->type == CRD_ONNX_DOUBLE)
        memcpy(&out->d[i], &bits, sizeof bits);
    else if (out->type == CRD_ONNX_FLOAT) {
        uint32_t word = (uint32_t)bits;
        memcpy(&out->f[i], &word, sizeof word);
    } else
        crd_onnx_set_int(out, i, (int64_t)bits);
}

/* Numbers in the field of their type; *n of them. */
static void typed_count(size_t *n, const Onnx__TensorProto *proto, crd_onnx_type type)
{
    *n = type == CRD_ONNX_FLOAT                               ? proto->n_float_data
         : type == CRD_ONNX_DOUBLE                            ? proto->n_double_data
         : type == CRD_ONNX_INT64                             ? proto->n_int64_data
         : type == CRD_ONNX_UINT32 || type == CRD_ONNX_UINT64 ? proto->n_uint64_data
                                                              : proto->n_int32_data;
}

static void set_typed(crd_onnx_tensor *out, int64_t i, const Onnx__TensorProto *proto)
{
    switch (out->type) {
    case CRD_ONNX_FLOAT:
        out->f[i] = proto->float_data[i];
        break;
    case CRD_ONNX_DOUBLE:
        out->d[i] = proto->double_data[i];
        break;
    case CRD_ONNX_INT64:
        out->i[i] = proto->int64_data[i];
        break;
    case CRD_ONNX_UINT32:
    case CRD_ONNX_UINT64:
        crd_onnx_set_int(out, i, (int64_t)proto->uint64_data[i]);
        break;
    case CRD_ONNX_FLOAT16:
        out->f[i] = crd_onnx_from_half((uint16_t)proto->int32_data[i]);
        break;
    case CRD_ONNX_BFLOAT16:
        out->f[i] = crd_onnx_from_bfloat((uint16_t)proto->int32_data[i]);
        break;
    default:
        crd_onnx_set_int(out, i, proto->int32_data[i]);
    }
}

/* The message's own copy is given back: what remains is the constant. */
static void drop_data(Onnx__TensorProto *proto, crd_onnx_budget *budget)
{
    counted_free(budget, proto->raw_data.data);
    proto->raw_data = (ProtobufCBinaryData){0};
    proto->has_raw_data = 0;
    counted_free(budget, proto->float_data);
    proto->float_data = NULL;
    proto->n_float_data = 0;
}

static crd_status fill_from_message(crd_onnx_tensor *out, const Onnx__TensorProto *proto)
{
    crd_status status = CRD_OK;
    size_t n_typed;
    if (proto->has_raw_data) {
        int64_t n = (int64_t)proto->raw_data.len;
        CRD_REQUIRE(n == out->count * raw_bytes(out->type), CRD_ERR_INPUT,
                    "has %lld bytes, its shape needs %lld", (long long)n,
                    (long long)(out->count * raw_bytes(out->type)));
        for (int64_t i = 0; i < out->count; i++)
            set_raw(out, i, proto->raw_data.data);
        goto cleanup;
    }
    typed_count(&n_typed, proto, out->type);
    CRD_REQUIRE((int64_t)n_typed == out->count, CRD_ERR_INPUT,
                "has %lld numbers, its shape needs %lld", (long long)n_typed,
                (long long)out->count);
    for (int64_t i = 0; i < out->count; i++)
        set_typed(out, i, proto);
cleanup:
    return status;
}

crd_status crd_onnx_tensor_from_proto(crd_onnx_tensor **out, crd_onnx_budget *budget,
                                      Onnx__TensorProto *proto, const char *folder)
{
    crd_status status = CRD_OK;
    crd_shape shape = {.n_dims = (int)(proto->n_dims < 99 ? proto->n_dims : 99)};
    crd_onnx_type type = (crd_onnx_type)(proto->has_data_type ? proto->data_type : 0);
    *out = NULL;
    CRD_REQUIRE(shape.n_dims <= CRD_MAX_DIMS, CRD_ERR_INPUT,
                "has %d extents or more, at most %d are supported", shape.n_dims, CRD_MAX_DIMS);
    for (int d = 0; d < shape.n_dims; d++)
        shape.dims[d] = proto->dims[d];
    CRD_REQUIRE(proto->segment == NULL, CRD_ERR_INPUT, "is in segments, which is not supported");
    CRD_REQUIRE(proto->data_type >= 0 && crd_onnx_type_is_number(type), CRD_ERR_INPUT,
                "has type %d (%s), which is not supported", (int)proto->data_type,
                crd_onnx_type_name((int)proto->data_type));
    CRD_TRY(crd_onnx_shape_check(&shape));
    int64_t n_bytes = crd_shape_count(&shape) * raw_bytes(type);
    if (proto->has_data_location &&
        proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        crd_onnx_outside place;
        CRD_TRY(crd_onnx_outside_open(&place, budget, proto, folder, n_bytes));
        status = crd_onnx_tensor_create(out, budget, type, &shape);
        if (status == CRD_OK)
            status = crd_onnx_outside_read(*out, &place, set_raw, raw_bytes(type));
        crd_onnx_outside_close(&place);
        goto cleanup;
    }
    CRD_TRY(crd_onnx_tensor_create(out, budget, type, &shape));
    CRD_TRY(fill_from_message(*out, proto));
cleanup:
    drop_data(proto, budget);
    if (status != CRD_OK) {
        crd_onnx_tensor_destroy(*out);
        *out = NULL;
    }
    return status;
}
