-- Tracebacks of scripts' errors held lines of the library ("[soquete:net.serve]:7: in function
-- <[soquete:net.serve]:5>"), of which a script knows nothing; at the prompt nearly all were.

local net = require "net"
local T = require "harness"

local function fail() error("oops") end

-- The traceback of the report on stderr has just these lines.
local function shows(...)
  local trace = T.match(T.stderr(), "stack traceback:"):match("stack traceback:\n(.*)")
  for _, wanted in ipairs { ... } do
    local line, rest = trace:match("^\t([^\n]*)\n(.*)$")
    T.match(line, wanted)
    trace = rest
  end
  T.eq(trace, "")
end

T.test("of_a_handler_its_own_lines_are_shown", { stderr = "oops", status = 1 }, function()
  local listener = T.listener()
  local server = net.spawn(net.serve, listener, function() fail() end)
  local client <close> = T.ok(net.connect(listener:getsockname()))
  T.fails("eof", client:recv())
  listener:close()
  server:join()
  T.turns()
  shows(":7: in ", ":22: in ")
end)

T.test("of_a_module_its_own_lines_are_shown", { stderr = "oops", status = 1 }, function()
  package.preload.failing = function() fail() end
  net.spawn(function()
    require "failing"
    T.ok(false)
  end)
  T.turns()
  shows(":7: in ", ":32: in ", ":34: in ")
end)

T.test("of_the_library_alone_all_is_shown", { stderr = "in function 'net%.group", status = 1 },
  function() net.spawn(net.group, error) end)
