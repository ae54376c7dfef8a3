/* See profile.c. */
#ifndef PROFILE_H
#define PROFILE_H

/* Ends the profile of waits of the current interpreter, if there is one. */
void profile_drop(void);

#endif
