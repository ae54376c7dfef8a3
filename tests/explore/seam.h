/* Included before everything in the files that ship, as they are explored: the processor's pause in a loop that waits for
 * another thread has no function of its own that the linker could wrap. */
void explore_pause(void);
#define __builtin_ia32_pause explore_pause
