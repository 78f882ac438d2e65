/* The whole table of folders and classes: which rule holds, which class each folder is, what is
 * refused and with which words. */
#include "crd_test.h"
#include "io/label_rule.h"

#define FASHION                                                                                    \
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",    \
        "Ankle boot"

enum { MOST = 12 };
static const char *const fashion[] = {FASHION, NULL};
static const char *const keyed[] = {"0, T-shirt/top", "1, Trouser", "2, Coat", NULL};
static const char *const one_based[] = {"1, cat", "2, dog", "3, bird", NULL};
static const char *const birds[] = {"134, crane", "517, crane", "86, partridge", NULL};
static const char *const wordnet[] = {"n01440764, tench", "n01443537, goldfish",
                                      "n02102040, English springer", NULL};
static const char *const digits[] = {"1", "2", "10", NULL};
static const char *const digits_and_boot[] = {"1", "9, Ankle_boot", NULL};
static const char *const twins[] = {"a/b", "a:b", "c", NULL};
static const char *const awkward[] = {"a/b", "a_b", "c", NULL};
static const char *const rooms[] = {"kitchen", "bathroom", "garage", NULL};
static const char *const cifar[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                    "dog",      "frog",       "horse", "ship", "truck",
                                    "tram",     "bus",        NULL};

typedef struct label_case {
    const char *what;
    const char *const *classes; /* NULL: n_classes without names */
    int64_t n_classes;
    const char *folders[MOST + 1]; /* as a data set gives them: sorted bytewise */
    crd_label_rule rule;
    int64_t meaning[MOST];
    const char *refused; /* what the message holds; NULL: the case is accepted */
} label_case;

#define BY_NAME .rule = CRD_LABELS_BY_NAME, .meaning
#define BY_NUMBER .rule = CRD_LABELS_BY_NUMBER, .meaning
#define SORTED .rule = CRD_LABELS_SORTED, .meaning

static const label_case cases[] = {
    /* By name. */
    {"exact names", fashion, 10, {"Bag", "Coat", "Trouser"}, BY_NAME = {8, 4, 1}},
    {"all ten, _ for the slash and the blank",
     fashion,
     10,
     {"Ankle_boot", "Bag", "Coat", "Dress", "Pullover", "Sandal", "Shirt", "Sneaker", "T-shirt_top",
      "Trouser"},
     BY_NAME = {9, 8, 4, 3, 2, 5, 6, 7, 0, 1}},
    {"names without the number before the comma",
     keyed,
     3,
     {"Coat", "T-shirt_top", "Trouser"},
     BY_NAME = {2, 0, 1}},
    {"names with the number before the comma",
     keyed,
     3,
     {"0, T-shirt_top", "1, Trouser", "2, Coat"},
     BY_NAME = {0, 1, 2}},
    {"a folder with the number, a class without it", fashion, 10, {"1, Trouser"}, BY_NAME = {1}},
    {"a folder with a wrong number", fashion, 10, {"2, Trouser"}, .refused = "'Trouser'"},
    {"WordNet numbers alone, as ImageNet's folders",
     wordnet,
     3,
     {"n01443537", "n02102040"},
     BY_NAME = {1, 2}},
    {"names behind WordNet numbers", wordnet, 3, {"English_springer", "tench"}, BY_NAME = {2, 0}},
    {"a WordNet number that is another", wordnet, 3, {"n01440765"}, .refused = "'n01440765'"},
    {"names that are numbers go before class numbers",
     digits,
     3,
     {"1", "10", "2"},
     BY_NAME = {0, 2, 1}},
    {"two classes of one name", birds, 3, {"crane", "partridge"}, .refused = "'crane' could be"},
    {"two classes that one spelling fits", twins, 3, {"a_b"}, .refused = "'a_b' could be more"},
    {"an exact name goes before a spelling", awkward, 3, {"a_b"}, BY_NAME = {1}},

    {"a blank for the class's _", digits_and_boot, 2, {"Ankle boot"}, BY_NAME = {1}},

    /* By number. */
    {"numbers from 0, bytewise order is not theirs",
     cifar,
     12,
     {"0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"},
     BY_NUMBER = {0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9}},
    {"some of the numbers, with zeros before", cifar, 12, {"003", "11"}, BY_NUMBER = {3, 11}},
    {"numbers of classes without names",
     NULL,
     12,
     {"0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"},
     BY_NUMBER = {0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9}},
    {"numbers that the names confirm", keyed, 3, {"0", "2"}, BY_NUMBER = {0, 2}},
    {"numbers from 1 for ten classes",
     fashion,
     10,
     {"1", "10", "2", "3", "4", "5", "6", "7", "8", "9"},
     .refused = "'10' is no class of the network: its classes have the numbers 0 to 9"},
    {"numbers that the names contradict",
     one_based,
     3,
     {"1", "2"},
     .refused = "'1' would be class 1, which has the name '2, dog'"},
    {"a number too long for any integer",
     fashion,
     10,
     {"99999999999999999999999"},
     .refused = "numbers 0 to 9"},

    /* Neither. */
    {"one folder misspelt",
     fashion,
     10,
     {"Ankle_boot", "Bag", "Coat", "Dress", "Pullover", "Sandal", "Shirt", "Sneaker", "T-shirt_top",
      "Trousers"},
     .refused = "'Trousers' is no class of the network; the nearest is class 1, 'Trouser'"},
    {"all in lower case",
     fashion,
     10,
     {"ankle boot", "bag", "coat", "dress", "pullover", "sandal", "shirt", "sneaker", "t-shirt_top",
      "trouser"},
     .refused = "'ankle boot' is no class of the network; the nearest is class 9, 'Ankle boot'"},
    {"a part of the name",
     fashion,
     10,
     {"aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh", "ii", "tshirt"},
     .refused = "'tshirt'"},
    {"names and numbers mixed", fashion, 10, {"3", "Trouser"}, .refused = "'3' is no class"},
    {"numbers and other names, as many as classes", rooms, 3, {"1", "a", "b"}, .refused = "'1' is"},
    {"one name and others, as many as classes",
     rooms,
     3,
     {"attic", "cellar", "garage"},
     .refused = "'attic' is no class"},
    {"a class more",
     rooms,
     3,
     {"bathroom", "garage", "kitchen", "loft"},
     .refused = "'loft' is no"},
    {"fewer unlike ones than classes", rooms, 3, {"sea", "sky"}, .refused = "'sea' is no class"},
    {"classes without names, another number of folders",
     NULL,
     10,
     {"Coat", "Trouser"},
     .refused = "'Coat' is no class of the network: its classes have no names"},

    /* In sorted order. */
    {"no folder like a class, as many as classes",
     rooms,
     3,
     {"sea", "sky", "sun"},
     SORTED = {0, 1, 2}},
    {"WordNet numbers for classes by words",
     rooms,
     3,
     {"n01440764", "n01443537", "n02102040"},
     SORTED = {0, 1, 2}},
    {"classes without names", NULL, 3, {"Cat", "bird", "dog"}, SORTED = {0, 1, 2}},
    {"numbers from 1 for classes without names", NULL, 3, {"1", "2", "3"}, SORTED = {0, 1, 2}},
};

static void every_case_of_the_table_has_its_class_or_its_message(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const label_case *k = &cases[c];
        int64_t n = 0, meaning[MOST];
        crd_label_rule rule;
        while (k->folders[n] != NULL)
            n++;
        crd_status status =
            crd_label_rule_apply(&rule, meaning, k->folders, n, k->classes, k->n_classes);
        if (k->refused != NULL) {
            if (status != CRD_ERR_INPUT || strstr(crd_status_message(), k->refused) == NULL)
                fail_msg("%s: status %d, '%s'", k->what, (int)status, crd_status_message());
            continue;
        }
        if (status != CRD_OK || rule != k->rule)
            fail_msg("%s: status %d, rule %d, '%s'", k->what, (int)status, (int)rule,
                     status != CRD_OK ? crd_status_message() : "");
        for (int64_t i = 0; i < n; i++)
            if (meaning[i] != k->meaning[i])
                fail_msg("%s: '%s' is class %lld, not %lld", k->what, k->folders[i],
                         (long long)meaning[i], (long long)k->meaning[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_the_table_has_its_class_or_its_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
