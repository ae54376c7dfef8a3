/* In the place of src/park/spin.c, which decides by the clock whether to look before sleeping: here nobody looks, as each
 * look multiplies the schedules. The scenarios are explored with the file that ships as well, less far. */
#include "park/spin.h"

void
spin_begin(spin *self, const void *place, parker *parker, int64_t now, int64_t deadline)
{
    (void)place, (void)parker, (void)deadline;
    self->began = now;
}

void
spin_end(spin *self, park_result result, int64_t now)
{
    (void)self, (void)result, (void)now;
}
