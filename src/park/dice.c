/* See dice.h. */
#include "dice.h"

bool
dice_once_in(uint32_t many)
{
    static _Thread_local uint32_t state; /* xorshift, which never comes to 0 */
    if (state == 0) {
        state = (uint32_t)(uintptr_t)&state | 1;
    }
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % many == 0;
}
