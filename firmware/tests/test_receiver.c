// needs: receiver.c crc16.c
// Requests out of streams of bytes, however they are delivered. In a stream, `~` is a silence; in what is
// found, each frame is its slave and function, behind `~` if it took a silence to tell.
#include <stdio.h>

#include "frames.h"
#include "modbus.h"

static const struct row {
    const char *name;
    const char *stream;
    const char *found;
    uint32_t crc_errors;
    uint16_t left;  // bytes that still wait
} rows[] = {
    {"nothing", "", "", 0, 0},
    {"silence alone", "~~", "", 0, 0},
    {"read holding", "(01 03 00 00 00 01)", " 1/3", 0, 0},
    {"read input", "(01 04 00 00 00 01)", " 1/4", 0, 0},
    {"write one", "(01 06 00 00 00 01)", " 1/6", 0, 0},
    {"write many", "(01 10 00 10 00 01 02 00 01)", " 1/16", 0, 0},
    {"the longest write", "(01 10 00 10 00 7B F6 00*246)", " 1/16", 0, 0},
    {"a frame as long as may be", "(01 10 00 10 00 7B F7 00*247)", " 1/16", 0, 0},
    {"device identification", "(01 2B 0E 01 00)", " 1/43", 0, 0},
    {"to another slave", "(02 03 00 00 00 01)", " 2/3", 0, 0},
    {"broadcast", "(00 06 00 00 00 01)", " 0/6", 0, 0},
    {"two in a row", "(01 03 00 00 00 01)(01 04 00 00 00 01)", " 1/3 1/4", 0, 0},
    {"two and a silence", "(01 03 00 00 00 01)~(01 04 00 00 00 01)~", " 1/3 1/4", 0, 0},

    {"an unknown function waits for silence", "(01 11)", "", 0, 4},
    {"an unknown function ends in silence", "(01 11)~", " ~1/17", 0, 0},
    {"an unknown function of many bytes", "(01 17 00*20)~", " ~1/23", 0, 0},
    {"the longest unknown function", "(01 17 00*252)", " 1/23", 0, 0},
    {"another encapsulated transport", "(01 2B 0D 00)~", " ~1/43", 0, 0},
    {"an unknown function with a wrong CRC", "01 11 00 00~", "", 1, 0},
    {"too short for a frame", "01~01 11~(01)~", "", 3, 0},
    {"an unknown function, then ours at once", "(02 11)(01 03 00 00 00 01)~", " ~1/3", 1, 0},

    {"half a request waits", "01 03 00 00", "", 0, 4},
    {"half a request ends in silence", "01 03 00 00~", "", 1, 0},
    {"half a request, silence, a whole one", "01 03 00~(01 03 00 00 00 01)", " 1/3", 1, 0},
    {"silence within a request ends it", "01 03 00~00 00 01 84 0A~", "", 2, 0},
    {"a wrong CRC", "01 03 00 00 00 01 00 00~", "", 1, 0},
    {"a wrong CRC, then a right one", "01 03 00 00 00 01 00 00 (01 04 00 00 00 01)~", " ~1/4", 1, 0},
    {"a wrong CRC, silence, a right one", "01 03 00 00 00 01 00 00~(01 04 00 00 00 01)", " 1/4", 1, 0},
    {"garbage before", "00 FF (01 03 00 00 00 01)~", " ~1/3", 1, 0},
    {"garbage that begins like a request", "05 03 (01 03 00 00 00 01)~", " ~1/3", 1, 0},
    {"garbage of the same slave", "01 (01 03 00 00 00 01)~", " ~1/3", 1, 0},
    {"garbage behind", "(01 03 00 00 00 01) 55 AA~", " 1/3", 1, 0},
    {"garbage between", "(01 03 00 00 00 01) FF (01 04 00 00 00 01)~", " 1/3 ~1/4", 1, 0},
    {"garbage in two runs", "FF FF~FE FE~", "", 2, 0},

    {"16 says less than it brings", "(01 10 00 10 00 02 02 00 01 00 02)~", "", 1, 0},
    {"16 says more than it brings", "(01 10 00 10 00 01 04 00 01)~", "", 1, 0},
    {"16 says more, then ours", "(01 10 00 10 00 01 04 00 01)(01 03 00 00 00 01)~", " ~1/3", 1, 0},
    {"16 says more than a frame holds", "01 10 00 10 00 7F FE 00*20~", "", 1, 0},
    {"16 says no bytes", "(01 10 00 10 00 00 00)", " 1/16", 0, 0},

    {"another's answer to a read, then ours",
     "(02 04 00 00 00 02)~(02 04 04 00 01 00 02)~(01 04 00 00 00 01)", " 2/4 1/4", 1, 0},
    {"the same without silences", "(02 04 00 00 00 02)(02 04 04 00 01 00 02)(01 04 00 00 00 01)~",
     " 2/4 ~1/4", 1, 0},
    {"another's answer to 6 is its request", "(02 06 00 10 00 01)(02 06 00 10 00 01)(01 04 00 00 00 01)",
     " 2/6 2/6 1/4", 0, 0},
    {"another's answer to 16, then ours",
     "(02 10 00 10 00 01 02 00 01)(02 10 00 10 00 01)(01 04 00 00 00 01)~", " 2/16 ~1/4", 1, 0},
    {"another's exception, then ours", "(02 84 02)(01 04 00 00 00 01)~", " ~1/4", 1, 0},

    {"more noise than fits, then ours", "FF*300 (01 03 00 00 00 01)~", " ~1/3", 1, 0},
    {"exactly as much noise as fits", "FF*255~(01 03 00 00 00 01)", " 1/3", 1, 0},
    {"noise that looks like long requests", "01 10*500~(01 03 00 00 00 01)", " 1/3", 1, 0},
};

enum { FOUND_MAX = 2000 };

static void take_frames(struct receiver *receiver, bool silent, struct line_counts *line, char *found) {
    uint16_t length;
    while ((length = receiver_frame(receiver, silent, line)) != 0) {
        assert_in_range(length, 4, receiver->length);
        assert_int_equal(crc16(receiver->data, length), 0);
        size_t used = strlen(found);
        snprintf(found + used, FOUND_MAX - used, " %s%u/%u", silent ? "~" : "", receiver->data[0],
                 receiver->data[1]);
        receiver_drop(receiver, length);
    }
}

static void deliver(const struct row *row, unsigned lump) {
    struct receiver receiver = {0};
    struct line_counts line = {0};
    char found[FOUND_MAX] = "";
    const char *rest = row->stream;
    while (*rest) {
        struct bytes bytes;
        rest = read_until(rest, '~', &bytes);
        for (uint16_t i = 0; i < bytes.length; i++) {
            receiver_push(&receiver, bytes.data[i], &line);
            if (i % lump == lump - 1) {
                take_frames(&receiver, false, &line, found);
            }
        }
        take_frames(&receiver, false, &line, found);
        assert_in_range(receiver.length, 0, FRAME_MAX - 1);
        if (*rest == '~') {
            take_frames(&receiver, true, &line, found);
            rest++;
        }
    }
    assert_string_equal(found, row->found);
    assert_int_equal(line.crc_errors, row->crc_errors);
    assert_int_equal(receiver.length, row->left);
}

static void test_stream(void **state) {
    static const unsigned lumps[] = {1, 2, 3, 7, 16, TEXT_BYTES_MAX};
    for (unsigned i = 0; i < COUNT(lumps); i++) {
        deliver(*state, lumps[i]);
    }
}

// However much noise there was: after a silence, a whole request is found at once.
static void test_noise(void **state) {
    uint32_t seed = 1;
    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        struct receiver receiver = {0};
        struct line_counts line = {0};
        char found[FOUND_MAX] = "";
        for (unsigned i = 0; i < round % 600; i++) {
            seed = seed * 1664525u + 1013904223u;
            // Few values, so that much of it looks like the beginning of a request.
            static const uint8_t often[] = {0, 1, 2, 3, 4, 6, 14, 16, 43, 0xFF};
            receiver_push(&receiver, often[seed >> 16 & 0xFF ? (seed >> 24) % COUNT(often) : 0], &line);
            if (seed >> 8 & 1) {
                take_frames(&receiver, false, &line, found);
            }
        }
        take_frames(&receiver, true, &line, found);
        assert_int_equal(receiver.length, 0);
        struct bytes bytes;
        read_until("(01 04 01 00 00 02)", 0, &bytes);
        for (uint16_t i = 0; i < bytes.length; i++) {
            receiver_push(&receiver, bytes.data[i], &line);
        }
        assert_int_equal(receiver_frame(&receiver, false, &line), 8);
    }
}

int main(void) {
    ROWS(test_stream, rows)
    TEST(test_noise);
    return RUN_TESTS();
}
