/* What signals do. USR1 and USR2 only leave a request; those that end the process first remove
 * what is half written. Handlers call async-signal-safe functions only. */
#include "cli/signals.h"

#include <signal.h>
#include <stdio.h>

#include "credence/interrupt.h"
#include "io/atomic.h"

static void ask(int number)
{
    crd_interrupt_post(number == SIGUSR1 ? CRD_INTERRUPT_STOP : CRD_INTERRUPT_CHECKPOINT);
}

static void end(int number)
{
    crd_atomic_remove_all();
    /* SA_RESETHAND: the default action holds again, so that the parent sees what the end was. */
    raise(number);
}

void crd_signals_clean_up(void)
{
    static const int ends[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT, SIGXCPU};
    struct sigaction action = {.sa_handler = end, .sa_flags = (int)SA_RESETHAND}, before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        /* nohup, and a shell in the background, have a signal ignored: it stays so. */
        if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(ends[i], &action, NULL);
}

void crd_signals_heed(void)
{
    struct sigaction action = {.sa_handler = ask, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
}

void crd_report_hang(const char *line)
{
    fprintf(stderr, "credence: %s\n", line);
}
