/* The opcodes of a restricted unpickler, a row each. They drive the stack machine of
 * pickle_machine.c; nothing is ever imported or called, and an opcode that is not in the table
 * ends the reading. */
#include "import/pickle.h"

#include <string.h>

#include "base/alloc.h"
#include "import/pickle_machine.h"

enum { MAX_TEXT = 1 << 16, MAX_GLOBAL_TEXT = 256 };

/* The opcodes that torch.save writes for state dicts and training checkpoints, protocols 2 to
 * 5, and what Python adds for other objects. */
enum {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_POP = '0',
    OP_POP_MARK = '1',
    OP_DUP = '2',
    OP_BINBYTES = 'B',
    OP_SHORT_BINBYTES = 'C',
    OP_BINSTRING = 'T',
    OP_BINFLOAT = 'G',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_BININT2 = 'M',
    OP_NONE = 'N',
    OP_BINPERSID = 'Q',
    OP_REDUCE = 'R',
    OP_SHORT_BINSTRING = 'U',
    OP_BINUNICODE = 'X',
    OP_APPEND = 'a',
    OP_BUILD = 'b',
    OP_GLOBAL = 'c',
    OP_APPENDS = 'e',
    OP_BINGET = 'h',
    OP_LONG_BINGET = 'j',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_SETITEM = 's',
    OP_TUPLE = 't',
    OP_SETITEMS = 'u',
    OP_EMPTY_TUPLE = ')',
    OP_EMPTY_LIST = ']',
    OP_EMPTY_DICT = '}',
    OP_PROTO = 0x80,
    OP_NEWOBJ = 0x81,
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_NEWTRUE = 0x88,
    OP_NEWFALSE = 0x89,
    OP_LONG1 = 0x8a,
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE8 = 0x8d,
    OP_BINBYTES8 = 0x8e,
    OP_EMPTY_SET = 0x8f,
    OP_ADDITEMS = 0x90,
    OP_FROZENSET = 0x91,
    OP_NEWOBJ_EX = 0x92,
    OP_STACK_GLOBAL = 0x93,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95,
    OP_BYTEARRAY8 = 0x96
};

static crd_status push_int(crd_machine *m, int64_t integer)
{
    crd_pickle_value *value;
    crd_status status = crd_machine_push_new(&value, m, CRD_PICKLE_INT);
    if (status == CRD_OK)
        value->as.integer = integer;
    return status;
}

static crd_status push_bool(crd_machine *m, int truth)
{
    crd_pickle_value *value;
    crd_status status = crd_machine_push_new(&value, m, CRD_PICKLE_BOOL);
    if (status == CRD_OK)
        value->as.integer = truth;
    return status;
}

/* An object of which only the name is kept. */
static crd_status push_opaque(crd_machine *m, const char *name)
{
    static const char module[] = "builtins";
    crd_pickle_value *value;
    crd_status status = crd_machine_push_new(&value, m, CRD_PICKLE_NONE);
    if (status == CRD_OK)
        status =
            crd_pickle_find_global(value, module, sizeof module - 1, name, (int64_t)strlen(name));
    return status;
}

/* LONG1: a signed little-endian integer of up to 255 bytes. Those beyond 8 are no number of
 * ours. */
static crd_status push_long(crd_machine *m)
{
    crd_status status;
    uint64_t n, bits = 0;
    const uint8_t *skipped;
    CRD_TRY(crd_machine_take_uint(&n, m, 1));
    if (n > 8) {
        CRD_TRY(crd_machine_take(&skipped, m, (int64_t)n));
        return push_opaque(m, "int");
    }
    CRD_TRY(crd_machine_take_uint(&bits, m, (int)n));
    if (n > 0 && n < 8 && (bits >> (8 * n - 1)) != 0)
        bits |= UINT64_MAX << (8 * n);
    int64_t integer;
    memcpy(&integer, &bits, sizeof integer);
    CRD_TRY(push_int(m, integer));
cleanup:
    return status;
}

/* Bytes: of arrays beside the weights. They are passed over. */
static crd_status push_bytes(crd_machine *m, int length_bytes)
{
    crd_status status;
    uint64_t n;
    const uint8_t *skipped;
    CRD_TRY(crd_machine_take_uint(&n, m, length_bytes));
    CRD_REQUIRE(n <= (uint64_t)(m->n_bytes - m->at), CRD_ERR_INPUT,
                "the pickle ends in the middle of an instruction");
    CRD_TRY(crd_machine_take(&skipped, m, (int64_t)n));
    CRD_TRY(push_opaque(m, "bytes"));
cleanup:
    return status;
}

static crd_status push_float(crd_machine *m)
{
    crd_status status;
    const uint8_t *bytes;
    crd_pickle_value *value;
    CRD_TRY(crd_machine_take(&bytes, m, 8));
    uint64_t bits = 0; /* the one big-endian argument of all */
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | bytes[i];
    CRD_TRY(crd_machine_push_new(&value, m, CRD_PICKLE_FLOAT));
    memcpy(&value->as.real, &bits, sizeof bits);
cleanup:
    return status;
}

static crd_status push_text(crd_machine *m, int length_bytes)
{
    crd_status status;
    uint64_t n;
    const uint8_t *text;
    crd_pickle_value *value;
    CRD_TRY(crd_machine_take_uint(&n, m, length_bytes));
    CRD_REQUIRE(n <= MAX_TEXT, CRD_ERR_INPUT, "a string of %llu bytes, at most %d are allowed",
                (unsigned long long)n, MAX_TEXT);
    CRD_TRY(crd_machine_take(&text, m, (int64_t)n));
    CRD_TRY(crd_machine_push_new(&value, m, CRD_PICKLE_STRING));
    value->n_items = (int32_t)n;
    value->as.text = (const char *)text;
cleanup:
    return status;
}

/* One line of GLOBAL's text argument, without its newline. */
static crd_status take_line(const char **out, int64_t *n, crd_machine *m)
{
    const uint8_t *start = m->bytes + m->at;
    int64_t left = m->n_bytes - m->at;
    const uint8_t *end =
        memchr(start, '\n', (size_t)(left < MAX_GLOBAL_TEXT ? left : MAX_GLOBAL_TEXT));
    if (end == NULL)
        return CRD_FAIL(CRD_ERR_INPUT, "the name of a global has no end within %d bytes",
                        MAX_GLOBAL_TEXT);
    *out = (const char *)start;
    *n = end - start;
    m->at += *n + 1;
    return CRD_OK;
}

static crd_status push_global(crd_machine *m)
{
    crd_status status;
    const char *module = NULL, *name = NULL;
    int64_t n_module = 0, n_name = 0;
    crd_pickle_value *value;
    CRD_TRY(take_line(&module, &n_module, m));
    CRD_TRY(take_line(&name, &n_name, m));
    CRD_TRY(crd_machine_push_new(&value, m, CRD_PICKLE_GLOBAL));
    CRD_TRY(crd_pickle_find_global(value, module, n_module, name, n_name));
cleanup:
    return status;
}

static crd_status push_stack_global(crd_machine *m)
{
    crd_status status;
    crd_pickle_value *module, *name, *value;
    CRD_TRY(crd_machine_pop(&name, m));
    CRD_TRY(crd_machine_pop(&module, m));
    CRD_REQUIRE(module->kind == CRD_PICKLE_STRING && name->kind == CRD_PICKLE_STRING, CRD_ERR_INPUT,
                "the name of a global is a %s and a %s", crd_pickle_kind_name(module),
                crd_pickle_kind_name(name));
    CRD_TRY(crd_machine_push_new(&value, m, CRD_PICKLE_GLOBAL));
    CRD_TRY(crd_pickle_find_global(value, module->as.text, module->n_items, name->as.text,
                                   name->n_items));
cleanup:
    return status;
}

/* A node of kind `kind` that has the items of a tuple. Tuples never change, so they are shared. */
static crd_status push_with_items(crd_machine *m, crd_pickle_kind kind, crd_pickle_global global,
                                  const crd_pickle_value *tuple)
{
    crd_pickle_value *value;
    crd_status status = crd_machine_push_new(&value, m, kind);
    if (status == CRD_OK) {
        *value = *tuple;
        value->kind = (uint8_t)kind;
        value->global = (uint8_t)global;
    }
    return status;
}

/* An OrderedDict. Python 3 makes it empty and sets items after; Python 2 gave a list of pairs. */
static crd_status push_ordered_dict(crd_machine *m, const crd_pickle_value *arguments)
{
    crd_status status;
    crd_pickle_value *dict;
    CRD_TRY(crd_machine_push_new(&dict, m, CRD_PICKLE_DICT));
    dict->global = CRD_GLOBAL_ORDERED_DICT;
    if (arguments->n_items == 0)
        return CRD_OK;
    const crd_pickle_value *pairs = arguments->as.items.first->value;
    CRD_REQUIRE(arguments->n_items == 1 && pairs->kind == CRD_PICKLE_LIST, CRD_ERR_INPUT,
                "an OrderedDict with arguments");
    for (const crd_pickle_cell *c = pairs->as.items.first; c != NULL; c = c->next) {
        int is_pair = (c->value->kind == CRD_PICKLE_LIST || c->value->kind == CRD_PICKLE_TUPLE) &&
                      c->value->n_items == 2;
        CRD_REQUIRE(is_pair, CRD_ERR_INPUT, "an OrderedDict of something else than pairs");
        CRD_TRY(crd_machine_push(m, c->value->as.items.first->value));
        CRD_TRY(crd_machine_push(m, c->value->as.items.last->value));
        CRD_TRY(crd_machine_extend_by(m, 2, CRD_PICKLE_DICT, "OrderedDict"));
    }
cleanup:
    return status;
}

/* What comes of calling `callee`, which is on no stack any more. Only the switch below decides what
 * it means; nothing is called. */
static crd_status push_result(crd_machine *m, crd_pickle_value *callee, crd_pickle_value *arguments)
{
    crd_status status;
    /* Names only: what an opaque callee would make of whatever arguments is opaque as well. */
    if (callee->kind == CRD_PICKLE_OPAQUE)
        return crd_machine_push(m, callee);
    CRD_REQUIRE(arguments->kind == CRD_PICKLE_TUPLE, CRD_ERR_INPUT,
                "the arguments of a call are a %s, not a tuple", crd_pickle_kind_name(arguments));
    CRD_REQUIRE(callee->kind == CRD_PICKLE_GLOBAL, CRD_ERR_INPUT, "a call of a %s",
                crd_pickle_kind_name(callee));
    switch ((crd_pickle_global)callee->global) {
    case CRD_GLOBAL_ORDERED_DICT:
        CRD_TRY(push_ordered_dict(m, arguments));
        break;
    case CRD_GLOBAL_SIZE:
        CRD_REQUIRE(arguments->n_items == 1 &&
                        crd_pickle_item(arguments, 0)->kind == CRD_PICKLE_TUPLE,
                    CRD_ERR_INPUT, "a torch.Size of something else than a tuple");
        CRD_TRY(crd_machine_push(m, arguments->as.items.first->value));
        break;
    case CRD_GLOBAL_TENSOR:
    case CRD_GLOBAL_TENSOR_V2:
    case CRD_GLOBAL_TENSOR_V3:
    case CRD_GLOBAL_PARAMETER:
        CRD_TRY(push_with_items(m, CRD_PICKLE_CALL, callee->global, arguments));
        break;
    default:
        status = CRD_FAIL(CRD_ERR_INPUT, "a call of a storage class or dtype");
    }
cleanup:
    return status;
}

/* REDUCE, NEWOBJ: callee and arguments. NEWOBJ_EX: named arguments on top, which classes of the
 * table do not have. */
static crd_status reduce(crd_machine *m, int has_keywords)
{
    crd_status status;
    crd_pickle_value *keywords, *arguments, *callee;
    if (has_keywords)
        CRD_TRY(crd_machine_pop(&keywords, m));
    CRD_TRY(crd_machine_pop(&arguments, m));
    CRD_TRY(crd_machine_pop(&callee, m));
    CRD_TRY(push_result(m, callee, arguments));
cleanup:
    return status;
}

/* POP takes a value, or a MARK if that is on top. */
static crd_status pop(crd_machine *m)
{
    crd_pickle_value *value;
    if (m->n_marks > 0 && m->marks[m->n_marks - 1] == m->n_stack)
        return crd_machine_drop_from_mark(m);
    return crd_machine_pop(&value, m);
}

static crd_status duplicate(crd_machine *m)
{
    crd_pickle_value *value;
    crd_status status = crd_machine_peek(&value, m);
    return status == CRD_OK ? crd_machine_push(m, value) : status;
}

/* BUILD carries the _metadata attribute of a state dict (versions of modules): not needed. */
static crd_status build(crd_machine *m)
{
    crd_status status;
    crd_pickle_value *state, *object;
    CRD_TRY(crd_machine_pop(&state, m));
    CRD_TRY(crd_machine_peek(&object, m));
    if (object->kind == CRD_PICKLE_OPAQUE)
        return CRD_OK;
    CRD_REQUIRE(object->kind == CRD_PICKLE_DICT && object->global == CRD_GLOBAL_ORDERED_DICT,
                CRD_ERR_INPUT, "BUILD on a %s", crd_pickle_kind_name(object));
    CRD_REQUIRE(state->kind == CRD_PICKLE_DICT, CRD_ERR_INPUT, "BUILD with a %s",
                crd_pickle_kind_name(state));
cleanup:
    return status;
}

static crd_status push_persistent(crd_machine *m)
{
    crd_status status;
    crd_pickle_value *id;
    CRD_TRY(crd_machine_pop(&id, m));
    CRD_REQUIRE(id->kind == CRD_PICKLE_TUPLE, CRD_ERR_INPUT, "a persistent id is a %s, not a tuple",
                crd_pickle_kind_name(id));
    CRD_TRY(push_with_items(m, CRD_PICKLE_PERSISTENT, CRD_GLOBAL_NONE, id));
cleanup:
    return status;
}

/* FRAME only helps readers that buffer; its length must still be possible. */
static crd_status skip_frame(crd_machine *m)
{
    uint64_t n;
    crd_status status = crd_machine_take_uint(&n, m, 8);
    if (status == CRD_OK && n > (uint64_t)(m->n_bytes - m->at))
        return CRD_FAIL(CRD_ERR_INPUT, "a frame of %llu bytes in %lld", (unsigned long long)n,
                        (long long)(m->n_bytes - m->at));
    return status;
}

static crd_status finish(crd_machine *m)
{
    crd_status status;
    crd_pickle_value *root;
    CRD_TRY(crd_machine_pop(&root, m));
    CRD_REQUIRE(m->n_stack == 0 && m->n_marks == 0, CRD_ERR_INPUT, "values are left on the stack");
    m->out->root = root;
cleanup:
    return status;
}

static crd_status step(crd_machine *m, int op)
{
    crd_pickle_value *value;
    crd_status status;
    uint64_t bits;
    switch (op) {
    case OP_NONE:
        return crd_machine_push_new(&value, m, CRD_PICKLE_NONE);
    case OP_NEWTRUE:
        return push_bool(m, 1);
    case OP_NEWFALSE:
        return push_bool(m, 0);
    case OP_BININT:
        status = crd_machine_take_uint(&bits, m, 4);
        return status == CRD_OK ? push_int(m, (int32_t)(uint32_t)bits) : status;
    case OP_BININT1:
        status = crd_machine_take_uint(&bits, m, 1);
        return status == CRD_OK ? push_int(m, (int64_t)bits) : status;
    case OP_BININT2:
        status = crd_machine_take_uint(&bits, m, 2);
        return status == CRD_OK ? push_int(m, (int64_t)bits) : status;
    case OP_LONG1:
        return push_long(m);
    case OP_BINFLOAT:
        return push_float(m);
    case OP_SHORT_BINSTRING:
    case OP_SHORT_BINUNICODE:
        return push_text(m, 1);
    case OP_BINUNICODE:
    case OP_BINSTRING:
        return push_text(m, 4);
    case OP_BINUNICODE8:
        return push_text(m, 8);
    case OP_SHORT_BINBYTES:
        return push_bytes(m, 1);
    case OP_BINBYTES:
        return push_bytes(m, 4);
    case OP_BINBYTES8:
    case OP_BYTEARRAY8:
        return push_bytes(m, 8);
    case OP_EMPTY_TUPLE:
        return crd_machine_push_new(&value, m, CRD_PICKLE_TUPLE);
    case OP_EMPTY_LIST:
        return crd_machine_push_new(&value, m, CRD_PICKLE_LIST);
    case OP_EMPTY_DICT:
        return crd_machine_push_new(&value, m, CRD_PICKLE_DICT);
    case OP_EMPTY_SET:
        return crd_machine_push_new(&value, m, CRD_PICKLE_SET);
    case OP_MARK:
        return crd_machine_open_mark(m);
    case OP_POP:
        return pop(m);
    case OP_POP_MARK:
        return crd_machine_drop_from_mark(m);
    case OP_DUP:
        return duplicate(m);
    case OP_TUPLE:
    case OP_FROZENSET:
        return crd_machine_make_tuple_from_mark(m);
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
        return crd_machine_make_tuple(m, op - OP_TUPLE1 + 1);
    case OP_SETITEM:
        return crd_machine_extend_by(m, 2, CRD_PICKLE_DICT, "SETITEM");
    case OP_SETITEMS:
        return crd_machine_extend_from_mark(m, CRD_PICKLE_DICT, "SETITEMS");
    case OP_APPEND:
        return crd_machine_extend_by(m, 1, CRD_PICKLE_LIST, "APPEND");
    case OP_APPENDS:
        return crd_machine_extend_from_mark(m, CRD_PICKLE_LIST, "APPENDS");
    case OP_ADDITEMS:
        return crd_machine_extend_from_mark(m, CRD_PICKLE_SET, "ADDITEMS");
    case OP_BINPUT:
        return crd_machine_memo_put_at(m, 1);
    case OP_LONG_BINPUT:
        return crd_machine_memo_put_at(m, 4);
    case OP_MEMOIZE:
        return crd_machine_memo_put(m, (uint64_t)m->n_memo);
    case OP_BINGET:
        return crd_machine_memo_get(m, 1);
    case OP_LONG_BINGET:
        return crd_machine_memo_get(m, 4);
    case OP_GLOBAL:
        return push_global(m);
    case OP_STACK_GLOBAL:
        return push_stack_global(m);
    case OP_REDUCE:
    case OP_NEWOBJ:
        return reduce(m, 0);
    case OP_NEWOBJ_EX:
        return reduce(m, 1);
    case OP_BUILD:
        return build(m);
    case OP_BINPERSID:
        return push_persistent(m);
    case OP_FRAME:
        return skip_frame(m);
    case OP_STOP:
        return finish(m);
    default:
        return CRD_FAIL(CRD_ERR_INPUT, "opcode 0x%02x is not allowed in a state dict",
                        (unsigned)op);
    }
}

/* PROTO is the first instruction and appears once. */
static crd_status start(crd_machine *m)
{
    if (m->n_bytes < 2 || m->bytes[0] != OP_PROTO)
        return CRD_FAIL(CRD_ERR_INPUT, "no binary pickle");
    if (m->bytes[1] < 2 || m->bytes[1] > 5)
        return CRD_FAIL(CRD_ERR_INPUT, "pickle protocol %d, allowed are 2 to 5", m->bytes[1]);
    m->at = 2;
    return CRD_OK;
}

crd_status crd_pickle_parse(crd_pickle *out, int64_t *n_used, const void *bytes, int64_t n_bytes)
{
    crd_status status;
    crd_machine m;
    int64_t at = 0;
    *out = (crd_pickle){0};
    CRD_TRY(crd_machine_init(&m, out, bytes, n_bytes));
    status = start(&m);
    while (status == CRD_OK && out->root == NULL) {
        const uint8_t *op;
        at = m.at;
        status = crd_machine_take(&op, &m, 1);
        if (status == CRD_OK)
            status = step(&m, *op);
    }
    if (status == CRD_OK && n_used == NULL && m.at != n_bytes)
        status = CRD_FAIL(CRD_ERR_INPUT, "%lld bytes follow the end of the pickle",
                          (long long)(n_bytes - m.at));
    if (status != CRD_OK)
        CRD_FAIL(status, "byte %lld: %s", (long long)at, crd_status_message());
    if (n_used != NULL)
        *n_used = m.at;
cleanup:
    crd_machine_clear(&m);
    if (status != CRD_OK)
        crd_pickle_clear(out);
    return status;
}

void crd_pickle_clear(crd_pickle *pickle)
{
    crd_free(pickle->cells);
    crd_free(pickle->values);
    *pickle = (crd_pickle){0};
}
