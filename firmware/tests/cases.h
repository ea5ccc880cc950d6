// Tests as tables: every row of a table is a test of its own, named by its first member.
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define TEST(function) add_test(#function, function, NULL)
#define ROWS(function, table)                                          \
    for (size_t row = 0; row < COUNT(table); row++) {                  \
        add_test((table)[row].name, function, (const void *)&(table)[row]); \
    }
#define RUN_TESTS() _cmocka_run_group_tests(__FILE__, tests, tests_count, NULL, NULL)

static struct CMUnitTest tests[256];
static size_t tests_count;

static void add_test(const char *name, CMUnitTestFunction function, const void *row) {
    assert_in_range(tests_count, 0, COUNT(tests) - 1);
    tests[tests_count++] = (struct CMUnitTest){name, function, NULL, NULL, (void *)(uintptr_t)row};
}
