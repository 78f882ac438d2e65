/** A prediction under way: what predict.c (windows, rounds, units), predict_schedule.c (where it
 * stands), predict_totals.c (sums) and predict_checkpoint.c share. */
#ifndef CRD_ENGINE_PREDICT_RUN_H
#define CRD_ENGINE_PREDICT_RUN_H

#include "base/integers.h"
#include "credence/predict.h"
#include "credence/stopping_rule.h"
#include "engine/checkpoint_timer.h"
#include "engine/partition.h"
#include "engine/unit_set.h"
#include "reduce/predict_state.h"

/** Levels of the alarm: requests, and above them a failure. */
enum { CRD_ALARM_FAILED = CRD_INTERRUPT_STOP + 1 };

/** Sizes that follow from model, options, ranks and checkpoint; the same on all ranks. */
typedef struct crd_predict_sizes {
    int64_t image_floats, unit_floats; /**< of an image; outputs of a full unit */
    int64_t n_blocks;                  /**< draw blocks up to the last draw */
    int64_t window_size;  /**< images of a window that this run begins: a multiple of the batch */
    int64_t round_blocks; /**< most draw blocks of a round that it begins */
    int64_t most_images, most_units; /**< in a window and a round, those of a checkpoint too */
} crd_predict_sizes;

/** Where the run is: the same on all ranks. */
typedef struct crd_predict_position {
    crd_stopping_rule rule;              /**< where images may stop; one look if they may not */
    int64_t window;                      /**< windows begun by this call */
    int64_t first_image, n_images;       /**< of the window */
    int64_t first_block, n_blocks_round; /**< of the round */
    int64_t look_begin, look_end; /**< draw blocks at the looks before and after first_block */
    int8_t *stopped;              /**< [most_images] 1: the image gets no more draws */
    int64_t *active;              /**< [n_active] batches of the window that have other images */
    int64_t n_active;
    crd_unit_set units; /**< of the round, as known at the last meeting */
} crd_predict_position;

/** Draws done in this window. Rank 0: those of all ranks up to the last exchange, and its own
 * later ones. Other ranks: their own since that exchange. */
typedef struct crd_predict_totals {
    crd_reduction reduction;
    int64_t *sums, *maxima; /**< [most_images] accumulators */
    crd_summary summary;    /**< rank 0 */
    /** [words + 1] this rank's units since the last exchange as bits, and their number */
    int64_t *new_units;
} crd_predict_totals;

/** Of a model that is streamed: a round is computed in turns, each of them the draw blocks whose
 * first component lies in a stretch of components, which the window of that turn holds. The same on
 * all ranks. */
typedef struct crd_predict_turns {
    crd_shared_model *weights; /**< NULL: all components are held, and there are no turns */
    int64_t n_components;
    int64_t stretch;    /**< components of a turn */
    int64_t n, current; /**< turns */
    int64_t *windows;   /**< [n] components from its first one on that the blocks of a turn need */
    crd_unit_set units; /**< those left of the round that are not of this turn count as done */
} crd_predict_turns;

/** What computes, and what goes between ranks. */
typedef struct crd_predict_means {
    crd_sampler *sampler;
    /** [most_images][image_floats] and then, on rank 0's node, [most_images] bytes: skipped */
    crd_shared *images[2];
    crd_shared *draws; /**< [unit][unit_floats] of a round, if wanted */
    float *logits;     /**< of a unit */
    crd_counter *counter;
    crd_alarm *alarm;
    crd_checkpoint_timer timer;
    int64_t *node_begin; /**< [n_nodes + 1] */
    int64_t n_computed;  /**< units, by this rank in this call */
} crd_predict_means;

typedef struct crd_predict_run {
    crd_comm *comm;
    const crd_predict_options *options;
    const crd_predict_source *source;
    const crd_predict_sink *sink;
    crd_predict_sizes plan;
    crd_predict_position place;
    crd_predict_totals totals;
    crd_predict_turns turns;
    crd_predict_means means;
} crd_predict_run;

/** Plans the turns, if there are to be any, for rounds of up to plan.most_units. Local. */
crd_status crd_predict_plan_turns(crd_predict_run *r);
void crd_predict_clear_turns(crd_predict_run *r);
/** While units of the round are left: its turn, or the next one that has some, can be computed, and
 * the one after it is on its way. Collective. Errors: of the weights' source. */
crd_status crd_predict_take_turn(crd_predict_run *r);
/** The units that are dealt: those left of the turn; without turns of the round. */
const crd_unit_set *crd_predict_dealt(const crd_predict_run *r);

/** Of the images of a window; on rank 0's node. */
int8_t *crd_predict_skipped(const crd_predict_run *r, int64_t window);
/** Batches of the current window. */
int64_t crd_predict_n_batches(const crd_predict_run *r);
/** Most units of the whole run; those that are done or not wanted any more, as known at the last
 * meeting. */
int64_t crd_predict_n_units(const crd_predict_run *r);
int64_t crd_predict_n_units_done(const crd_predict_run *r);

/** The looks about a draw block become those of the run. */
void crd_predict_set_look(crd_predict_run *r, int64_t first_block);
/** Draws that an image has at look_end, if it has not been stopped. */
int64_t crd_predict_look_draws(const crd_predict_run *r);
/** All ranks learn which images of the window get draws from first_block on. Collective. */
void crd_predict_choose(crd_predict_run *r);
/** A round of as many blocks up to the look as fit; none of its units is done. */
void crd_predict_begin_round(crd_predict_run *r);

/** Draws begin in this block. */
int64_t crd_predict_begin_block(const crd_predict_run *r);

/** The accumulators of the window's first n images begin anew; or as a checkpoint has them. */
void crd_predict_reset_sums(crd_predict_run *r, int64_t n_images);
void crd_predict_load_sums(crd_predict_run *r, const crd_predict_state *state);
/** A unit's outputs [draw][image][output] go into the sums of its images. */
void crd_predict_accumulate(crd_predict_run *r, const crd_unit *unit, const float *logits);
/** Draws in the sums of an image of the window. */
int64_t crd_predict_n_draws(const crd_predict_run *r, int64_t image);
/** Its sums become its row. Rank 0 only. */
void crd_predict_finish_row(crd_predict_run *r, int64_t image);
/** Rank 0 gets all ranks' accumulators; the others begin anew. Collective. */
void crd_predict_collect(crd_predict_run *r);
/** All ranks learn which units the others have done. Collective. */
void crd_predict_exchange(crd_predict_run *r);
/** They are done now. After the exchange; the same on all ranks. Errors: a unit was computed
 * twice. */
crd_status crd_predict_mark(crd_predict_run *r);
void crd_predict_clear_new_units(crd_predict_run *r);
/** Keeps the state if that is what was asked for. Collective. Returns CRD_STOPPED after
 * CRD_INTERRUPT_STOP. */
crd_status crd_predict_write_checkpoint(crd_predict_run *r, crd_interrupt asked);
/** What a checkpoint makes of the run: its window and its round may be those of another number
 * of ranks. */
typedef struct crd_predict_start {
    int64_t first_image, n_images;          /**< the window; n_images 0: there is no checkpoint */
    int64_t first_block, n_blocks, n_units; /**< the round */
} crd_predict_start;
/** Rank 0's source->state, checked, on all ranks. Collective; before memory is planned. */
crd_status crd_predict_find_start(crd_predict_start *out, crd_predict_run *r);
/** Puts the run there, or at its beginning; sums too. Collective. */
void crd_predict_place(crd_predict_run *r, const crd_predict_start *start);
/** Then, with the window's images there, begins its round and takes over the units that are
 * done. Collective. */
crd_status crd_predict_resume(crd_predict_run *r, const crd_predict_start *start);
/** Rows of the window's images, as far as they are. Rank 0 only. */
void crd_predict_summarize(crd_predict_run *r);

#endif
