# SPDX-License-Identifier: GPL-2.0-or-later
#
# The front door. meson does the work underneath, in build/.
#
#   make            build; the program is build/copse. Installs nothing
#   make demo       install what is needed, build, and show the main job on an image file
#   make check      install what is needed, build, run the tests
#   make bench      times against the kernel's btrfs
#   make crash      [N=100000] states that a power cut may leave, tried
#   make install    [prefix=/usr/local] [DESTDIR=]
#   make deps, make format, make clean

BUILD := build
prefix ?= /usr/local
PREFIX ?= $(prefix)
# A compiler newer than we know may warn where ours does not; that shall stop no newcomer.
MESON_FLAGS ?= -Dwerror=false

export LC_ALL := C.UTF-8

.PHONY: all deps demo check bench crash install clean format configure

all: configure
	@ninja -C $(BUILD)

# A directory whose configuration failed has no build.ninja, and is configured anew.
configure:
	@if [ ! -f $(BUILD)/build.ninja ]; then \
	    if meson setup $(BUILD) $(MESON_FLAGS); then :; else \
	        need=$$(scripts/deps.sh --list build); \
	        [ -z "$$need" ] || printf '\nmissing packages: %s\n(make deps installs them)\n' "$$need" >&2; \
	        exit 1; \
	    fi; \
	fi

deps:
	@scripts/deps.sh build run test

# Each of these wants the packages before it configures, so the order is written out.
demo:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all
	@scripts/demo.sh $(BUILD)

check:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all
	@scripts/check.sh $(BUILD) $(BUILD)/check-logs
	@scripts/tap-sum.sh $(BUILD)/check-logs

bench:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all
	@scripts/bench.sh $(BUILD)

crash:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all
	@N=$(or $(N),100000) scripts/crash.sh $(BUILD)

install: configure
	@meson configure $(BUILD) -Dprefix=$(abspath $(PREFIX))
	@ninja -C $(BUILD)
	@meson install -C $(BUILD) --no-rebuild
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi

clean:
	@rm -rf $(BUILD) build-*

format:
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i
