/* Colour maps by their stops, linear in sRGB between them; see colormap.h. */
#include "colormap.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define COLORMAP_MAX_STOPS 11

struct prf_colormap {
    const char *name;
    size_t n;
    uint32_t stops[COLORMAP_MAX_STOPS]; /* 0xRRGGBB, at equal distances */
    bool reversed;
};

/* The first five: N. Smith, S. van der Walt, E. Firing (CC0), cividis by J. Nuñez and
   others. jet, hot, cool, gray: their usual definitions. The rest: ColorBrewer, by
   C. Brewer (Apache 2). Every eighth (tenth) of the published tables. */
#define COLORMAP_HOT                                                                   \
    0x0B0000, 0x5F0000, 0xB30000, 0xFF0800, 0xFF5C00, 0xFFB000, 0xFFFF07, 0xFFFF85,    \
        0xFFFFFF

static const struct prf_colormap colormaps[] = {
    {"viridis",
     9,
     {0x440154, 0x472D7B, 0x3B528B, 0x2C728E, 0x21918C, 0x28AE80, 0x5EC962, 0xADDC30,
      0xFDE725}},
    {"plasma",
     9,
     {0x0D0887, 0x4C02A1, 0x7E03A8, 0xAA2395, 0xCC4778, 0xE66C5C, 0xF89540, 0xFDC527,
      0xF0F921}},
    {"inferno",
     9,
     {0x000004, 0x210C4A, 0x57106E, 0x8A226A, 0xBC3754, 0xE45A31, 0xF98E09, 0xF9CB35,
      0xFCFFA4}},
    {"magma",
     9,
     {0x000004, 0x1D1147, 0x51127C, 0x832681, 0xB73779, 0xE75263, 0xFC8961, 0xFEC488,
      0xFCFDBF}},
    {"cividis",
     9,
     {0x00224E, 0x1A386F, 0x434E6C, 0x61656F, 0x7D7C78, 0x9B9476, 0xBCAE6C, 0xDEC958,
      0xFEE838}},
    {"jet",
     9,
     {0x000080, 0x0000FF, 0x0080FF, 0x00FFFF, 0x80FF80, 0xFFFF00, 0xFF8000, 0xFF0000,
      0x800000}},
    {"hot", 9, {COLORMAP_HOT}},
    {"hot_r", 9, {COLORMAP_HOT}, true},
    {"cool", 2, {0x00FFFF, 0xFF00FF}},
    {"gray", 2, {0x000000, 0xFFFFFF}},
    {"gray_r", 2, {0xFFFFFF, 0x000000}},
    {"Blues",
     9,
     {0xF7FBFF, 0xDEEBF7, 0xC6DBEF, 0x9ECAE1, 0x6BAED6, 0x4292C6, 0x2171B5, 0x08519C,
      0x08306B}},
    {"Greens",
     9,
     {0xF7FCF5, 0xE5F5E0, 0xC7E9C0, 0xA1D99B, 0x74C476, 0x41AB5D, 0x238B45, 0x006D2C,
      0x00441B}},
    {"Oranges",
     9,
     {0xFFF5EB, 0xFEE6CE, 0xFDD0A2, 0xFDAE6B, 0xFD8D3C, 0xF16913, 0xD94801, 0xA63603,
      0x7F2704}},
    {"Reds",
     9,
     {0xFFF5F0, 0xFEE0D2, 0xFCBBA1, 0xFC9272, 0xFB6A4A, 0xEF3B2C, 0xCB181D, 0xA50F15,
      0x67000D}},
    {"YlOrRd",
     9,
     {0xFFFFCC, 0xFFEDA0, 0xFED976, 0xFEB24C, 0xFD8D3C, 0xFC4E2A, 0xE31A1C, 0xBD0026,
      0x800026}},
    {"RdYlGn_r",
     11,
     {0xA50026, 0xD73027, 0xF46D43, 0xFDAE61, 0xFEE08B, 0xFFFFBF, 0xD9EF8B, 0xA6D96A,
      0x66BD63, 0x1A9850, 0x006837},
     true},
    {"RdBu_r",
     11,
     {0x67001F, 0xB2182B, 0xD6604D, 0xF4A582, 0xFDDBC7, 0xF7F7F7, 0xD1E5F0, 0x92C5DE,
      0x4393C3, 0x2166AC, 0x053061},
     true},
};

const struct prf_colormap *
prf_colormap_find(const char *name)
{
    for (size_t i = 0; i < sizeof colormaps / sizeof *colormaps; i++) {
        if (strcmp(colormaps[i].name, name) == 0) {
            return &colormaps[i];
        }
    }
    return NULL;
}

static unsigned char
colormap_mix(uint32_t low, uint32_t high, unsigned shift, double part)
{
    double a = (double)(low >> shift & 0xFF), b = (double)(high >> shift & 0xFF);
    return (unsigned char)lround(a + (b - a) * part);
}

struct prf_color
prf_colormap_at(const struct prf_colormap *map, double fraction)
{
    double x = fraction > 0 ? fraction < 1 ? fraction : 1.0 : 0.0; /* NaN: 0 */
    x = (map->reversed ? 1.0 - x : x) * (double)(map->n - 1);
    size_t i = (size_t)x;
    i = i + 2 > map->n ? map->n - 2 : i;
    uint32_t low = map->stops[i], high = map->stops[i + 1];
    double part = x - (double)i;
    return (struct prf_color){colormap_mix(low, high, 16, part),
                              colormap_mix(low, high, 8, part),
                              colormap_mix(low, high, 0, part)};
}

static double
colormap_linear(unsigned char channel)
{
    double c = channel / 255.0;
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

bool
prf_color_is_dark(struct prf_color color)
{
    double luminance = 0.2126 * colormap_linear(color.red) +
                       0.7152 * colormap_linear(color.green) +
                       0.0722 * colormap_linear(color.blue);
    return 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05;
}
