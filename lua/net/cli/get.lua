-- soquete get URL [-o FILE]

local http = require "net.http"
local options = require "net.cli.options"
local progress = require "net.cli.progress"

local command = {
  name = "get",
  usage = "get URL [-o FILE]",
  options = { ["--output"] = "text" },
  short = { ["-o"] = "--output" },
  most = 1,
}

-- True, or false with the reason on standard error.
local function report(err)
  options.complain(command, err)
  return false
end

-- The answer where it is a good one.
local function checked(answer, err)
  if not answer then return report(err) end
  if answer.ok then return answer end
  local _ <close> = answer
  return report(("%s: %d %s"):format(answer.url, answer.status, answer.reason))
end

local function print_body(url)
  local answer = checked(http.get(url))
  if not answer then return false end
  local _ <close> = answer
  io.stdout:setvbuf("full")
  local piece, err
  repeat
    piece, err = answer:read()
    if err then return report(err) end
    local ok, why = io.stdout:write(piece or "")
    if not ok then return report("standard output: " .. why) end
  until not piece
  return true
end

local function save_body(url, path)
  local bar <close> = progress.new(path:match("[^/]*$"))
  local answer, err = http.get(url, {
    on_progress = function(got, all) bar:update(got, all) end,
    to = path,
  })
  bar:close()
  if not checked(answer, err) then return false end
  io.stderr:write(("%s: %s\n"):format(path, bar:summary()))
  return true
end

local function percent(byte)
  return ("%%%02X"):format(byte:byte())
end

-- What people type: without the scheme, and paths with blanks and letters of any language.
local function url_of(text)
  if not text:find("^%a[%w+.-]*://") then text = "http://" .. text end
  local server, rest = text:match("^([^:]*://[^/?#]*)(.*)$")
  return server .. rest:gsub("[ \128-\255]", percent)
end

return function(...)
  local words = options.parse(command, ...)
  local url = url_of(words[1] or options.refuse(command, "a URL is needed"))
  local done
  if words.output and words.output ~= "-" then
    done = save_body(url, words.output)
  else
    done = print_body(url)
  end
  if not done then os.exit(1) end
end
