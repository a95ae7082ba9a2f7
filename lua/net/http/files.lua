-- Files of a folder, for GET and HEAD. The kernel confines every path to the folder; what a
-- request's path says is decoded once and cleaned before.

local runtime = require "net.core"
local core = require "net.http.core"
local file = require "net.http.file"

local M = {}

-- `ready` in the metatable: this handler may keep its answers ready (net.http.server).
local Files = { ready = true }
Files.__index = Files
Files.__name = "net.http.files"

-- To the folder with its slash: relative, so that no host can come out of the path.
local function redirect(req, res, path)
  local target = "./" .. core.encode(path:match("[^/]*$")) .. "/"
  if req.query_string ~= "" then target = target .. "?" .. req.query_string end
  return res:redirect(target, 301)
end

-- A folder without one of the index files.
local function send_names(files, res, path)
  local folder = path == "" and "." or path
  local names, _, code = core.list(files.folder, folder)
  if not names then return file.answer(res, file.status(code)) end
  return require("net.http.listing").send(files, res, path, names)
end

-- Only the first index may be kept: that another one comes before it is not told.
local function send_folder(files, req, res, path, key)
  for i, name in ipairs(files.index) do
    local ok, _, code = file.send(files, req, res, path .. name, i == 1 and key)
    if ok then return end
    if file.status(code) ~= 404 then return file.answer(res, file.status(code)) end
  end
  if files.listing then return send_names(files, res, path) end
  local _, _, code = runtime.open(files.folder, path == "" and "." or path)
  return file.answer(res, code == "EISDIR" and 403 or file.status(code))
end

-- The target, when its path is spelt in the one usual way, and no query can lead elsewhere.
local function key_of(req)
  local whole = core.path(req.raw_path)
  if req.target:find("?", 1, true) or core.encode(whole, true) ~= req.raw_path then return nil end
  return req.target
end

local function send_path(files, req, res, ready)
  local raw = req.rest and "/" .. req.rest or req.raw_path
  local path, hidden = core.path(raw)
  if not path then return file.answer(res, hidden) end
  if hidden and not files.dotfiles then return file.answer(res, 404) end
  local key = ready and key_of(req)
  path = path:sub(2)
  if path == "" or path:sub(-1) == "/" then return send_folder(files, req, res, path, key) end
  local ok, _, code = file.send(files, req, res, path, key)
  if ok then return end
  if code == "EISDIR" then return redirect(req, res, path) end
  return file.answer(res, file.status(code))
end

function Files.__call(files, req, res, ready)
  local method = req.method
  if method == "GET" or method == "HEAD" then return send_path(files, req, res, ready) end
  res:header("Allow", "GET, HEAD, OPTIONS")
  if method == "OPTIONS" then return res:send(204) end
  return file.answer(res, 405)
end

-- --- building --------------------------------------------------------------------------

local known = {
  cache_control = "string", compressed = "boolean", dotfiles = "boolean", index = "table",
  listing = "boolean", types = "table",
}

local function check(root, options)
  if type(root) ~= "string" then
    runtime.raise("files: the path of a folder is needed, not " .. type(root))
  end
  if type(options) ~= "table" then
    runtime.raise("files: the options are a table, not " .. type(options))
  end
  for name, value in pairs(options) do
    if not known[name] then runtime.raise("files: there is no option '" .. tostring(name) .. "'") end
    if type(value) ~= known[name] then
      runtime.raise(("files: '%s' must be a %s, not %s"):format(name, known[name], type(value)))
    end
  end
end

---A handler that serves the files beneath `root`. Raises when that is no folder: a table of
---routes would lose a nil without a word.
function M.files(root, options)
  options = options or {}
  check(root, options)
  local folder, err = runtime.folder(root)
  if not folder then runtime.raise("files: " .. tostring(err)) end
  return setmetatable({
    cache_control = options.cache_control,
    compressed = options.compressed ~= false,
    dotfiles = options.dotfiles,
    folder = folder,
    index = options.index or { "index.html" },
    listing = options.listing,
    types = options.types,
  }, Files)
end

return M
