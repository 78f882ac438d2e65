/* Which class of a network a folder of images means: by name, by number, or else by its place
 * in sorted order. A label must never be wrong without a word: what only resembles a class is
 * refused. */
#include "io/label_rule.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

enum { NOT_FOUND = -1, AMBIGUOUS = -2, LEAST_PART = 4 };

/* Length of the number or WordNet number that `name` begins with; 0: neither. */
static size_t key_length(const char *name)
{
    size_t is_wordnet = name[0] == 'n', n = is_wordnet;
    while (isdigit((unsigned char)name[n]))
        n++;
    return n > is_wordnet && (!is_wordnet || n == 9) ? n : 0;
}

/* "208, Labrador_retriever" without its key. */
static const char *bare_name(const char *name)
{
    size_t n = key_length(name);
    return n > 0 && strncmp(name + n, ", ", 2) == 0 ? name + n + 2 : name;
}

/* The number that a name is or begins with, as in "208" or "208, Labrador"; -1: none. */
static int64_t leading_number(const char *name)
{
    int64_t number = 0;
    const char *c = name;
    for (; isdigit((unsigned char)*c); c++)
        number = number < INT32_MAX ? 10 * number + (*c - '0') : number;
    return c > name && (*c == '\0' || strncmp(c, ", ", 2) == 0) ? number : -1;
}

static int is_number(const char *name)
{
    return name[0] != '\0' && name[strspn(name, "0123456789")] == '\0';
}

/* Are they equal where "_" in the folder stands for a blank or what a file name cannot hold, or
 * a blank for "_"? */
static int is_spelled(const char *folder, const char *name)
{
    for (; *folder != '\0' && *name != '\0'; folder++, name++)
        if (*folder != *name && !(*folder == '_' && strchr(" /\\:*?\"<>|", *name) != NULL) &&
            !(*folder == ' ' && *name == '_'))
            return 0;
    return *folder == *name;
}

/* Does the folder have the name of class k? */
static int is_named(const char *folder, const char *class_name, int64_t k)
{
    const char *name = bare_name(class_name);
    size_t key = (size_t)(name - class_name);
    if (is_spelled(folder, class_name) || is_spelled(folder, name))
        return 1;
    if (key == 0)
        return leading_number(folder) == k && is_spelled(bare_name(folder), class_name);
    return class_name[0] == 'n' && strlen(folder) == key - 2 &&
           strncmp(folder, class_name, key - 2) == 0;
}

/* ImageNet has two cranes and two maillots: such a name is no class unless it is one exactly. */
static int64_t class_by_name(const char *folder, const char *const *class_names, int64_t n_classes)
{
    int64_t named = NOT_FOUND, exact = NOT_FOUND;
    for (int64_t k = 0; class_names != NULL && k < n_classes; k++) {
        if (strcmp(folder, class_names[k]) == 0)
            exact = exact == NOT_FOUND ? k : AMBIGUOUS;
        if (is_named(folder, class_names[k], k))
            named = named == NOT_FOUND ? k : AMBIGUOUS;
    }
    return exact != NOT_FOUND ? exact : named;
}

/* What names are compared by when they may differ: their letters and digits in lower case. */
typedef struct plain_name {
    char text[64];
    uint64_t characters; /* a bit for each that occurs */
} plain_name;

static plain_name make_plain(const char *name)
{
    plain_name plain = {.text = ""};
    size_t n = 0;
    for (; *name != '\0' && n + 1 < sizeof plain.text; name++) {
        unsigned char c = (unsigned char)tolower((unsigned char)*name);
        if (!isalnum(c) && c < 0x80)
            continue;
        plain.text[n++] = (char)c;
        plain.characters |= (uint64_t)1 << c % 64;
    }
    return plain;
}

static int is_part(const char *a, const char *b)
{
    return strlen(a) >= LEAST_PART && strstr(b, a) != NULL;
}

/* Edits between two names, 0 if one is part of the other; or at_most + 1 if there are more. */
static size_t distance_of(const plain_name *a, const plain_name *b, size_t at_most)
{
    uint64_t missing = a->characters & ~b->characters;
    size_t n_missing = 0;
    if (strcmp(a->text, b->text) == 0 || is_part(a->text, b->text) || is_part(b->text, a->text))
        return 0;
    for (; missing != 0; missing &= missing - 1)
        n_missing++; /* each needs an edit: most names differ so much */
    size_t distance = n_missing > at_most ? n_missing : crd_text_distance(a->text, b->text);
    return distance > at_most ? at_most + 1 : distance;
}

static int is_alike(const plain_name *a, const plain_name *b)
{
    size_t n_a = strlen(a->text), n_b = strlen(b->text), at_most = (n_a > n_b ? n_a : n_b) / 3;
    return distance_of(a, b, at_most) <= at_most;
}

static int64_t nearest_class(const char *folder, const plain_name *plain, int64_t n_classes)
{
    plain_name name = make_plain(folder);
    size_t least = sizeof name.text;
    int64_t nearest = 0;
    for (int64_t k = 0; k < n_classes; k++) {
        size_t distance = distance_of(&name, &plain[k], least);
        if (distance < least) {
            least = distance;
            nearest = k;
        }
    }
    return nearest;
}

static int resembles_any(const char *folder, const plain_name *plain, int64_t n_classes)
{
    plain_name name = make_plain(folder);
    for (int64_t k = 0; k < n_classes; k++)
        if (is_alike(&name, &plain[k]))
            return 1;
    return 0;
}

static crd_status make_plain_names(plain_name **out, const char *const *class_names, int64_t n)
{
    crd_status status = CRD_OK;
    CRD_ALLOC(out, class_names != NULL ? n : 0, "class names");
    for (int64_t k = 0; class_names != NULL && k < n; k++)
        (*out)[k] = make_plain(bare_name(class_names[k]));
cleanup:
    return status;
}

/* Takes the folders by name. *odd: the first that is no class, -1 if there is none. */
static crd_status match_names(int64_t *meaning, int64_t *odd, const char *const *folders,
                              int64_t n_folders, const char *const *class_names, int64_t n_classes)
{
    *odd = -1;
    for (int64_t i = 0; i < n_folders; i++) {
        meaning[i] = class_by_name(folders[i], class_names, n_classes);
        if (meaning[i] == AMBIGUOUS)
            return CRD_FAIL(CRD_ERR_INPUT,
                            "sub-folder '%s' could be more than one class of the network; name all "
                            "sub-folders by their class numbers, 0 to %lld",
                            folders[i], (long long)n_classes - 1);
        if (meaning[i] == NOT_FOUND && *odd < 0)
            *odd = i;
    }
    return CRD_OK;
}

static int are_below(const char *const *folders, int64_t n_folders, int64_t n_classes)
{
    for (int64_t i = 0; i < n_folders; i++)
        if (leading_number(folders[i]) >= n_classes)
            return 0;
    return 1;
}

/* Takes the folders as numbers. All of them are numbers. */
static crd_status match_numbers(int64_t *meaning, const char *const *folders, int64_t n_folders,
                                const char *const *class_names, int64_t n_classes)
{
    for (int64_t i = 0; i < n_folders; i++) {
        int64_t k = leading_number(folders[i]);
        if (k >= n_classes)
            return CRD_FAIL(CRD_ERR_INPUT,
                            "sub-folder '%s' is no class of the network: its classes have the "
                            "numbers 0 to %lld",
                            folders[i], (long long)n_classes - 1);
        int64_t named = class_names != NULL ? leading_number(class_names[k]) : -1;
        if (named >= 0 && named != k)
            return CRD_FAIL(CRD_ERR_INPUT,
                            "sub-folder '%s' would be class %lld, which has the name '%s'; name "
                            "the sub-folders as the classes",
                            folders[i], (long long)k, class_names[k]);
        meaning[i] = k;
    }
    return CRD_OK;
}

static crd_status refuse(const char *folder, int64_t n_folders, const char *const *class_names,
                         const plain_name *plain, int64_t n_classes)
{
    if (class_names == NULL)
        return CRD_FAIL(CRD_ERR_INPUT,
                        "sub-folder '%s' is no class of the network: its classes have no names, "
                        "only the numbers 0 to %lld, and there are %lld sub-folders for them",
                        folder, (long long)n_classes - 1, (long long)n_folders);
    int64_t nearest = nearest_class(folder, plain, n_classes);
    return CRD_FAIL(CRD_ERR_INPUT,
                    "sub-folder '%s' is no class of the network; the nearest is class %lld, '%s'; "
                    "name all sub-folders as the classes, or by their numbers, 0 to %lld",
                    folder, (long long)nearest, class_names[nearest], (long long)n_classes - 1);
}

crd_status crd_label_rule_apply(crd_label_rule *rule, int64_t *meaning, const char *const *folders,
                                int64_t n_folders, const char *const *class_names,
                                int64_t n_classes)
{
    crd_status status = CRD_OK;
    plain_name *plain = NULL;
    int64_t odd, n_numbers = 0;
    *rule = CRD_LABELS_BY_NAME;
    CRD_TRY(match_names(meaning, &odd, folders, n_folders, class_names, n_classes));
    if (odd < 0)
        return CRD_OK;
    for (int64_t i = 0; i < n_folders; i++)
        n_numbers += is_number(folders[i]);
    *rule = CRD_LABELS_BY_NUMBER;
    int may_be_sorted = n_folders == n_classes && (n_numbers == 0 || class_names == NULL);
    if (n_numbers == n_folders && (!may_be_sorted || are_below(folders, n_folders, n_classes)))
        return match_numbers(meaning, folders, n_folders, class_names, n_classes);

    *rule = CRD_LABELS_SORTED;
    CRD_TRY(make_plain_names(&plain, class_names, n_classes));
    if (!may_be_sorted)
        CRD_TRY(refuse(folders[odd], n_folders, class_names, plain, n_classes));
    for (int64_t i = 0; class_names != NULL && i < n_folders; i++)
        if (meaning[i] != NOT_FOUND || resembles_any(folders[i], plain, n_classes))
            CRD_TRY(refuse(folders[meaning[i] == NOT_FOUND ? i : odd], n_folders, class_names,
                           plain, n_classes));
    for (int64_t i = 0; i < n_folders; i++)
        meaning[i] = i;
cleanup:
    crd_free(plain);
    return status;
}
