/* Architectures by name, over the tables of all families. */
#include "credence/zoo.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "zoo/families.h"

/* All families. A new one is one line of the list. */
/* clang-format off */
#define FAMILIES(X) \
    X(resnet) \
    X(alexnet) \
    X(vgg) \
    X(squeezenet) \
    X(densenet) \
    X(inception) \
    X(mobilenet) \
    X(mnasnet) \
    X(shufflenet) \
    X(efficientnet) \
    X(efficientnet_lite) \
    X(regnet) \
    X(convnext) \
    X(vit) \
    X(swin) \
    X(maxvit) \
    X(cifar_resnet) \
    X(frn_resnet) \
    X(small)
/* clang-format on */

#define DECLARE(family) extern const crd_family_member crd_family_##family[];
FAMILIES(DECLARE)

#define ENTER(family) crd_family_##family,
static const crd_family_member *const families[] = {FAMILIES(ENTER)};

const float crd_imagenet_mean[] = {0.485f, 0.456f, 0.406f};
const float crd_imagenet_sd[] = {0.229f, 0.224f, 0.225f};

static const crd_family_member *get_member(int64_t i)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const crd_family_member *member = families[f]; member->arch.name != NULL; member++)
            if (i-- == 0)
                return member;
    return NULL;
}

static const crd_family_member *find_member(const char *name)
{
    const crd_family_member *member;
    for (int64_t i = 0; (member = get_member(i)) != NULL; i++)
        if (strcmp(member->arch.name, name) == 0)
            return member;
    return NULL;
}

const crd_arch *crd_zoo_get(int64_t i)
{
    const crd_family_member *member = get_member(i);
    return member == NULL ? NULL : &member->arch;
}

const crd_arch *crd_zoo_find(const char *name)
{
    const crd_family_member *member = find_member(name);
    return member == NULL ? NULL : &member->arch;
}

/* The nearest name, if it is near. */
static crd_status refuse_name(const char *name)
{
    char lower[64];
    const char *nearest = NULL;
    size_t least = strlen(name) / 3 + 1, n_lower = 0;
    for (; name[n_lower] != '\0' && n_lower + 1 < sizeof lower; n_lower++)
        lower[n_lower] = (char)tolower((unsigned char)name[n_lower]);
    lower[n_lower] = '\0';
    const crd_arch *arch;
    for (int64_t i = 0; (arch = crd_zoo_get(i)) != NULL; i++) {
        size_t distance = crd_text_distance(lower, arch->name);
        if (distance < least) {
            least = distance;
            nearest = arch->name;
        }
    }
    if (nearest != NULL)
        return CRD_FAIL(CRD_ERR_USAGE, "unknown architecture '%s'; did you mean %s?", name,
                        nearest);
    return CRD_FAIL(CRD_ERR_USAGE, "unknown architecture '%s'; `credence models` lists all", name);
}

crd_status crd_zoo_build(crd_network **out, const char *name, int64_t in_channels,
                         int64_t image_size, int64_t n_classes)
{
    *out = NULL;
    const crd_family_member *member = find_member(name);
    if (member == NULL)
        return refuse_name(name);
    crd_zoo_size size = {in_channels != 0 ? in_channels : member->arch.in_channels,
                         image_size != 0 ? image_size : member->arch.image_size,
                         n_classes != 0 ? n_classes : member->arch.n_classes};
    crd_builder builder;
    crd_builder_init(&builder, name, &size);
    member->build(&builder, &size, member->config);
    if (builder.status != CRD_OK) {
        crd_network_destroy(builder.network);
        return CRD_FAIL(builder.status, "%s for %lldx%lld images of %lld channels: %s", name,
                        (long long)size.image_size, (long long)size.image_size,
                        (long long)size.in_channels, crd_status_message());
    }
    *out = builder.network;
    return CRD_OK;
}
