# The boot loader, and the application signed for it (ast1030): `make -f boot.mk`. Called by the Makefile.
# KEY=path is the private key whose owner may make images; without it, one is made for development.

PYTHON ?= ../.venv/bin/python
CROSS ?= arm-none-eabi-
BUILD ?= build
PORT := ast1030
include ports/$(PORT)/port.mk
OUT := $(BUILD)/boot
BOARD := $(BUILD)/$(PORT)
KEY ?= $(BUILD)/keys/development.pem
CRYPTO := $(BUILD)/crypto

WARNINGS := -Wall -Wextra -Wpedantic -Werror -Wconversion -Wshadow -Wundef
CFLAGS := $(CPU) -mthumb -std=c17 -Os -ffreestanding -ffunction-sections -fdata-sections -g \
	-fstack-usage -fcallgraph-info=su
CPPFLAGS := -Isrc -Iports/$(PORT) -Iboot -I$(BUILD) -I$(CRYPTO)
LDFLAGS := $(CPU) -mthumb -nostartfiles --specs=nano.specs -Wl,--gc-sections -T boot/boot.ld

# What it shares with the application.
SHARED := src/startup.c src/driver_reset.c src/store.c src/crc32.c src/trial.c \
	$(addprefix ports/$(PORT)/driver_,clock.c flash.c relay.c uart.c watchdog.c)
SOURCES := $(SHARED) $(wildcard boot/*.c) key.c monocypher.c
OBJECTS := $(patsubst %.c,$(OUT)/%.o,$(notdir $(SOURCES)))
vpath %.c boot src ports/$(PORT) $(CRYPTO) $(OUT)

VERSION := $(shell sed -n 's/^\#define VERSION_\(MAJOR\|MINOR\|PATCH\) //p' src/version.h | paste -sd.)

.PHONY: all sources always
.DELETE_ON_ERROR:

all: $(BOARD)/boot.elf $(BOARD)/flash.img

$(BOARD)/flash.img: $(BOARD)/app.signed.bin
	@$(PYTHON) tools/image.py flash $< $@

$(BOARD)/app.signed.bin: $(BOARD)/app.bin $(OUT)/key.c tools/image.py src/layout.h
	@$(PYTHON) tools/image.py sign $< $@ --key $(KEY) --version $(VERSION)

$(BOARD)/boot.elf: $(OUT)/boot.elf
	@cp $< $@

$(OUT)/boot.elf: $(OBJECTS) boot/boot.ld tools/budget.py
	@$(CROSS)gcc $(LDFLAGS) $(OBJECTS) -o $@
	@$(PYTHON) tools/budget.py $@ --size $(CROSS)size --flash 32768 --ram 16384 --stack 4096

sources: $(CRYPTO)/monocypher.c $(BUILD)/registers.h ## what is not here but made, or fetched

$(OUT)/%.o: %.c boot.mk | $(OUT) $(CRYPTO)/monocypher.h $(BUILD)/registers.h
	@$(CROSS)gcc $(CFLAGS) $(if $(filter monocypher,$*),,$(WARNINGS)) $(CPPFLAGS) -MMD -c $< -o $@

# Looked at each time, written only if it is another key.
$(OUT)/key.c: $(KEY) always | $(OUT)
	@$(PYTHON) tools/image.py key $(KEY) $@

$(BUILD)/keys/development.pem:
	@mkdir -p $(@D)
	@$(PYTHON) tools/image.py newkey $@
	@echo "$@: a key for development; for real nodes, KEY=path"

$(CRYPTO)/monocypher.c: $(CRYPTO)/monocypher.h ;
$(CRYPTO)/monocypher.h: boot/requirements.txt
	@mkdir -p $(CRYPTO)
	@$(PYTHON) -m pip download --quiet --quiet --no-deps --no-binary pymonocypher --require-hashes \
		--requirement $< --dest $(CRYPTO)
	@tar -xzf $(CRYPTO)/pymonocypher-*.tar.gz -C $(CRYPTO) --touch --strip-components=1 \
		--wildcards '*/monocypher.[ch]'

$(BUILD)/registers.h: tools/registers.py ../sdk/edgeagent_sdk/nodemap.py
	@$(PYTHON) tools/registers.py c $@

$(OUT):
	@mkdir -p $@

-include $(OBJECTS:.o=.d)
