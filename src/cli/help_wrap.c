/* Text within the width of the terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/help_text.h"

enum { LEAST_WIDTH = 40, MOST_WIDTH = 120 };

int crd_help_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    long width = columns != NULL ? strtol(columns, NULL, 10) : 0;
    if (width <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    if (width <= 0)
        width = CRD_HELP_WIDTH;
    return (int)(width < LEAST_WIDTH ? LEAST_WIDTH : width > MOST_WIDTH ? MOST_WIDTH : width);
}

void crd_help_wrap(const char *text, int column, int indent, int width)
{
    int is_first = 1;
    for (; column < indent; column++)
        putchar(' ');
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (!is_first && column + 1 + length > width) {
            printf("\n%*s", indent, "");
            column = indent;
            is_first = 1;
        }
        column += printf("%s%.*s", is_first ? "" : " ", length, text);
        is_first = 0;
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}
