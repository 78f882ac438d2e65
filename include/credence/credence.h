/** All of Credence's library but MPI's types (credence/mpi.h). One header per use; read them in
 * this order, as far as you need. include/credence/README.md has two whole programs. Room: app.
 */
#ifndef CREDENCE_H
#define CREDENCE_H

/* Every program. */
#include "credence/comm.h"    /* the ranks of a run; crd_comm_create_self: this process alone */
#include "credence/log.h"     /* where messages go */
#include "credence/status.h"  /* how functions fail */
#include "credence/version.h" /* CREDENCE_VERSION */

/* Files in, files out: what the program's commands do. */
#include "credence/compare_files.h"
#include "credence/convert_files.h"
#include "credence/ensemble_files.h"
#include "credence/evaluate_files.h"
#include "credence/export_files.h"
#include "credence/inspect_files.h"
#include "credence/laplace_files.h"
#include "credence/merge_files.h"
#include "credence/plan_files.h"
#include "credence/predict_files.h"
#include "credence/preprocess_files.h"
#include "credence/run.h" /* what these write down of a run */
#include "credence/sample_files.h"
#include "credence/sample_plan.h"
#include "credence/train_files.h"

/* Images in memory. */
#include "credence/image.h"
#include "credence/predictive.h" /* the figures of a prediction */
#include "credence/predictor.h"

/* The parts, for programs of another kind. */
#include "credence/chain_diagnostics.h" /* have chains converged? */
#include "credence/dataset.h"           /* images by number */
#include "credence/files.h"             /* posteriors, predictions, checkpoints */
#include "credence/interrupt.h"         /* stop with a checkpoint */
#include "credence/network.h"           /* graphs */
#include "credence/posterior.h"         /* distributions of weights */
#include "credence/predict.h"           /* the prediction engine: any source, any sink */
#include "credence/refresh.h"           /* batch norm's statistics from images */
#include "credence/sample.h"            /* the sampling engine: chains */
#include "credence/train.h"             /* the training engine */
#include "credence/watchdog.h"          /* ranks that hang */
#include "credence/weights.h"           /* other systems' weight files */
#include "credence/zoo.h"               /* architectures */

#endif
