# One application for one port: `make -f image.mk PORT=ast1030`. Called by the Makefile.

include ports/$(PORT)/port.mk
OUT := $(BUILD)/$(PORT)

WARNINGS := -Wall -Wextra -Wpedantic -Werror -Wconversion -Wshadow -Wundef
CFLAGS := $(CPU) -mthumb -std=c17 -Os -ffreestanding -ffunction-sections -fdata-sections -g $(WARNINGS) \
	-fstack-usage -fcallgraph-info=su
COMMIT := $(shell git rev-parse --short=8 HEAD 2>/dev/null)
CPPFLAGS := -Isrc -Iports/$(PORT) -I$(BUILD) $(if $(COMMIT),-DVERSION_BUILD=0x$(COMMIT)u)
PLACES := ROM_BASE=$(ROM_BASE) RAM_BASE=$(RAM_BASE) RETAINED_BASE=$(RETAINED_BASE)
LDFLAGS := $(CPU) -mthumb -nostartfiles --specs=nano.specs -Wl,--gc-sections \
	$(PLACES:%=-Wl,--defsym=%) -T link.ld

# Everything in src is built into every port; what only this one has lies with it.
OBJECTS := $(patsubst src/%.c,$(OUT)/%.o,$(wildcard src/*.c)) \
	$(patsubst ports/$(PORT)/%.c,$(OUT)/port_%.o,$(wildcard ports/$(PORT)/*.c))

.DELETE_ON_ERROR:

$(OUT)/app.bin: $(OUT)/app.elf
	@$(CROSS)objcopy -O binary $< $@

$(OUT)/app.elf: $(OBJECTS) link.ld tools/budget.py
	@$(CROSS)gcc $(LDFLAGS) $(OBJECTS) -o $@
	@$(PYTHON) tools/budget.py $@ --size $(CROSS)size --flash 32768 --ram 8192 --stack 2048

$(OUT)/%.o: src/%.c image.mk ports/$(PORT)/port.mk | $(OUT)
	@$(CROSS)gcc $(CFLAGS) $(CPPFLAGS) -MMD -c $< -o $@

$(OUT)/port_%.o: ports/$(PORT)/%.c image.mk ports/$(PORT)/port.mk | $(OUT)
	@$(CROSS)gcc $(CFLAGS) $(CPPFLAGS) -MMD -c $< -o $@

$(OUT):
	@mkdir -p $@

-include $(OBJECTS:.o=.d)
