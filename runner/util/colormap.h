/* Colour maps: from a fraction to a colour. */
#ifndef PRF_COLORMAP_H
#define PRF_COLORMAP_H

#include <stdbool.h>
#include <stddef.h>

struct prf_color {
    unsigned char red, green, blue;
};

/* Their names, as the words of an option. `_r`: the other way round. */
#define PRF_COLORMAPS                                                                  \
    "viridis|plasma|inferno|magma|cividis|jet|hot|hot_r|cool|gray|gray_r|Blues|"       \
    "Greens|Oranges|Reds|YlOrRd|RdYlGn_r|RdBu_r"

struct prf_colormap;

/* NULL: no map has that name. */
const struct prf_colormap *prf_colormap_find(const char *name);

/* The colour at 0..1; what is outside (or no number) is taken to the nearest end. */
struct prf_color prf_colormap_at(const struct prf_colormap *map, double fraction);

/* Does white text read better on it than black? By the contrast ratio of WCAG 2. */
bool prf_color_is_dark(struct prf_color color);

#endif
