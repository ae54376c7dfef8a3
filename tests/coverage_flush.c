/* For coverage_of_c.py: writes the counts of a process that is about to end by os._exit, which runs nothing at the end.
 * Only in builds with CTHREADING_COVERAGE=1. */
extern void __gcov_dump(void);

__attribute__((visibility("default"))) void
coverage_flush(void)
{
    __gcov_dump();
}
