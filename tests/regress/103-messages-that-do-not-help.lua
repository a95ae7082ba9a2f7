-- What beginners type was answered with what is true and does not help: "this is not an IPv6
-- address" for a URL, "attempt to call a nil value (method 'match')" for an error object that
-- was taken for a text, "net has no 'SO_REUSEADDR'" for an option as Python writes it.

local http = require "net.http"
local net = require "net"
local T = require "harness"

local function failure()
  local l = T.listener()
  local address = l:getsockname()
  l:close()
  return T.fails("ECONNREFUSED", net.connect(address))
end

T.test("a_url_is_no_address_and_is_called_one", function()
  for _, url in ipairs { "http://localhost/", "http://localhost:80/", "http://[::1]:80/x" } do
    T.raises("this is a URL: an address is host:port; net.http takes URLs", net.connect, url)
  end
end)

T.test("an_option_as_a_constant_is_told_its_name", function()
  T.raises("net has no 'SO_REUSEADDR': options go by name, as in sock:setsockopt",
    function() return net.SO_REUSEADDR end)
  local s <close> = net.socket()
  T.raises("an option is a name, as in \"SO_REUSEADDR\"", s.setsockopt, s, 2, 1)
end)

T.test("an_error_that_is_taken_for_a_text_says_what_it_is", function()
  local err = failure()
  T.raises("an error is an object, not a text, and has no 'match'",
    function() return err:match("refused") end)
end)

-- The reference promises these; nil where an error has them not.
T.test("what_errors_may_have_reads_as_nil", function()
  local err = failure()
  local optional = {
    "direction", "figures", "index", "intervals", "option", "partial", "sent", "status", "url", 1,
  }
  for _, name in ipairs(optional) do T.eq(err[name], nil) end
end)

T.test("a_file_that_cannot_be_saved_is_named_as_the_script_named_it", function()
  local server = T.ok(http.server("127.0.0.1:0", function(_, res) res:send(200, "x") end))
  local task = net.spawn(server.run, server)
  local url = "http://" .. server.address .. "/"
  local _, err = http.get(url, { to = "/nowhere/at/all" })
  T.eq(err.address, "/nowhere/at/all")
  server:stop(0)
  task:join()
  http.close_idle()
end)
