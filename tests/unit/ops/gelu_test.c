/* GELU of both kinds against its formula and torch's values; its word in the graph's JSON. */
#include <math.h>

#include "crd_test.h"
#include "op_check.h"

static const double pi = 3.14159265358979323846;

static double exact(double x)
{
    return 0.5 * x * (1 + erf(x / sqrt(2)));
}

static double by_tanh(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
}

typedef double formula(double x);

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    formula *const *f = payload;
    for (int64_t i = 0; i < n_images * crd_shape_count(&op->shape); i++)
        out[i] = (*f)(in[0][i]);
}

static void both_kinds_are_their_formulas(void **state)
{
    (void)state;
    const attr_list attrs[2] = {ATTRS(CRD_ATTR_WORD("approximate", "none")),
                                ATTRS(CRD_ATTR_WORD("approximate", "tanh"))};
    formula *const formulas[2] = {exact, by_tanh};
    for (int i = 0; i < 2; i++)
        for (int64_t n = 1; n <= 3; n += 2) {
            const op_case c = {.kind = "GELU",
                               .attrs = &attrs[i],
                               .shapes = {crd_shape_make(3, 3, 5, 4)},
                               .n_images = n,
                               .reference = plain,
                               .payload = &formulas[i]};
            op_check(&c);
        }
}

/* torch.nn.functional.gelu in double, torch 2. */
static void values_are_torchs(void **state)
{
    (void)state;
    static const float x[6] = {-3, -1, -0.5F, 0.25F, 1, 2.5F};
    static const double expected[2][6] = {
        {-0.00404969409489031, -0.15865525393145702, -0.15426876936299344, 0.14967658142073093,
         0.841344746068543, 2.4844758366855597},
        {-0.0036373920817729943, -0.15880800939172324, -0.15428599017485606, 0.149675350701685,
         0.8411919906082768, 2.484915733910001}};
    for (int i = 0; i < 2; i++) {
        const attr_list attrs = ATTRS(CRD_ATTR_WORD("approximate", i == 0 ? "none" : "tanh"));
        const op_case c = {.kind = "GELU",
                           .attrs = &attrs,
                           .shapes = {crd_shape_make(3, 1, 1, 6)},
                           .n_images = 1,
                           .reference = plain};
        op_fixture f;
        op_fixture_init(&f, &c);
        memcpy(f.in_f[0], x, sizeof x);
        const crd_op_args args = op_fixture_args(&f);
        f.op->kind->forward(f.op, &args);
        for (int k = 0; k < 6; k++)
            assert_true(fabs((double)f.out_f[k] - expected[i][k]) < 4e-7);
        op_fixture_clear(&f);
    }
}

static void its_word_is_kept_and_checked(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 1, 2, 2);
    const attr_list bad = ATTRS(CRD_ATTR_WORD("approximate", "quick")),
                    number = ATTRS(CRD_ATTR("approximate", 1));
    const attr_list good = ATTRS(CRD_ATTR_WORD("approximate", "tanh"));
    const int64_t input = 0;
    crd_network *network, *back;
    char *text;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "GELU", "g", &bad, &input, 1), CRD_ERR_INPUT,
                 "op 'g' (GELU): approximate is 'quick', allowed are none, tanh");
    assert_fails(network_add(NULL, network, "GELU", "g", &number, &input, 1), CRD_ERR_INPUT,
                 "approximate is 'a number', allowed are none, tanh");
    assert_ok(network_add(NULL, network, "GELU", "g", &good, &input, 1));
    assert_ok(crd_network_to_json(&text, network));
    assert_non_null(strstr(text, "\"approximate\":\"tanh\""));
    assert_ok(crd_network_from_json(&back, text));
    assert_true(attr_of(&back->ops[1], "approximate", 0) == 1);
    crd_network_text_free(text);
    crd_network_destroy(network);
    crd_network_destroy(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_kinds_are_their_formulas),
        cmocka_unit_test(values_are_torchs),
        cmocka_unit_test(its_word_is_kept_and_checked),
    };
    return cmocka_run_group_tests_name("gelu", tests, NULL, NULL);
}
