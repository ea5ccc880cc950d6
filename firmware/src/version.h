// The firmware's version, as identity and device identification tell it.
#pragma once

#define VERSION_MAJOR 0
#define VERSION_MINOR 1
#define VERSION_PATCH 0

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#define VERSION_TEXT TEXT(VERSION_MAJOR) "." TEXT(VERSION_MINOR) "." TEXT(VERSION_PATCH)

// The first 32 bits of the commit; the build gives it.
#ifndef VERSION_BUILD
#define VERSION_BUILD 0u
#endif
