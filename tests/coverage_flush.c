/* For coverage_of_c.py: writes the counts of a process that may be about to end by os._exit or by a signal, neither of which
 * runs anything at the end. What it counts from then on is written if it ends otherwise. Only in builds with
 * CTHREADING_COVERAGE=1. */
extern void __gcov_dump(void);
extern void __gcov_reset(void);

__attribute__((visibility("default"))) void
coverage_flush(void)
{
    __gcov_dump();
    __gcov_reset();
}
