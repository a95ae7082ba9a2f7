-- soquete serve [DIR] [--port N] [--bind HOST] [--listing]

local net = require "net"
local http = require "net.http"
local options = require "net.cli.options"

local command = {
  name = "serve",
  usage = "serve [DIR] [--port N] [--bind HOST] [--listing]",
  options = { ["--port"] = "port", ["--bind"] = "text", ["--listing"] = "flag" },
  most = 1,
}

local PORT = 8000

local function fail(text)
  io.stderr:write("soquete serve: ", tostring(text), "\n")
  os.exit(1)
end

-- What a person would type into a browser on this machine.
local function url_of(address)
  local host = address.host
  if host == "::" or host == "0.0.0.0" then host = "localhost" end
  if host:find(":", 1, true) then host = "[" .. host .. "]" end
  return ("http://%s:%d/"):format(host, address.port)
end

local function share_hint(words)
  return words.bind and "" or "; for this machine only, --bind 0.0.0.0 is for all"
end

return function(...)
  local words = options.parse(command, ...)
  local root = words[1] or "."
  local ok, files = pcall(http.files, root, { listing = words.listing })
  if not ok then fail(files) end
  local listener, err = net.listen(words.bind or "127.0.0.1", words.port or PORT)
  if not listener then fail(err.hint and err .. "\n" .. err.hint or err) end
  print(("serving %s at %s (Ctrl-C stops%s)"):format(root, url_of(listener:getsockname()),
    share_hint(words)))
  local done, why = http.serve(listener, files, { log = "common" })
  if not done then fail(why) end
  print("stopped")
end
