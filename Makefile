# soquete: a Lua-scriptable socket runtime.
#
#   make             build the program: build/soquete
#   make demo        install what building needs, build, run the course's examples
#   make test        install what testing needs, build, run every suite
#   make unit        C tests                 make lua      tests of the Lua API
#   make e2e         the program against other programs
#   make replay      the fuzz targets over their corpora, without a fuzzer
#   make fuzz        libFuzzer on each target of tests/fuzz; SECONDS=60 each, ONLY=address
#   make storm       random operations by seed: OPS=1000000 SEED=N
#   make soak        mixed load for MINUTES=1; is memory flat? what do 9,000 slow peers cost?
#   make bench       measure against bare C and other runtimes, write docs/benchmarks.md;
#                    ROUNDS=7 SECONDS=0.8 ONLY=lines,requests,udp,idle,start,calls,web,
#                    bulk,read,plain,datagrams,relay,delay,connect,growth
#   make bench-deps  install those other runtimes
#   make campaign    the n-th allocation fails, the n-th call fails with each of its errors,
#                    for every n; ONLY=alloc,calls,outside; SAMPLE=200 takes some by SEED=N
#   make docs        write docs/api from the stubs in docs/stubs
#   make docs-check  run the code blocks of the pages, compare stubs and program
#   make lint        formatting, room rules, luacheck, pyflakes, cppcheck
#   make format      let clang-format rewrite the C files
#   make cov         run the tests in MODE=cov, print the lines covered by file; fails
#                    below 90 %
#   make valgrind    unit, Lua and end-to-end tests under valgrind; SUITES="unit lua"
#   make tsan        unit and Lua tests under the thread sanitizer
#   make deps        install every package that building, testing and linting use
#   make install     PREFIX=/usr/local, DESTDIR= (for packaging)
#   make clean       remove build/
#
# Knobs: MODE=release|debug|asan|tsan|cov|fuzz (each builds in build/$(MODE)), V=1 shows the
# commands, WERROR=1 makes warnings errors (CI=true too), CFLAGS and LDFLAGS come last,
# SEED=N replays a test run.

# --- Knobs ---------------------------------------------------------------------------

MODE ?= release
PREFIX ?= /usr/local
CLANG_FORMAT ?= clang-format-14
PYTHON ?= python3
Q := $(if $(V),,@)

# Debian packages, by what needs them.
BUILD := gcc libc6-dev liblua5.4-dev libutf8proc-dev lua-cjson-dev liburing-dev
TEST  := libcmocka-dev netbase python3 netcat-openbsd socat lua-filesystem iproute2 \
         curl wget apache2-utils wrk strace iperf3
LINT  := clang-format-14 lua-check cppcheck pyflakes3
CHECK := valgrind
PEERS := default-jdk-headless chromium nginx-light
FUZZ  := clang-14 libclang-rt-14-dev
CAMPAIGN := strace fiu-utils
BENCH := liburing-dev strace lua5.4 lua-luv lua-cqueues lua5.2 lua-copas lua-socket \
         python3-uvloop nodejs golang-go nginx-light lighttpd h2o iperf3 socat haproxy

# --- Flags ---------------------------------------------------------------------------

comma     := ,
stress    := -DSOQUETE_STRESS=1
hardening := -D_FORTIFY_SOURCE=2
sanitize  := -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all

release_flags := -O2 $(hardening)
debug_flags   := -Og -g3 $(stress)
asan_flags    := $(sanitize) -fsanitize=address,undefined $(stress)
tsan_flags    := $(sanitize) -fsanitize=thread
cov_flags     := -O0 --coverage
fuzz_flags    := $(sanitize) -fsanitize=fuzzer-no-link,address,undefined
ifeq ($($(MODE)_flags),)
$(error MODE=$(MODE) is none of release, debug, asan, tsan, cov, fuzz)
endif
ifeq ($(MODE),fuzz)
CC := clang-14
endif

# The suites are told how many times as long all takes: some do less then, under fewer seeds.
ifeq ($(MODE),asan)
export SLOW ?= 2
endif

# Callbacks have the signature of their table, so unused parameters are no sign of a slip.
warnings := -Wall -Wextra -Wno-unused-parameter -Wshadow -Wstrict-prototypes \
            -Wmissing-prototypes -Wvla -Wformat -Werror=format-security \
            $(if $(filter 1,$(WERROR))$(filter true,$(CI)),-Werror)
cppflags := -D_GNU_SOURCE -Isrc -I/usr/include/lua5.4
cflags   := -std=gnu11 -g $($(MODE)_flags) -fstack-protector-strong -fPIE $(warnings)
ldflags  := -pie $(filter -f% --coverage,$($(MODE)_flags)) -Wl,--as-needed \
            -Wl,-z,relro -Wl,-z,now -Wl,-z,pack-relative-relocs
# The whole of Lua, and no other symbol: C modules that are loaded later may call what the
# program does not, and keep their own functions, whatever ours are called.
ldflags  += -Wl,--export-dynamic-symbol=lua_* -Wl,--export-dynamic-symbol=luaL_* \
            -Wl,--export-dynamic-symbol=luaopen_*
ldflags  += -Wl,--wrap=luaT_tryconcatTM # src/api/concat.c
# In test programs each of these can be made to fail: tests/support/fault_alloc.c.
wraps    := $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc reallocarray free strdup \
            asprintf __asprintf_chk pthread_create getaddrinfo alloc_lua status_name \
            status_text)
libs     := -Wl,--whole-archive -l:liblua5.4.a -Wl,--no-whole-archive \
            -l:liblua5.4-cjson.a -l:liburing.a -l:libutf8proc.a -ldl

compile = $(CC) $(cppflags) $(includes) $(cflags) $(CPPFLAGS) $(CFLAGS)
# In this order what every script touches of Lua, of ours and of the modules lies together,
# before the tables of Unicode.
link    = $(CC) $(cflags) $(CFLAGS) $(ldflags) -o $@ $(filter %.o,$^) \
          -Wl,--start-group $(libs) $(filter %.a,$^) -Wl,--end-group $(extra_libs) $(LDFLAGS)
# Expanded here: a target's own additions must not look like a change of flags.
all_flags := $(compile) $(ldflags) $(libs) $(LDFLAGS)

# --- What there is -------------------------------------------------------------------

out      := build/$(MODE)
program  := $(out)/soquete
archive  := $(out)/libsoquete.a
modules_lib := $(out)/libmodules.a
runtime  := $(archive) $(modules_lib)
luatest  := $(out)/luatest
faulty   := $(out)/soquete-faulty
campaign := $(out)/campaign
embed    := $(out)/gen/embed
embedded := $(out)/gen/embedded.c
# Silent where there is no compiler yet: the make that builds looks anew.
lua_archive := $(shell $(CC) -print-file-name=liblua5.4.a 2>/dev/null)

sources := $(sort $(filter-out src/cli/main.c src/api/embed.c,$(wildcard src/*/*.c)))
objects := $(sources:%.c=$(out)/%.o)
# What scripts load first lies together, so that they touch fewer pages.
modules := $(addprefix lua/net,.lua /boot.lua /sockets.lua /require.lua)
modules += $(filter-out $(modules),$(sort $(shell find lua -name '*.lua')))

support      := $(sort $(filter-out tests/support/main_%,$(wildcard tests/support/*.c)))
unit_sources := $(sort $(wildcard tests/unit/test_*.c tests/regress/*.c))
units        := $(unit_sources:tests/%.c=$(out)/tests/%)
support_objs := $(support:%.c=$(out)/%.o)
support_lib  := $(out)/tests/libsupport.a
storm_obj    := $(out)/tests/unit/storm.o
mains        := $(sort $(wildcard tests/support/main_*.c))
campaign_objs := $(patsubst %.c,$(out)/%.o,$(wildcard tests/campaign/*.c))
fuzz_sources := $(sort $(wildcard tests/fuzz/fuzz_*.c))
fuzzers      := $(fuzz_sources:%.c=$(out)/%)
# libFuzzer brings its own main.
fuzz_main    := $(if $(filter fuzz,$(MODE)),,$(out)/tests/support/main_replay.o)
benches      := $(addprefix $(out)/tests/bench/,load epoll_server uring_server blocking_server \
                http_server http_uring_server bulk_pair datagram_pair splice_proxy \
                connect_client)
bench_objs   := $(patsubst %.c,$(out)/%.o,$(wildcard tests/bench/*.c))
test_objs    := $(patsubst %.c,$(out)/%.o,$(support) $(mains) $(unit_sources) \
                $(fuzz_sources)) \
                $(bench_objs) $(storm_obj) $(campaign_objs)
all_objs     := $(objects) $(test_objs) $(out)/src/cli/main.o $(out)/gen/embedded.o

c_files   := $(wildcard src/*/*.[ch] tests/*/*.[ch])
lua_tests := $(wildcard tests/lua/*.lua tests/regress/*.lua)
lua_files := $(modules) $(wildcard scripts/*.lua docs/*.lua tests/lua/*.lua \
             tests/regress/*.lua tests/fuzz/*.lua tests/lint/*.lua tests/support/*.lua)
py_files  := $(wildcard tests/*/*.py tests/bench/peers/*.py)

# --- Rules ---------------------------------------------------------------------------

.PHONY: all build demo test programs unit lua lua_of_names e2e fuzzers replay fuzz storm soak \
        campaign bench bench-deps docs docs-check lint format cov valgrind tsan deps install clean \
        help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: build

build: $(program)
	$(Q)ln -sfn $(MODE)/soquete build/soquete

$(program): $(out)/src/cli/main.o $(runtime)
$(luatest): $(out)/tests/support/main_luatest.o $(support_lib) $(runtime)
$(faulty): $(out)/tests/support/main_faulty.o $(support_lib) $(runtime)
$(campaign): $(campaign_objs) $(support_lib) $(runtime)
$(units): $(out)/tests/%: $(out)/tests/%.o $(support_lib) $(runtime)
$(luatest) $(faulty) $(campaign): extra_libs := $(wraps)
$(units): extra_libs := $(wraps) -lcmocka
$(out)/tests/unit/test_storm: $(storm_obj)
$(fuzzers): %: %.o $(fuzz_main) $(support_lib) $(runtime)
$(fuzzers): extra_libs := $(wraps) $(if $(fuzz_main),,-fsanitize=fuzzer)
$(benches): %: %.o $(out)/tests/bench/bench.o $(out)/tests/bench/figures.o
$(out)/tests/bench/load: $(out)/tests/bench/answer.o
$(out)/tests/bench/http_server $(out)/tests/bench/http_uring_server: \
  $(out)/tests/bench/canned.o
$(benches): libs := -l:liburing.a

$(program) $(luatest) $(faulty) $(campaign) $(units) $(fuzzers) $(benches):
	@echo "  link  $@"
	@mkdir -p $(@D)
	$(Q)$(link)

# The folders are named so that a file that goes away is noticed too.
$(archive): $(objects) $(wildcard src/*)
	@echo "  pack  $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

# Archives, so that what needs cmocka is linked where that is, and the modules come last.
$(support_lib): $(support_objs)
$(modules_lib): $(out)/gen/embedded.o
$(support_lib) $(modules_lib):
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(test_objs): includes := -Itests
$(out)/%.o: %.c $(out)/flags
	@echo "  cc    $<"
	@mkdir -p $(@D)
	$(Q)$(compile) -MMD -MP -c -o $@ $<

$(out)/gen/embedded.o: $(embedded) $(out)/flags
	$(Q)$(compile) -MMD -MP -c -o $@ $<

# A program of the build, the same in every mode. It compiles the modules with the Lua that
# is linked, so a new Lua makes them anew.
$(embed): src/api/embed.c $(lua_archive)
	@mkdir -p $(@D)
	$(Q)$(CC) -O1 $(warnings) $(cppflags) -o $@ $< -l:liblua5.4.a -lm -ldl

# The dot keeps the folder lua/ apart from the goal of that name.
$(embedded): $(embed) $(modules) $(addsuffix /.,$(shell find lua -type d))
	@echo "  embed lua/"
	@mkdir -p $(@D)
	$(Q)$(embed) $(modules) >$@

# Its time changes only when the flags do: everything is then compiled anew.
$(out)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(all_flags)' | cmp -s - $@ || echo '$(all_flags)' >$@

-include $(all_objs:.o=.d)

# --- Goals ---------------------------------------------------------------------------

# Packages come before anything is compiled, so what needs some builds in a second make: with
# all the processors, unless the first was told how many.
remake = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

demo:
	@.ci/install-packages $(BUILD)
	@$(remake) build
	@SOQUETE=$(program) tests/e2e/demo.sh

test:
	@.ci/install-packages $(BUILD) $(TEST)
	@$(remake) build programs
	@MAKE='$(MAKE)' tests/support/tally.sh unit lua e2e replay docs-check

programs: $(program) $(luatest) $(faulty) $(units) $(fuzzers)

unit: $(units)
	@RUN='$(RUN)' tests/support/unit.sh $(units)

lua: $(luatest) $(program)
	@RUN='$(RUN)' tests/support/lua.sh $(luatest) $(lua_tests)

e2e: $(program) $(faulty)
	@$(PYTHON) tests/e2e/run.py --soquete $(or $(WRAPPER),$(program))

fuzzers: $(fuzzers)

replay: $(fuzzers)
	@tests/fuzz/replay.sh $(fuzzers)

fuzz:
	@.ci/install-packages $(BUILD) $(FUZZ)
	@$(remake) MODE=fuzz fuzzers
	@tests/fuzz/run.sh $(or $(SECONDS),60) $(patsubst %.c,build/fuzz/%,\
	  $(filter tests/fuzz/fuzz_$(or $(ONLY),%).c,$(fuzz_sources)))

# OPS random operations in each storm. Shorter ones are in make test.
storm: $(out)/tests/unit/test_storm $(luatest)
	@OPS=$(or $(OPS),1000000) $(out)/tests/unit/test_storm
	@OPS=$(or $(OPS),1000000) $(luatest) tests/lua/test_storm.lua

soak:
	@.ci/install-packages $(BUILD) python3 liburing-dev
	@$(remake) build $(out)/tests/bench/load
	@BENCH_PROGRAMS=$(out) $(PYTHON) tests/bench/soak.py $(if $(ONLY),--only $(ONLY)) \
	  --minutes $(or $(MINUTES),1)

docs: build
	@$(program) docs/generate.lua

docs-check: $(program)
	@tests/lint/docs.sh $(program)

lint:
	@.ci/install-packages $(LINT)
	$(Q)$(CLANG_FORMAT) --dry-run -Werror $(c_files)
	$(Q)tests/lint/rooms.sh
	$(Q)luacheck --quiet $(lua_files)
	$(Q)pyflakes3 $(py_files)
	$(Q)cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -j 2 -D_GNU_SOURCE \
	  --enable=warning,performance,portability --suppress=missingIncludeSystem \
	  -Isrc -Itests src tests

format:
	$(Q)$(CLANG_FORMAT) -i $(c_files)

# A test goes on as another user, who must be able to note its lines too. Where there is a
# ring, what epoll does in its place runs as well.
cov:
	@$(remake) MODE=cov build
	$(Q)find build/cov -name '*.gcda' -delete
	@umask 0; SOQUETE_BACKEND=epoll $(MAKE) --no-print-directory MODE=cov unit
	@umask 0; $(MAKE) --no-print-directory MODE=cov test
	@tests/support/coverage.sh build/cov

# The two below look for what a test cannot see, and so need fewer seeds.
valgrind:
	@.ci/install-packages $(BUILD) $(TEST) $(CHECK)
	@$(remake) MODE=debug build programs
	@MAKE='$(MAKE)' tests/support/valgrind.sh build/debug $(SUITES)

# The only thread beside the runtime's is the one that asks for names: of the Lua tests those
# that may start it. End-to-end tests are left out: TSan keeps a signal back while a script
# computes.
tsan:
	@.ci/install-packages $(BUILD) $(TEST)
	@$(remake) MODE=tsan programs
	@MAKE='$(MAKE) MODE=tsan' SLOW=10 tests/support/tally.sh unit lua_of_names

lua_of_names:
	@$(MAKE) --no-print-directory lua \
	  lua_tests="$$(grep -lE 'localhost|lookup|resolve' $(lua_tests) | tr '\n' ' ')"

bench-deps:
	@.ci/install-packages $(BUILD) $(BENCH)

# The bench checks itself before it measures.
bench: build $(benches)
	@BENCH_PROGRAMS=$(out) $(PYTHON) -m unittest discover --quiet -s tests/bench
	@BENCH_PROGRAMS=$(out) $(PYTHON) tests/bench/run.py $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(ONLY),--only $(ONLY)) $(if $(SECONDS),--seconds $(SECONDS))

campaign:
	@.ci/install-packages $(BUILD) $(TEST) $(CAMPAIGN)
	@$(remake) MODE=$(MODE) build $(campaign)
	@SAMPLE=$(SAMPLE) SEED=$(SEED) ONLY=$(ONLY) tests/campaign/run.sh $(out)

deps:
	@.ci/install-packages $(BUILD) $(TEST) $(LINT) $(CHECK) $(PEERS) $(CAMPAIGN)

install: build
	install -D -m 755 $(program) $(DESTDIR)$(PREFIX)/bin/soquete
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/soquete/stubs docs/stubs/*.lua
	cd lua && find . -name '*.lua' -exec install -D -m 644 {} \
	  $(abspath $(DESTDIR)$(PREFIX))/share/soquete/lua/{} \;

clean:
	rm -rf build

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile
