/* See cores.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT */
#endif
#include "cores.h"

#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* 0: to be found out. Relaxed throughout: who sees an old value finds out for itself, or again. */
static atomic_int cores;
static atomic_int allowed; /* -1: no limit */

#ifdef __linux__

/* Paths that are longer are not looked at. */
#define PATH_LENGTH 4096

static int
lower(int limit, int other)
{
    return limit == 0 || (other != 0 && other < limit) ? other : limit;
}

static int
whole_cores(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) {
        return 0;
    }
    long long count = quota / period;
    return count < 1 ? 1 : count < INT_MAX ? (int)count : INT_MAX;
}

/* Reads the numbers that the format is for. Returns how many there were. */
static int
read_numbers(const char *folder, const char *name, const char *format, long long *one, long long *other)
{
    char path[PATH_LENGTH];
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path)) {
        return 0;
    }
    FILE *file = fopen(path, "re");
    int count = file == NULL ? 0 : fscanf(file, format, one, other);
    if (file != NULL) {
        fclose(file);
    }
    return count;
}

/* Version 2: "max 100000", or the quota in the place of "max". */
static int
limit_of_unified(const char *folder)
{
    long long quota, period;
    return read_numbers(folder, "cpu.max", "%lld %lld", &quota, &period) == 2 ? whole_cores(quota, period) : 0;
}

/* Version 1: a file for each, -1 for no quota. */
static int
limit_of_controller(const char *folder)
{
    long long quota, period;
    if (read_numbers(folder, "cpu.cfs_quota_us", "%lld", &quota, NULL) != 1 ||
        read_numbers(folder, "cpu.cfs_period_us", "%lld", &period, NULL) != 1) {
        return 0;
    }
    return whole_cores(quota, period);
}

/* The lowest limit of the group and those that it lies in. The group is a path, and is cut short. */
static int
lowest_limit(const char *mount, char *group, int (*limit_of)(const char *folder))
{
    int limit = 0;
    for (;;) {
        char folder[PATH_LENGTH];
        if (snprintf(folder, sizeof(folder), "%s%s", mount, group) < (int)sizeof(folder)) {
            limit = lower(limit, limit_of(folder));
        }
        char *last = strrchr(group, '/');
        if (last == NULL) {
            return limit;
        }
        *last = '\0';
    }
}

static bool
lists_cpu(char *controllers)
{
    char *rest;
    for (char *name = strtok_r(controllers, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
        if (strcmp(name, "cpu") == 0) {
            return true;
        }
    }
    return false;
}

/* A line of /proc/self/cgroup: "hierarchy:controllers:group". */
static int
limit_of_line(const char *root, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL) {
        return 0;
    }
    *group++ = '\0';
    controllers++;
    char mount[PATH_LENGTH];
    bool unified = *controllers == '\0';
    if (!unified && !lists_cpu(controllers)) {
        return 0;
    }
    if (snprintf(mount, sizeof(mount), unified ? "%s/sys/fs/cgroup" : "%s/sys/fs/cgroup/cpu", root) >=
        (int)sizeof(mount)) {
        return 0;
    }
    return lowest_limit(mount, group, unified ? limit_of_unified : limit_of_controller);
}

int
cores_allowed_by_groups(const char *root)
{
    char path[PATH_LENGTH];
    if (snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) >= (int)sizeof(path)) {
        return 0;
    }
    FILE *file = fopen(path, "re");
    int limit = 0;
    while (file != NULL && fgets(path, sizeof(path), file) != NULL) {
        limit = lower(limit, limit_of_line(root, path));
    }
    if (file != NULL) {
        fclose(file);
    }
    return limit;
}

static int
count_by_affinity(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

#else

int
cores_allowed_by_groups(const char *root)
{
    (void)root;
    return 0;
}

static int
count_by_affinity(void)
{
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

#endif

/* The limit is read once: that takes as long as some waits. */
static int
limit_by_groups(void)
{
    int limit = atomic_load_explicit(&allowed, memory_order_relaxed);
    if (limit == 0) {
        limit = cores_allowed_by_groups("");
        limit = limit == 0 ? -1 : limit;
        atomic_store_explicit(&allowed, limit, memory_order_relaxed);
    }
    return limit;
}

int
cores_count(void)
{
    int count = atomic_load_explicit(&cores, memory_order_relaxed);
    if (count == 0) {
        int limit = limit_by_groups();
        count = count_by_affinity();
        count = limit > 0 && limit < count ? limit : count;
        count = count < 1 ? 1 : count;
        atomic_store_explicit(&cores, count, memory_order_relaxed);
    }
    return count;
}

void
cores_forget(void)
{
    atomic_store_explicit(&cores, 0, memory_order_relaxed);
}
