/** How a value of ONNX lies in an op of the network. Private to this room.
 *
 * A value's axes are cut into atoms: numbers of elements that lie evenly in one extent of the op,
 * or that are the images. Reshape, Transpose, Squeeze, Unsqueeze and Expand only change which atoms
 * an axis has; nothing is appended for them. Where a lowering needs a value in some order of its
 * extents, crd_onnx_arrange appends a Permute, or a Reshape or Flatten where memory has that order
 * already. So the images may be any axis, or part of one, as in windows and heads. */
#ifndef CRD_IMPORT_ONNX_VIEW_H
#define CRD_IMPORT_ONNX_VIEW_H

#include "import/onnx/onnx_graph.h"

typedef struct crd_onnx_lowering crd_onnx_lowering;

/** Where a value lies: an op of the network, or one of these. */
enum { CRD_ONNX_NOWHERE = -1, CRD_ONNX_LACKING = -2 };

enum { CRD_ONNX_MAX_ATOMS = 16, CRD_ONNX_IMAGES = -1 };

typedef struct crd_onnx_atom {
    int64_t extent, step; /**< step within the op's extent */
    int dim;              /**< the op's extent, from 0; or CRD_ONNX_IMAGES */
    int axis;             /**< of ONNX */
} crd_onnx_atom;

/** Atoms in ONNX's order, those of an axis beside each other. All elements of the op are there
 * once. Without atoms: an axis of extent 1, or one along which all is equal (Expand). Atoms of
 * extent 1 are left out, other than the images. */
typedef struct crd_onnx_view {
    int64_t op;
    int n;
    crd_onnx_atom atoms[CRD_ONNX_MAX_ATOMS];
} crd_onnx_view;

/** The usual one: (images, features, positions ...) as (features, positions ...), where one extent
 * of positions is held as (features, 1, positions). */
void crd_onnx_view_plain(crd_onnx_view *out, int64_t op, const crd_shape *shape);
/** Appends an atom, unless its extent is 1; false: too many. */
bool crd_onnx_view_add(crd_onnx_view *view, const crd_onnx_atom *atom);
/** Whether each axis has atoms for its whole extent. */
bool crd_onnx_view_is_whole(const crd_onnx_view *view, const crd_shape *shape);
/** Whether an axis has the images among its atoms; whether it has atoms other than these. */
bool crd_onnx_view_has_images(const crd_onnx_view *view, int axis);
bool crd_onnx_view_has(const crd_onnx_view *view, int axis);
/** Other axes for the same order of elements; false: the atoms cannot be cut so. Where the images
 * are one, ONNX does not tell which axis has them: it is the next that is not the features. */
bool crd_onnx_view_reshape(crd_onnx_view *view, const crd_shape *to);
/** Axis d of the new view is axis order[d] of the old one. */
void crd_onnx_view_transpose(crd_onnx_view *view, const int *order, int n);
/** Axis d becomes map[d]; the order stays. */
void crd_onnx_view_renumber(crd_onnx_view *view, const int *map);
/** Atoms of one axis that make one are joined. */
void crd_onnx_view_join(crd_onnx_view *view);
/** Cuts atoms of axes that both have until they are of equal extents; false: they cannot be. */
bool crd_onnx_view_refine(crd_onnx_view *a, crd_onnx_view *b);

/** An order for an op: atoms, by their numbers in a view, and the extent that each is part of,
 * which never falls. All atoms other than the images are there. */
typedef struct crd_onnx_plan {
    int n, n_dims;
    int atom[CRD_ONNX_MAX_ATOMS], dim[CRD_ONNX_MAX_ATOMS];
} crd_onnx_plan;

/** Appends the atoms of an axis to a plan. */
void crd_onnx_plan_axis(crd_onnx_plan *plan, const crd_onnx_view *view, int axis, int dim);
/** The order that memory has, as it is. */
void crd_onnx_plan_memory(crd_onnx_plan *out, const crd_onnx_view *view);

/** Brings what a view shows into the plan's order; view->op is CRD_ONNX_LACKING where that cannot
 * be said. `value`: whose view it is, for names; -1: the node's. */
crd_status crd_onnx_arrange(crd_onnx_view *view, crd_onnx_lowering *lowering,
                            const crd_onnx_node *node, int64_t value, const crd_onnx_plan *plan);
/** Makes the view of a value the plain one. *done: it could be. */
crd_status crd_onnx_settle(bool *done, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                           int64_t value);
/** The op's extent that is the axes from `first` to before `end`, in their order; -1: none is. */
int crd_onnx_dim_of(const crd_onnx_lowering *lowering, const crd_onnx_view *view, int first,
                    int end);
/** The view of input k of a node, brought into an order in which these axes are the op's features.
 * *done: it has an op, and they have no images. */
crd_status crd_onnx_to_features(bool *done, crd_onnx_view *out, crd_onnx_lowering *lowering,
                                const crd_onnx_node *node, int k, int first, int end);
/** All elements in ONNX's order as one extent, so that each axis has one atom. */
crd_status crd_onnx_in_order(crd_onnx_view *view, crd_onnx_lowering *lowering,
                             const crd_onnx_node *node, int64_t value);
/** Step of an atom in memory, images left out. */
int64_t crd_onnx_linear_step(const crd_onnx_lowering *lowering, const crd_onnx_view *view,
                             int atom);

#endif
