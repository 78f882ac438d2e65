/* Attributes: from a list by name into the operator's own structure, and back, by its
 * specification. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ops/op.h"

/* Member `i` of an attribute, as a number. */
static double get_number(const void *attrs, const crd_attr_spec *spec, int i)
{
    const char *member = (const char *)attrs + spec->offset;
    if (spec->is_real)
        return ((const double *)(const void *)member)[i];
    return (double)((const int64_t *)(const void *)member)[i];
}

static void set_number(void *attrs, const crd_attr_spec *spec, int i, double value)
{
    char *member = (char *)attrs + spec->offset;
    if (spec->is_real)
        ((double *)(void *)member)[i] = value;
    else
        ((int64_t *)(void *)member)[i] = (int64_t)value;
}

static crd_status set_word(crd_graph_op *op, const crd_attr_spec *spec, const char *text)
{
    char allowed[128] = "";
    for (int i = 0; spec->choices[i] != NULL; i++) {
        if (text != NULL && strcmp(text, spec->choices[i]) == 0) {
            set_number(op->attrs, spec, 0, i);
            return CRD_OK;
        }
        size_t used = strlen(allowed);
        snprintf(allowed + used, sizeof allowed - used, "%s%s", i == 0 ? "" : ", ",
                 spec->choices[i]);
    }
    return CRD_OP_FAIL(op, "%s is '%.60s', allowed are %s", spec->name,
                       text == NULL ? "a number" : text, allowed);
}

/* Integers in full. */
static const char *number_text(char out[32], double value)
{
    snprintf(out, 32, value == floor(value) && fabs(value) < 1e19 ? "%.0f" : "%g", value);
    return out;
}

static crd_status set_value(crd_graph_op *op, const crd_attr_spec *spec, int i, double value)
{
    char place[16] = "", text[3][32];
    if (spec->count > 1)
        snprintf(place, sizeof place, "[%d]", i);
    if (!(value >= spec->min && value <= spec->max))
        return CRD_OP_FAIL(op, "%s%s is %s, allowed are %s to %s", spec->name, place,
                           number_text(text[0], value), number_text(text[1], spec->min),
                           number_text(text[2], spec->max));
    if (!spec->is_real && value != floor(value))
        return CRD_OP_FAIL(op, "%s%s is %g, which is not an integer", spec->name, place, value);
    set_number(op->attrs, spec, i, value);
    return CRD_OK;
}

static const crd_attr *find(const crd_attr *attrs, const char *name)
{
    for (; attrs != NULL && attrs->name != NULL; attrs++)
        if (strcmp(attrs->name, name) == 0)
            return attrs;
    return NULL;
}

static crd_status set_attr(crd_graph_op *op, const crd_attr_spec *spec, const crd_attr *given)
{
    crd_status status = CRD_OK;
    if (given == NULL && !spec->is_optional)
        return CRD_OP_FAIL(op, "%s is missing", spec->name);
    if (given != NULL && spec->choices != NULL)
        return set_word(op, spec, given->text);
    int n = given == NULL ? spec->count : given->n;
    if (n > spec->count || n < (spec->is_list ? 1 : spec->count))
        return CRD_OP_FAIL(op, "%s has %d numbers, needed are %s%d", spec->name, n,
                           spec->is_list ? "1 to " : "", spec->count);
    for (int i = n; i < spec->count; i++)
        set_number(op->attrs, spec, i, spec->min - 1);
    for (int i = 0; i < n; i++)
        CRD_TRY(set_value(op, spec, i, given == NULL ? spec->fallback : given->values[i]));
cleanup:
    return status;
}

static bool has_attr(const crd_op *kind, const char *name)
{
    for (const crd_attr_spec *spec = kind->attrs; spec != NULL && spec->name != NULL; spec++)
        if (strcmp(spec->name, name) == 0)
            return true;
    return false;
}

crd_status crd_op_set_attrs(crd_graph_op *op, const crd_attr *attrs)
{
    crd_status status = CRD_OK;
    crd_free(op->attrs);
    op->attrs = NULL;
    if (op->kind->attrs_size > 0)
        CRD_TRY(crd_alloc_zeroed(&op->attrs, (int64_t)op->kind->attrs_size, 1, "attributes"));
    for (const crd_attr *attr = attrs; attr != NULL && attr->name != NULL; attr++)
        if (!has_attr(op->kind, attr->name))
            CRD_TRY(CRD_OP_FAIL(op, "unknown attribute '%.60s'", attr->name));
    for (const crd_attr_spec *spec = op->kind->attrs; spec != NULL && spec->name != NULL; spec++)
        CRD_TRY(set_attr(op, spec, find(attrs, spec->name)));
cleanup:
    return status;
}

crd_attr crd_op_get_attr(const crd_graph_op *op, const crd_attr_spec *spec)
{
    crd_attr attr = {.name = spec->name};
    for (; attr.n < spec->count; attr.n++) {
        attr.values[attr.n] = get_number(op->attrs, spec, attr.n);
        if (spec->is_list && attr.values[attr.n] < spec->min)
            break;
    }
    if (spec->choices != NULL) {
        attr.n = 0;
        attr.text = spec->choices[(int)attr.values[0]];
    }
    return attr;
}
