// SPDX-License-Identifier: GPL-2.0-or-later
/* Feature bits and what they allow (promise 8). */
#include "disk/format/format.h"

#define FEATURE_ROW(NAME, number, text, use) {1ULL << (number), text, use},

const struct feature incompat_features[] = {INCOMPAT_FEATURES(FEATURE_ROW){0, NULL, FEATURE_NONE}};
const struct feature compat_ro_features[] = {
    COMPAT_RO_FEATURES(FEATURE_ROW){0, NULL, FEATURE_NONE}};

/* NULL for a bit we do not know. */
static const struct feature *feature_find(const struct feature *table, uint64_t bit)
{
    for (; table->name; table++)
        if (table->bit == bit)
            return table;
    return NULL;
}

/* Says which bit it is that forbids reading or writing. */
static int refuse(int err, const char *set, uint64_t bit, const struct feature *feature)
{
    const char *what = err == -EROFS ? "can be read but not written" : "is not supported";
    int number = __builtin_ctzll(bit);

    if (feature)
        return fail(err, "%s feature %s (bit %d) %s", set, feature->name, number, what);
    return fail(err, "%s feature bit %d is unknown and %s", set, number, what);
}

int features_check(uint64_t incompat, uint64_t compat_ro, bool *readonly)
{
    const struct feature *feature, *cannot_write = NULL;
    const char *cannot_write_set = NULL;
    uint64_t cannot_write_bit = 0;

    for (uint64_t left = incompat; left; left &= left - 1) {
        uint64_t bit = left & -left;

        feature = feature_find(incompat_features, bit);
        if (!feature || feature->use == FEATURE_NONE)
            return refuse(-EOPNOTSUPP, "incompat", bit, feature);
        if (feature->use == FEATURE_READ && !cannot_write_bit) {
            cannot_write = feature;
            cannot_write_bit = bit;
            cannot_write_set = "incompat";
        }
    }
    for (uint64_t left = compat_ro; left; left &= left - 1) {
        uint64_t bit = left & -left;

        feature = feature_find(compat_ro_features, bit);
        if (feature && feature->use == FEATURE_NONE)
            return refuse(-EOPNOTSUPP, "compat_ro", bit, feature);
        if ((!feature || feature->use == FEATURE_READ) && !cannot_write_bit) {
            cannot_write = feature;
            cannot_write_bit = bit;
            cannot_write_set = "compat_ro";
        }
    }
    *readonly = cannot_write_bit != 0;
    if (*readonly)
        (void)refuse(-EROFS, cannot_write_set, cannot_write_bit, cannot_write);
    return 0;
}
