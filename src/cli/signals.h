/** What signals mean. */
#ifndef CRD_CLI_SIGNALS_H
#define CRD_CLI_SIGNALS_H

/** From now on: TERM, INT, HUP, PIPE, QUIT and XCPU end the process at once, as they do without
 * it, after what is half written has been removed: no launcher leaves time for more. What is
 * ignored stays ignored. */
void crd_signals_clean_up(void);

/** For a run that keeps checkpoints, from now on: USR1 asks for a checkpoint and a stop, USR2
 * for a checkpoint (credence/interrupt.h). */
void crd_signals_heed(void);

/** A crd_watchdog_report: one line on stderr. */
void crd_report_hang(const char *line);

#endif
