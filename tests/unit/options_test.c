/* The table of options: no column of a row is forgotten, what goes together is checked from it,
 * and old spellings are understood. */
#include "crd_test.h"

#include <stdio.h>
#include <string.h>

#include "cli/options.h"

static const crd_option *row(int id)
{
    return &crd_option_table()[id];
}

#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("--%s: %s", option->name, #condition);                                        \
    } while (0)

static void no_column_is_forgotten(void **state)
{
    (void)state;
    assert_null(row(CRD_OPT_NONE)->name);
    for (int id = 1; id < CRD_N_OPTIONS; id++) {
        const crd_option *option = row(id);
        if (option->name == NULL)
            fail_msg("row %d of the table is empty", id);
        int is_number = option->type == CRD_OPTION_INT64 || option->type == CRD_OPTION_DOUBLE ||
                        option->type == CRD_OPTION_INT64S || option->type == CRD_OPTION_DOUBLES ||
                        option->type == CRD_OPTION_DURATION;
        check(option->commands != 0 && (option->commands & ~(unsigned)CRD_EVERY) == 0);
        check((option->required & ~option->commands) == 0);
        check(option->help != NULL && option->help[strlen(option->help) - 1] != '.');
        check((option->placeholder == NULL) == (option->type == CRD_OPTION_FLAG));
        check(is_number == (option->min < option->max));
        check(option->type != CRD_OPTION_CHOICE || option->choices != NULL);
        check(option->group != CRD_GROUP_NONE && crd_option_group_title(option->group) != NULL);
        check(option->effect != CRD_EFFECT_MISSING);
        int is_both = (option->commands & CRD_PREDICT) && (option->commands & CRD_PLAN);
        check(is_both == (option->plan != CRD_PLAN_MISSING));
        check((option->excludes[0] == CRD_OPT_NONE) == (option->why_not == NULL));
        /* What an option needs is a column: said in words only, it would not be checked. */
        check(strncmp(option->help, "with -", strlen("with -")) != 0);
        /* plan's line for predict can hold only what predict takes. */
        check(option->plan != CRD_PLAN_PASSES || (option->commands & CRD_PREDICT));
    }
}

/** Does some command take both? Otherwise what is said of the two can never hold. */
static int meet(int a, int b)
{
    return (row(a)->commands & row(b)->commands) != 0;
}

static int is_choice(const crd_option *option, const char *value)
{
    for (const char *const *choice = option->choices(); *choice != NULL; choice++)
        if (strcmp(*choice, value) == 0)
            return 1;
    return 0;
}

static void what_goes_together_can_be(void **state)
{
    (void)state;
    for (int id = 1; id < CRD_N_OPTIONS; id++) {
        const crd_option *option = row(id);
        for (int i = 0; i < CRD_OPTION_MAX_NEEDS && option->needs[i].option != CRD_OPT_NONE; i++) {
            const crd_option_need *need = &option->needs[i];
            check(meet(id, need->option));
            for (int k = 0; need->values[k] != NULL; k++)
                check(is_choice(row(need->option), need->values[k]));
        }
        for (int i = 0; i < CRD_OPTION_MAX_EXCLUDES && option->excludes[i] != CRD_OPT_NONE; i++)
            check(meet(id, option->excludes[i]) && (int)option->excludes[i] != id);
    }
}

static void a_name_means_one_thing_to_a_command(void **state)
{
    (void)state;
    for (int a = 1; a < CRD_N_OPTIONS; a++)
        for (int b = 1; b < CRD_N_OPTIONS; b++) {
            const crd_option *option = row(a), *other = row(b);
            if (a == b || !meet(a, b))
                continue;
            check(strcmp(option->name, other->name) != 0);
            check(option->letter == 0 || option->letter != other->letter);
            check(option->old_name == NULL ||
                  (strcmp(option->old_name, other->name) != 0 &&
                   (other->old_name == NULL || strcmp(option->old_name, other->old_name) != 0)));
        }
}

static crd_status parse(crd_options *out, unsigned command, const char *line)
{
    static char text[256], *words[32];
    int n = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *c = text; *c != '\0';) {
        words[n++] = c;
        c += strcspn(c, " ");
        if (*c != '\0')
            *c++ = '\0';
    }
    crd_status status = crd_options_parse(out, command, n, words);
    return status == CRD_OK ? crd_options_check(out, command) : status;
}

/** Of the line, which is refused. */
static void assert_refused(unsigned command, const char *line, const char *message)
{
    crd_options options;
    if (parse(&options, command, line) != CRD_ERR_USAGE)
        fail_msg("not refused: %s", line);
    assert_string_equal(crd_status_message(), message);
    crd_options_clear(&options);
}

static void what_does_not_go_together_is_refused(void **state)
{
    (void)state;
    crd_options options;
    assert_refused(CRD_TRAIN, "p.h5 data -o q.h5 --momentum 0.9",
                   "--momentum needs --optimizer sgd");
    assert_refused(CRD_TRAIN, "p.h5 data -o q.h5 --optimizer sgd --nesterov",
                   "--nesterov needs --momentum X");
    assert_refused(CRD_TRAIN, "p.h5 data", "-o, --output FILE is missing");
    assert_refused(CRD_PREDICT, "p.h5 data --resume", "--resume needs -o FILE");
    assert_refused(CRD_PREDICT, "p.h5 data --deterministic --draws 3",
                   "--deterministic and --draws exclude each other: the deterministic network "
                   "makes no draws");
    assert_refused(CRD_EVALUATE, "p.h5 data --draws 3 --deterministic",
                   "--deterministic and --draws exclude each other: the deterministic network "
                   "makes no draws");
    assert_refused(CRD_PLAN, "p.h5 data --min-draws 8", "--min-draws needs --until-mcse E");
    assert_refused(CRD_CONVERT, "--arch lenet --weights w.pth --channels 3 -o p.h5",
                   "--channels and --weights exclude each other: the weights tell it");
    /* A default meets a need as what is given does. */
    assert_refused(CRD_CONVERT, "--arch lenet --prior-pi 0.3 -o p.h5",
                   "--prior-pi needs --prior-kind mixture");
    assert_ok(
        parse(&options, CRD_CONVERT, "--arch lenet --prior-kind mixture --prior-pi 0.3 -o p.h5"));
    crd_options_clear(&options);
    assert_ok(
        parse(&options, CRD_TRAIN, "p.h5 data -o q.h5 --optimizer sgd --momentum 0.9 --nesterov"));
    assert_true(crd_opt_flag(&options, CRD_OPT_NESTEROV));
    crd_options_clear(&options);
}

static void values_are_read_by_type(void **state)
{
    (void)state;
    crd_options options;
    assert_ok(parse(&options, CRD_TRAIN,
                    "p.h5 data -o q.h5 --lr 0.25 --epochs=7 --max-time 2min --kl mean"));
    assert_true(crd_opt_number(&options, CRD_OPT_LR) == 0.25);
    assert_int_equal(crd_opt_int(&options, CRD_OPT_EPOCHS), 7);
    assert_true(crd_opt_number(&options, CRD_OPT_MAX_TIME) == 120);
    assert_int_equal(crd_opt_choice(&options, CRD_OPT_KL), 1);
    assert_string_equal(crd_opt_text(&options, CRD_OPT_KL), "mean");
    assert_false(crd_opt_flag(&options, CRD_OPT_NESTEROV));
    /* A default is a value that was not given. */
    assert_string_equal(crd_opt_text(&options, CRD_OPT_OPTIMIZER), "adam");
    assert_false(crd_opt_given(&options, CRD_OPT_OPTIMIZER));
    assert_null(crd_opt_text(&options, CRD_OPT_VALIDATE));
    crd_options_clear(&options);
}

static void old_spellings_are_understood(void **state)
{
    (void)state;
    crd_options options;
    assert_ok(parse(&options, CRD_PREDICT, "p.h5 data --mean"));
    assert_true(crd_opt_flag(&options, CRD_OPT_DETERMINISTIC));
    crd_options_clear(&options);
    assert_ok(parse(&options, CRD_TRAIN, "p.h5 data -o q.h5 --mean"));
    assert_true(crd_opt_flag(&options, CRD_OPT_TRAIN_DETERMINISTIC));
    crd_options_clear(&options);
    assert_ok(parse(&options, CRD_CONVERT, "--mean 0.1,0.2,0.3 --sd=1 --type flipout -o p.h5"));
    assert_int_equal(options.values[CRD_OPT_CHANNEL_MEAN].n_numbers, 3);
    assert_true(crd_opt_given(&options, CRD_OPT_CHANNEL_SD));
    assert_string_equal(crd_opt_text(&options, CRD_OPT_CONVERT_ESTIMATOR), "flipout");
    crd_options_clear(&options);
    assert_ok(parse(&options, CRD_PLAN, "p.h5 data --type flipout"));
    assert_string_equal(crd_opt_text(&options, CRD_OPT_ESTIMATOR), "flipout");
    crd_options_clear(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_column_is_forgotten),
        cmocka_unit_test(what_goes_together_can_be),
        cmocka_unit_test(a_name_means_one_thing_to_a_command),
        cmocka_unit_test(what_does_not_go_together_is_refused),
        cmocka_unit_test(values_are_read_by_type),
        cmocka_unit_test(old_spellings_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
