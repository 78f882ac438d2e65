/* Stack, marks, memo and values of the unpickler, in arrays of fixed size. It bounds what a file
 * can make it do: every push, pop and length is checked. */
#include "import/pickle_machine.h"

#include "base/alloc.h"

/* Limits. A training checkpoint of ResNet-152 with Adam's moments needs some 60 000 values and a
 * stack of 2000, for Python writes items in batches of 1000. */
enum { MAX_VALUES = 1 << 19, MAX_STACK = 1 << 16 };

crd_status crd_machine_init(crd_machine *m, crd_pickle *out, const void *bytes, int64_t n_bytes)
{
    crd_status status;
    *m = (crd_machine){.bytes = bytes, .n_bytes = n_bytes, .out = out};
    /* Every instruction is a byte at least and makes one value, item or memo entry at most. */
    m->max_values = n_bytes < MAX_VALUES ? n_bytes : MAX_VALUES;
    m->max_stack = n_bytes < MAX_STACK ? n_bytes : MAX_STACK;
    CRD_ALLOC(&out->values, m->max_values, "pickle values");
    CRD_ALLOC(&out->cells, m->max_values, "pickle items");
    CRD_ALLOC(&m->memo, m->max_values, "pickle memo");
    CRD_ALLOC(&m->stack, m->max_stack, "pickle stack");
cleanup:
    return status;
}

void crd_machine_clear(crd_machine *m)
{
    crd_free(m->stack);
    crd_free(m->memo);
}

crd_status crd_machine_take(const uint8_t **out, crd_machine *m, int64_t n)
{
    if (n > m->n_bytes - m->at)
        return CRD_FAIL(CRD_ERR_INPUT, "the pickle ends in the middle of an instruction");
    *out = m->bytes + m->at;
    m->at += n;
    return CRD_OK;
}

crd_status crd_machine_take_uint(uint64_t *out, crd_machine *m, int n)
{
    const uint8_t *bytes;
    crd_status status = crd_machine_take(&bytes, m, n);
    *out = 0;
    for (int i = 0; status == CRD_OK && i < n; i++)
        *out |= (uint64_t)bytes[i] << (8 * i);
    return status;
}

static crd_status new_value(crd_pickle_value **out, crd_machine *m, crd_pickle_kind kind)
{
    if (m->out->n_values == m->max_values)
        return CRD_FAIL(CRD_ERR_INPUT, "more than %lld values", (long long)m->max_values);
    *out = &m->out->values[m->out->n_values++];
    (*out)->kind = (uint8_t)kind;
    return CRD_OK;
}

crd_status crd_machine_push(crd_machine *m, crd_pickle_value *value)
{
    if (m->n_stack == m->max_stack)
        return CRD_FAIL(CRD_ERR_INPUT, "nested too deep: more than %lld values on the stack",
                        (long long)m->max_stack);
    m->stack[m->n_stack++] = value;
    return CRD_OK;
}

crd_status crd_machine_push_new(crd_pickle_value **out, crd_machine *m, crd_pickle_kind kind)
{
    crd_status status = new_value(out, m, kind);
    return status == CRD_OK ? crd_machine_push(m, *out) : status;
}

crd_status crd_machine_peek(crd_pickle_value **out, const crd_machine *m)
{
    int64_t floor = m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0;
    if (m->n_stack <= floor)
        return CRD_FAIL(CRD_ERR_INPUT, "an instruction needs a value and the stack has none");
    *out = m->stack[m->n_stack - 1];
    return CRD_OK;
}

crd_status crd_machine_pop(crd_pickle_value **out, crd_machine *m)
{
    crd_status status = crd_machine_peek(out, m);
    m->n_stack -= status == CRD_OK;
    return status;
}

/* Closes the innermost MARK: its values are stack[*first .. n_stack). */
static crd_status close_mark(int64_t *first, crd_machine *m)
{
    if (m->n_marks == 0)
        return CRD_FAIL(CRD_ERR_INPUT, "an instruction needs a MARK and there is none");
    *first = m->marks[--m->n_marks];
    return CRD_OK;
}

static crd_status add_item(crd_machine *m, crd_pickle_value *container, crd_pickle_value *item)
{
    if (m->out->n_cells == m->max_values)
        return CRD_FAIL(CRD_ERR_INPUT, "more than %lld items", (long long)m->max_values);
    /* Nobody walks the tree recursively, so depth cannot hurt; what is deeper is no state dict. */
    if (item->depth >= CRD_MACHINE_MAX_NESTING)
        return CRD_FAIL(CRD_ERR_INPUT, "nested too deep: more than %d levels",
                        CRD_MACHINE_MAX_NESTING);
    if (container->depth <= item->depth)
        container->depth = (uint8_t)(item->depth + 1);
    crd_pickle_cell *cell = &m->out->cells[m->out->n_cells++];
    cell->value = item;
    if (container->as.items.last == NULL)
        container->as.items.first = cell;
    else
        container->as.items.last->next = cell;
    container->as.items.last = cell;
    container->n_items++;
    return CRD_OK;
}

/* Replaces stack[first ..] by a tuple of them. */
static crd_status make_tuple(crd_machine *m, int64_t first)
{
    crd_status status;
    crd_pickle_value *tuple = NULL;
    CRD_TRY(new_value(&tuple, m, CRD_PICKLE_TUPLE));
    for (int64_t i = first; i < m->n_stack; i++)
        CRD_TRY(add_item(m, tuple, m->stack[i]));
    m->n_stack = first;
    CRD_TRY(crd_machine_push(m, tuple));
cleanup:
    return status;
}

crd_status crd_machine_make_tuple(crd_machine *m, int n)
{
    int64_t floor = m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0;
    if (m->n_stack - floor < n)
        return CRD_FAIL(CRD_ERR_INPUT, "a tuple needs %d values and the stack has fewer", n);
    return make_tuple(m, m->n_stack - n);
}

crd_status crd_machine_make_tuple_from_mark(crd_machine *m)
{
    int64_t first = 0;
    crd_status status = close_mark(&first, m);
    return status == CRD_OK ? make_tuple(m, first) : status;
}

/* Moves stack[first ..] into the container below them: keys and values of a dict, items of a
 * list. */
static crd_status extend(crd_machine *m, int64_t first, crd_pickle_kind kind, const char *operation)
{
    crd_status status;
    crd_pickle_value *container;
    int64_t end = m->n_stack;
    m->n_stack = first;
    CRD_TRY(crd_machine_peek(&container, m));
    if (container->kind == CRD_PICKLE_OPAQUE) /* what is put into it is nobody's business */
        return CRD_OK;
    CRD_REQUIRE(container->kind == kind, CRD_ERR_INPUT, "%s on a %s", operation,
                crd_pickle_kind_name(container));
    CRD_REQUIRE(kind != CRD_PICKLE_DICT || (end - first) % 2 == 0, CRD_ERR_INPUT,
                "%s with a key that has no value", operation);
    for (int64_t i = first; i < end; i++)
        CRD_TRY(add_item(m, container, m->stack[i]));
cleanup:
    return status;
}

crd_status crd_machine_extend_by(crd_machine *m, int n, crd_pickle_kind kind, const char *operation)
{
    int64_t floor = m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0;
    if (m->n_stack - floor <= n)
        return CRD_FAIL(CRD_ERR_INPUT, "%s needs %d values and the stack has fewer", operation,
                        n + 1);
    return extend(m, m->n_stack - n, kind, operation);
}

crd_status crd_machine_extend_from_mark(crd_machine *m, crd_pickle_kind kind, const char *operation)
{
    int64_t first = 0;
    crd_status status = close_mark(&first, m);
    return status == CRD_OK ? extend(m, first, kind, operation) : status;
}

crd_status crd_machine_memo_put(crd_machine *m, uint64_t index)
{
    crd_pickle_value *value;
    crd_status status;
    CRD_TRY(crd_machine_peek(&value, m));
    CRD_REQUIRE(index < (uint64_t)m->max_values, CRD_ERR_INPUT, "memo index %llu, at most %lld",
                (unsigned long long)index, (long long)m->max_values - 1);
    m->n_memo += m->memo[index] == NULL;
    m->memo[index] = value;
cleanup:
    return status;
}

crd_status crd_machine_memo_put_at(crd_machine *m, int index_bytes)
{
    uint64_t index;
    crd_status status = crd_machine_take_uint(&index, m, index_bytes);
    return status == CRD_OK ? crd_machine_memo_put(m, index) : status;
}

crd_status crd_machine_memo_get(crd_machine *m, int index_bytes)
{
    crd_status status;
    uint64_t index;
    CRD_TRY(crd_machine_take_uint(&index, m, index_bytes));
    CRD_REQUIRE(index < (uint64_t)m->max_values && m->memo[index] != NULL, CRD_ERR_INPUT,
                "memo entry %llu is used but never set", (unsigned long long)index);
    CRD_TRY(crd_machine_push(m, m->memo[index]));
cleanup:
    return status;
}

crd_status crd_machine_drop_from_mark(crd_machine *m)
{
    int64_t first = 0;
    crd_status status = close_mark(&first, m);
    if (status == CRD_OK)
        m->n_stack = first;
    return status;
}

crd_status crd_machine_open_mark(crd_machine *m)
{
    if (m->n_marks == CRD_MACHINE_MAX_NESTING)
        return CRD_FAIL(CRD_ERR_INPUT, "nested too deep: more than %d levels",
                        CRD_MACHINE_MAX_NESTING);
    m->marks[m->n_marks++] = m->n_stack;
    return CRD_OK;
}
