/* What happens at a fork: the parts of park/ one after the other, in the child's only thread, before anything else runs
 * there. Everything that a thread which is not there may have held, or stood in, is made good then, and not when somebody
 * comes upon it: only the forking thread knows which waits are its own. */
#ifndef PARK_FORK_H
#define PARK_FORK_H

/* Once, before the first fork. Returns 0 or an errno value. Later calls do nothing. */
int fork_setup(void);

#endif
