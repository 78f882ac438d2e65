/** Attributes of an operator by name, as graph files and callers give them. Room: ops. */
#ifndef CREDENCE_ATTR_H
#define CREDENCE_ATTR_H

/** Most numbers of one attribute. */
#define CRD_ATTR_MAX_VALUES 8

/** One attribute. A list of them ends with CRD_ATTR_END:
 * {CRD_ATTR("kernel_size", 3, 3), CRD_ATTR_WORD("approximate", "tanh"), CRD_ATTR_END}. */
typedef struct crd_attr {
    const char *name; /**< torch's argument */
    int n;            /**< numbers in `values`; 0: the attribute is `text` */
    double values[CRD_ATTR_MAX_VALUES];
    const char *text; /**< of an attribute that is one of some words; else NULL */
} crd_attr;

#define CRD_ATTR(key, ...)                                                                         \
    {                                                                                              \
        .name = (key), .n = (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), .values = {   \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define CRD_ATTR_WORD(key, word)                                                                   \
    {                                                                                              \
        .name = (key), .text = (word)                                                              \
    }
#define CRD_ATTR_END                                                                               \
    {                                                                                              \
        .name = NULL                                                                               \
    }

#endif
