// SPDX-License-Identifier: GPL-2.0-or-later
/* Promise: le types hold little-endian bytes whatever the host is, and need no alignment. */
#include "base/test/unit.h"

#include "base/bits.h"
#include "base/le.h"

static void bytes_are_little_endian(void **state)
{
    static const uint8_t bytes[] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};

    (void)state;
    assert_memory_equal(le64_of(0x1122334455667788ULL).b, bytes, 8);
    assert_memory_equal(le32_of(0x55667788U).b, bytes, 4);
    assert_memory_equal(le16_of(0x7788).b, bytes, 2);
}

static void get_undoes_of(void **state)
{
    (void)state;
    assert_int_equal(le64_get(le64_of(UINT64_MAX - 5)), UINT64_MAX - 5);
    assert_int_equal(le32_get(le32_of(0x80000001U)), 0x80000001U);
    assert_int_equal(le16_get(le16_of(0xfffe)), 0xfffe);
}

static void fields_need_no_alignment(void **state)
{
    struct odd {
        uint8_t first;
        le64 second;
        le16 third;
    };

    (void)state;
    assert_int_equal(sizeof(struct odd), 11);
    assert_int_equal(offsetof(struct odd, second), 1);
}

static void rounding_keeps_aligned_values(void **state)
{
    (void)state;
    assert_int_equal(round_up_to(4096, 4096), 4096);
    assert_int_equal(round_up_to(4097, 4096), 8192);
    assert_int_equal(round_down_to(8191, 4096), 4096);
    assert_true(is_aligned(0, 4096) && !is_aligned(512, 4096));
    assert_true(is_pow2(1) && is_pow2(4096) && !is_pow2(0) && !is_pow2(12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_little_endian),
        cmocka_unit_test(get_undoes_of),
        cmocka_unit_test(fields_need_no_alignment),
        cmocka_unit_test(rounding_keeps_aligned_values),
    };

    return cmocka_run_group_tests_name("base/le", tests, NULL, NULL);
}
