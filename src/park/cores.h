/* How many cores the process may use: by its affinity, and by the limits of its control groups.
 *
 * Who looks for a turn keeps a core busy meanwhile. That is a waste where it takes the time, or the core, from the thread
 * whose turn it is. */
#ifndef PARK_CORES_H
#define PARK_CORES_H

/* At least 1. Cheap: what was found is kept. */
int cores_count(void);

/* Looks at the affinity again, when next asked: a program may be given other cores while it runs. */
void cores_forget(void);

/* How many cores' time the control groups allow, rounded down, but at least 1; 0: no limit, or none that can be found.
 * The files are those below `root`, "" but for tests. */
int cores_allowed_by_groups(const char *root);

#endif
