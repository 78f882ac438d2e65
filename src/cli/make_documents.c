/* Not part of the program: writes man pages and completion into a folder while Credence is built.
 * Usage: make_documents FOLDER. */
#include <stdio.h>

#include "cli/documents.h"

static int close_file(FILE *file, const char *path)
{
    int is_written = !ferror(file);
    is_written &= fclose(file) == 0;
    if (!is_written)
        perror(path);
    return is_written;
}

static FILE *open_file(char path[4096], const char *folder, const char *name, const char *ending)
{
    snprintf(path, 4096, "%s/%s%s", folder, name, ending);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        perror(path);
    return file;
}

static int write_man_page(const char *folder, const crd_command *command)
{
    char path[4096], name[64];
    snprintf(name, sizeof name, "credence%s%s", command != NULL ? "-" : "",
             command != NULL ? command->name : "");
    FILE *file = open_file(path, folder, name, ".1");
    if (file == NULL)
        return 0;
    crd_man_write(file, command);
    return close_file(file, path);
}

static int write_completion(const char *folder, const char *name, void (*write)(FILE *out))
{
    char path[4096];
    FILE *file = open_file(path, folder, name, "");
    if (file == NULL)
        return 0;
    write(file);
    return close_file(file, path);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_documents FOLDER\n");
        return 2;
    }
    int is_well = write_man_page(argv[1], NULL);
    for (int i = 0; crd_command_get(i) != NULL; i++)
        is_well &= write_man_page(argv[1], crd_command_get(i));
    is_well &= write_completion(argv[1], "credence.bash", crd_bash_completion_write);
    is_well &= write_completion(argv[1], "_credence", crd_zsh_completion_write);
    return is_well ? 0 : 1;
}
