-- soquete serve [DIR] [--port N] [--bind HOST] [--listing]
--
-- What `python3 -m http.server` is used for. Its words are understood too: a port by itself,
-- -p, -b, -d and --directory. Other machines are served only when --bind says so.

local net = require "net"
local http = require "net.http"
local options = require "net.cli.options"

local command = {
  name = "serve",
  usage = "serve [DIR] [--port N] [--bind HOST] [--listing]",
  options = {
    ["--bind"] = "text", ["--directory"] = "text", ["--listing"] = "flag", ["--port"] = "port",
  },
  short = { ["-b"] = "--bind", ["-d"] = "--directory", ["-l"] = "--listing", ["-p"] = "--port" },
  most = 1,
}

local PORT = 8000

local function fail(err)
  options.complain(command, err)
  os.exit(1)
end

-- What a person would type into a browser on this machine.
local function url_of(address)
  local host = address.host
  if host == "::" or host == "0.0.0.0" then host = "localhost" end
  if host:find(":", 1, true) then host = "[" .. host .. "]" end
  return ("http://%s:%d/"):format(host, address.port)
end

-- The folder, and the port that stands in its place when it is a number.
local function where(words)
  local word = words[1]
  local root = words.directory or word or "."
  local runtime = require "net.core"
  local folder, err = runtime.folder(root)
  if folder then return root, words.port end
  local port = not words.directory and math.tointeger(tonumber(word))
  if port and port >= 0 and port <= 65535 then return ".", words.port or port end
  fail(err)
end

return function(...)
  local words = options.parse(command, ...)
  local root, port = where(words)
  local files = http.files(root, { listing = words.listing })
  local listener, err = net.listen(words.bind or "127.0.0.1", port or PORT)
  if not listener then fail(err) end
  print(("serving %s at %s"):format(root, url_of(listener:getsockname())))
  print(words.bind and "Ctrl-C stops" or "Ctrl-C stops; --bind 0.0.0.0 serves other machines too")
  local done, why = http.serve(listener, files, { log = "common" })
  if not done then fail(why) end
  print("stopped")
end
