/* Chance, where a fixed step could keep time with the program. */
#ifndef PARK_DICE_H
#define PARK_DICE_H

#include <stdbool.h>
#include <stdint.h>

/* Returns true once in so many calls, at random. */
bool dice_once_in(uint32_t many);

#endif
