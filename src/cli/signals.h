/** What signals mean to a run that keeps checkpoints. */
#ifndef CRD_CLI_SIGNALS_H
#define CRD_CLI_SIGNALS_H

/** From now on: USR1 asks for a checkpoint and a stop, USR2 for a checkpoint (credence/request.h). TERM and INT end the process at once, as they do
 * without it, after what is half written has been removed: no launcher leaves time for more. */
void crd_signals_heed(void);

/** A crd_watch_report: one line on stderr. */
void crd_report_hang(const char *line);

#endif
