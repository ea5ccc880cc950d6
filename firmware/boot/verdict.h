// Why an image, or what was asked for, is refused.
#pragma once

enum verdict {
    GOOD,
    NO_IMAGE,
    MALFORMED,
    TOO_LARGE,
    OTHER_ADDRESS,
    OTHER_BOARD,
    CORRUPT,
    NOT_SIGNED,
    OLDER,
    FLASH_FAILED,
    BAD_ARGUMENT,
    NO_SUCH_IMAGE,
    NOT_TRIED,
    TOO_LONG,
    UNKNOWN_COMMAND,
    VERDICTS
};
