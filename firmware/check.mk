# The pure modules on this machine. Each tests/test_*.c is a program; its first line, `// needs: a.c b.c`,
# says which sources of src and boot are linked with it. Called by the Makefile.

OUT := $(BUILD)/host
TESTS := $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))
HEADERS := $(wildcard src/*.h boot/*.h tests/*.h) $(BUILD)/registers.h

WARNINGS := -Wall -Wextra -Wpedantic -Werror -Wconversion -Wshadow -Wundef
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS := -std=c17 -g -O1 $(WARNINGS) $(SANITIZERS) -DVERSION_BUILD=0x89ABCDEFu -Isrc -Iboot -Itests -I$(BUILD)

needed = $(shell sed -n '1s|^// needs:||p' $(1))
needs = $(wildcard $(foreach name,$(call needed,$(1)),src/$(name) boot/$(name)))

.PHONY: check fuzz cppcheck $(TESTS:%=run-%)
.DELETE_ON_ERROR:

check: $(TESTS:%=run-%) cppcheck

# A log for each: what passes is one line.
$(TESTS:%=run-%): run-%: $(OUT)/%
	@$< >$<.log 2>&1 || { cat $<.log; exit 1; }
	@printf '%-16s %s\n' '$*' "$$(grep 'PASSED' $<.log)"

.SECONDEXPANSION:
$(OUT)/test_%: tests/test_%.c $$(call needs,tests/test_$$*.c) $(HEADERS) check.mk | $(OUT)
	@gcc $(CFLAGS) $(filter %.c,$^) -lcmocka -o $@

$(OUT):
	@mkdir -p $@

# Each board's own sources with it: what one port does not use is not unused.
CPPCHECK := cppcheck --quiet --std=c11 --enable=all --inconclusive --error-exitcode=1 \
	--suppressions-list=tests/cppcheck.txt --template='{file}:{line}: {id}: {message}' -Isrc -I$(BUILD)

cppcheck:
	@$(CPPCHECK) -Iports/ast1030 -Iboot src ports/ast1030 boot
	@$(CPPCHECK) -Iports/mps2 src ports/mps2
	@$(CPPCHECK) -Itests -Iboot src boot tests
	@echo 'cppcheck         nothing found'

# What a run finds interesting stays, and is where the next one begins.
FUZZ_S ?= 10
FUZZERS := $(patsubst fuzz/fuzz_%.c,%,$(wildcard fuzz/fuzz_*.c))

.SECONDARY: $(FUZZERS:%=$(OUT)/fuzz_%)

fuzz: $(FUZZERS:%=fuzz-%)

fuzz-%: $(OUT)/fuzz_%
	@mkdir -p $(OUT)/corpus/$*
	@$(if $(wildcard fuzz/seeds_$*.py),$(PYTHON) fuzz/seeds_$*.py $(OUT)/corpus/$*)
	@$< -max_total_time=$(FUZZ_S) -max_len=1024 -artifact_prefix=$(OUT)/ -print_final_stats=1 $(OUT)/corpus/$* \
		>$<.log 2>&1 || { tail -40 $<.log; exit 1; }
	@printf '%-16s %s inputs\n' fuzz_$* $$(sed -n 's/^stat::number_of_executed_units: *//p' $<.log)

$(OUT)/fuzz_%: fuzz/fuzz_%.c $$(call needs,fuzz/fuzz_$$*.c) $(HEADERS) check.mk | $(OUT)
	@clang $(CFLAGS) -fsanitize=fuzzer $(filter %.c,$^) -o $@
