/* Reads a command line by the table of options, and checks what goes together. What the table
 * cannot say (a sum, a relation of two numbers) the commands check. */
#include "cli/options.h"

#include <float.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/names.h"
#include "base/text.h"

const char *crd_nearest_name(const char *word, const char *const *names, int n)
{
    const char *nearest = NULL;
    /* A third of the letters may differ: more is no longer a typing error. */
    size_t least = strlen(word) / 3 + 2;
    for (int i = 0; i < n; i++) {
        size_t distance = crd_text_distance(word, names[i]);
        if (distance < least) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

static crd_status unknown_option(unsigned command, const char *word, size_t length)
{
    const crd_option *table = crd_option_table();
    const char *names[CRD_N_OPTIONS];
    int n = 0;
    for (int id = 0; id < CRD_N_OPTIONS; id++)
        if (table[id].commands & command)
            names[n++] = table[id].name;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)length, word);
    const char *nearest = crd_nearest_name(name + strspn(name, "-"), names, n);
    if (nearest == NULL)
        return CRD_FAIL(CRD_ERR_USAGE, "unknown option '%s' (see -h)", name);
    return CRD_FAIL(CRD_ERR_USAGE, "unknown option '%s'; did you mean --%s?", name, nearest);
}

static int is_name(const char *name, const char *word, size_t length)
{
    return name != NULL && strlen(name) == length && memcmp(name, word, length) == 0;
}

/** Row of "--name[=value]" or "-x", or -1. */
static int find_option(unsigned command, const char *word, size_t length)
{
    const crd_option *table = crd_option_table();
    for (int id = 0; id < CRD_N_OPTIONS; id++) {
        const crd_option *option = &table[id];
        if (!(option->commands & command))
            continue;
        if (length == 2 && word[1] != '-') {
            if (option->letter != 0 && word[1] == option->letter)
                return id;
        } else if (strncmp(word, "--", 2) == 0 &&
                   (is_name(option->name, word + 2, length - 2) ||
                    is_name(option->old_name, word + 2, length - 2))) {
            return id;
        }
    }
    return -1;
}

/** The choice that *text names, capitals counting as small letters: bayesian-torch writes
 * "Flipout". */
static crd_status find_choice(int64_t *index, const crd_option *option, const char **text)
{
    char key[64];
    int found;
    const char *const *choices = option->choices();
    for (*index = 0; choices[*index] != NULL; (*index)++)
        if (strcasecmp(choices[*index], *text) == 0) {
            *text = choices[*index];
            return CRD_OK;
        }
    snprintf(key, sizeof key, "--%s", option->name);
    return crd_names_require(&found, choices, *text, key, CRD_ERR_USAGE);
}

static crd_status set_numbers(crd_option_value *value, const crd_option *option, const char *key,
                              const char *text)
{
    char item[64]; /* more characters are no number that anyone means */
    value->n_numbers = 0;
    for (const char *start = text;; start++) {
        size_t length = strcspn(start, ",");
        if (value->n_numbers == CRD_OPTION_MAX_NUMBERS)
            return CRD_FAIL(CRD_ERR_USAGE, "%s: more than %d numbers", key, CRD_OPTION_MAX_NUMBERS);
        if (length >= sizeof item)
            return CRD_FAIL(CRD_ERR_USAGE,
                            "%s: '%.*s' is too long for a number; at most %d characters", key,
                            (int)length, start, (int)sizeof item - 1);
        snprintf(item, sizeof item, "%.*s", (int)length, start);
        double *number = &value->numbers[value->n_numbers++];
        crd_status status;
        if (option->type == CRD_OPTION_INT64S) {
            int64_t integer = 0;
            status =
                crd_text_to_int64(&integer, item, (int64_t)option->min, (int64_t)option->max, key);
            *number = (double)integer;
        } else {
            status = crd_text_to_double(number, item, option->min, option->max, key);
        }
        if (status != CRD_OK)
            return status;
        start += length;
        if (*start == '\0')
            return CRD_OK;
    }
}

/** Seconds, or a number with a unit. */
static crd_status set_duration(double *seconds, const crd_option *option, const char *key,
                               const char *text)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"min", 60}, {"s", 1}, {"h", 3600}, {"d", 86400}};
    char number[64];
    size_t length = strlen(text);
    double unit = 1;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t n = strlen(units[i].name);
        if (length > n && strcmp(text + length - n, units[i].name) == 0) {
            unit = units[i].seconds;
            length -= n;
            break;
        }
    }
    snprintf(number, sizeof number, "%.*s", (int)length, text);
    crd_status status =
        length >= sizeof number
            ? CRD_ERR_USAGE
            : crd_text_to_double(seconds, number, option->min / unit, option->max / unit, key);
    if (status != CRD_OK)
        return CRD_FAIL(CRD_ERR_USAGE,
                        "%s: '%s' is not a duration from %g s on, as 90, 90s, 10min, 2h, 1d", key,
                        text, option->min);
    *seconds *= unit;
    return CRD_OK;
}

static crd_status set_value(crd_option_value *value, const crd_option *option, const char *text)
{
    char key[64];
    snprintf(key, sizeof key, "--%s", option->name);
    value->text = text;
    switch (option->type) {
    case CRD_OPTION_FLAG:
        value->integer = 1;
        return CRD_OK;
    case CRD_OPTION_INT64:
        return crd_text_to_int64(&value->integer, text, (int64_t)option->min, (int64_t)option->max,
                                 key);
    case CRD_OPTION_DOUBLE:
        return crd_text_to_double(&value->number, text, option->min, option->max, key);
    case CRD_OPTION_DURATION:
        return set_duration(&value->number, option, key, text);
    case CRD_OPTION_INT64S:
    case CRD_OPTION_DOUBLES:
        return set_numbers(value, option, key, text);
    case CRD_OPTION_CHOICE:
        return find_choice(&value->integer, option, &value->text);
    case CRD_OPTION_TEXT:
        return *text != '\0' ? CRD_OK : CRD_FAIL(CRD_ERR_USAGE, "%s: the value is empty", key);
    case CRD_OPTION_TEXTS:
        break;
    }
    crd_status status =
        option->choices != NULL ? find_choice(&value->integer, option, &text) : CRD_OK;
    if (status == CRD_OK)
        status = crd_alloc_grow((void **)&value->texts, value->n_texts, value->n_texts + 1,
                                sizeof *value->texts, key);
    if (status == CRD_OK)
        value->texts[value->n_texts++] = text;
    return status;
}

/** A number after the value of a list: "--channel-mean 0.5 0.5 0.5", as argparse would take it. */
static crd_status check_list(const crd_option *option, const char *text, const char *next)
{
    double number;
    int is_list = option->type == CRD_OPTION_INT64S || option->type == CRD_OPTION_DOUBLES;
    if (is_list && crd_text_to_double(&number, next, -DBL_MAX, DBL_MAX, "next") == CRD_OK)
        return CRD_FAIL(CRD_ERR_USAGE,
                        "--%s: '%s' follows its value: the numbers of a list are separated by "
                        "commas alone: --%s %s,%s",
                        option->name, next, option->name, text, next);
    return CRD_OK;
}

/** Takes the option at argv[i]; *used gets the number of words it took. */
static crd_status take_option(crd_options *out, unsigned command, int argc, char *const *argv,
                              int i, int *used)
{
    const char *word = argv[i];
    size_t length = strncmp(word, "--", 2) == 0 ? strcspn(word, "=") : strlen(word);
    int id = find_option(command, word, length);
    if (id < 0)
        return unknown_option(command, word, length);
    const crd_option *option = &crd_option_table()[id];
    const char *text = word[length] == '=' ? word + length + 1 : NULL;
    *used = 1;
    if (option->type == CRD_OPTION_FLAG && text != NULL)
        return CRD_FAIL(CRD_ERR_USAGE, "--%s takes no value", option->name);
    if (option->type != CRD_OPTION_FLAG && text == NULL) {
        if (i + 1 == argc)
            return CRD_FAIL(CRD_ERR_USAGE, "%s needs a value: %s", word, option->placeholder);
        text = argv[i + 1];
        *used = 2;
    }
    if (i + *used < argc && check_list(option, text, argv[i + *used]) != CRD_OK)
        return CRD_ERR_USAGE;
    out->values[id].given = 1;
    return set_value(&out->values[id], option, text);
}

/** The first argument is the value of the option that the table says it may be. */
static crd_status take_argument(crd_options *out, unsigned command)
{
    for (int id = 0; id < CRD_N_OPTIONS && out->n_arguments > 0; id++) {
        const crd_option *option = &crd_option_table()[id];
        if (!(option->argument & command))
            continue;
        if (out->values[id].given)
            return CRD_FAIL(CRD_ERR_USAGE, "'%s' and --%s '%s': only one can be given",
                            out->arguments[0], option->name, out->values[id].text);
        out->values[id].given = 1;
        crd_status status = set_value(&out->values[id], option, out->arguments[0]);
        if (status != CRD_OK)
            return status;
        out->n_arguments--;
        memmove(out->arguments, out->arguments + 1,
                (size_t)out->n_arguments * sizeof *out->arguments);
    }
    return CRD_OK;
}

crd_status crd_options_parse(crd_options *out, unsigned command, int argc, char *const *argv)
{
    crd_status status = CRD_OK;
    int options_end = 0;
    memset(out, 0, sizeof *out);
    CRD_ALLOC(&out->arguments, argc, "arguments");
    for (int i = 0, used; i < argc; i += used) {
        used = 1;
        if (options_end || argv[i][0] != '-' || argv[i][1] == '\0')
            out->arguments[out->n_arguments++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            options_end = 1;
        else
            CRD_TRY(take_option(out, command, argc, argv, i, &used));
    }
    CRD_TRY(take_argument(out, command));
    for (int id = 0; id < CRD_N_OPTIONS; id++) {
        const crd_option *option = &crd_option_table()[id];
        if ((option->commands & command) && !out->values[id].given && option->default_text != NULL)
            CRD_TRY(set_value(&out->values[id], option, option->default_text));
    }
cleanup:
    return status;
}

/** Has the option a value that the need is content with? */
static int is_met(const crd_option_need *need, const crd_options *options)
{
    const crd_option_value *value = &options->values[need->option];
    if (need->values[0] == NULL)
        return value->given;
    for (int i = 0; need->values[i] != NULL; i++)
        if (value->text != NULL && strcmp(value->text, need->values[i]) == 0)
            return 1;
    return 0;
}

void crd_option_form(char out[CRD_FORM_SIZE], const crd_option *option)
{
    char letter[8] = "";
    if (option->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(out, CRD_FORM_SIZE, "%s--%s%s%s", letter, option->name,
             option->placeholder != NULL ? " " : "",
             option->placeholder != NULL ? option->placeholder : "");
}

size_t crd_option_need_text(char *out, size_t size, const crd_option_need *need)
{
    const crd_option *needed = &crd_option_table()[need->option];
    size_t used = needed->letter != 0 ? (size_t)snprintf(out, size, "-%c", needed->letter)
                                      : (size_t)snprintf(out, size, "--%s", needed->name);
    for (int i = 0; need->values[i] != NULL && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : " ", need->values[i]);
    return used < size ? used : size - 1;
}

static crd_status check_row(const crd_option *option, const crd_options *options)
{
    const crd_option *table = crd_option_table();
    for (int i = 0; i < CRD_OPTION_MAX_NEEDS && option->needs[i].option != CRD_OPT_NONE; i++) {
        const crd_option_need *need = &option->needs[i];
        const char *placeholder = table[need->option].placeholder;
        char text[128];
        crd_option_need_text(text, sizeof text, need);
        if (!is_met(need, options))
            return CRD_FAIL(CRD_ERR_USAGE, "--%s needs %s%s%s", option->name, text,
                            need->values[0] == NULL && placeholder != NULL ? " " : "",
                            need->values[0] == NULL && placeholder != NULL ? placeholder : "");
    }
    for (int i = 0; i < CRD_OPTION_MAX_EXCLUDES && option->excludes[i] != CRD_OPT_NONE; i++)
        if (options->values[option->excludes[i]].given)
            return CRD_FAIL(CRD_ERR_USAGE, "--%s and --%s exclude each other: %s", option->name,
                            table[option->excludes[i]].name, option->why_not);
    return CRD_OK;
}

crd_status crd_options_check(const crd_options *options, unsigned command)
{
    for (int id = 0; id < CRD_N_OPTIONS; id++) {
        const crd_option *option = &crd_option_table()[id];
        crd_status status = options->values[id].given ? check_row(option, options) : CRD_OK;
        if (status != CRD_OK)
            return status;
        char form[CRD_FORM_SIZE];
        crd_option_form(form, option);
        if ((option->required & command) && !options->values[id].given)
            return CRD_FAIL(CRD_ERR_USAGE, "%s is missing", form);
    }
    return CRD_OK;
}

int crd_opt_given(const crd_options *options, crd_option_id id)
{
    return options->values[id].given;
}

const char *crd_opt_first_given(const crd_options *options, const crd_option_id *ids)
{
    for (; *ids != CRD_OPT_NONE; ids++)
        if (crd_opt_given(options, *ids))
            return crd_option_table()[*ids].name;
    return NULL;
}

int crd_opt_flag(const crd_options *options, crd_option_id id)
{
    return options->values[id].integer != 0;
}

int64_t crd_opt_int(const crd_options *options, crd_option_id id)
{
    return options->values[id].integer;
}

double crd_opt_number(const crd_options *options, crd_option_id id)
{
    return options->values[id].number;
}

int crd_opt_choice(const crd_options *options, crd_option_id id)
{
    return (int)options->values[id].integer;
}

const char *crd_opt_text(const crd_options *options, crd_option_id id)
{
    return options->values[id].text;
}

void crd_options_clear(crd_options *options)
{
    for (int id = 0; id < CRD_N_OPTIONS; id++)
        crd_free(options->values[id].texts);
    crd_free(options->arguments);
    memset(options, 0, sizeof *options);
}

const char *crd_option_text(char *buffer, size_t size, const crd_options *options, crd_option_id id)
{
    const crd_option_value *value = &options->values[id];
    if (crd_option_table()[id].type == CRD_OPTION_FLAG)
        return value->integer ? "yes" : "no";
    if (crd_option_table()[id].type != CRD_OPTION_TEXTS)
        return value->text;
    size_t used = 0;
    buffer[0] = '\0';
    for (int64_t i = 0; i < value->n_texts && used < size; i++)
        used +=
            (size_t)snprintf(buffer + used, size - used, "%s%s", i > 0 ? " " : "", value->texts[i]);
    return buffer;
}
