-- Files of a folder, for GET and HEAD. The kernel confines every path to the folder; what a
-- request's path says is decoded once and cleaned before.

local runtime = require "net.core"
local core = require "net.http.core"
local mime = require "net.http.mime"
local conditions = require "net.http.conditions"

local M = {}

local SMALL = 128 * 1024 -- bytes of a file that goes with its head in one send
local SETTLED = 1        -- seconds after which a file's time tells its versions apart

local Files = {}
Files.__index = Files
Files.__name = "net.http.files"

-- What a failed open means for the client.
local statuses = {
  EACCES = 403, EPERM = 403, EMFILE = 503, ENFILE = 503, ENOMEM = 503, EIO = 500, ENOSYS = 500,
}

local function answer(res, status, headers)
  return res:send(status, status .. " " .. core.reason(status) .. "\n", headers)
end

-- --- the file --------------------------------------------------------------------------

local codings = { { "br", ".br" }, { "gzip", ".gz" } } -- the better one first

-- The sibling that is compressed as the client likes it best; and whether there is any.
local function find_sibling(files, path, accept)
  local best, quality, any = nil, 0, false
  for _, coding in ipairs(codings) do
    local file, size, mtime = runtime.open(files.folder, path .. coding[2])
    if file then
      any = true
      local q = accept and core.quality(accept, coding[1]) or 0
      if q > quality then
        if best then best.file:close() end
        best, quality = { file = file, size = size, mtime = mtime, coding = coding[1] }, q
      else
        file:close()
      end
    end
  end
  return best, any
end

-- What is known of an open file before it is answered.
local function describe(file, size, mtime, coding)
  local tag = ("%x-%x"):format(size, math.floor(mtime * 1e6))
  if coding then tag = tag .. "-" .. coding end
  local now = os.time()
  local settled = now - mtime > SETTLED
  return {
    coding = coding,
    etag = (settled and '"' or 'W/"') .. tag .. '"',
    file = file,
    modified = math.min(math.floor(mtime), now),
    settled = settled,
    size = size,
  }
end

local function open(files, req, path, kind)
  local file, size, mtime = runtime.open(files.folder, path)
  if not file then return nil, mtime end
  if not files.compressed or not mime.is_text(kind) then
    return describe(file, size, mtime), nil, false
  end
  local sibling, any = find_sibling(files, path, req.headers["accept-encoding"])
  if not sibling then return describe(file, size, mtime), nil, any end
  file:close()
  return describe(sibling.file, sibling.size, sibling.mtime, sibling.coding), nil, true
end

-- --- bodies ----------------------------------------------------------------------------

-- The rest of a file behind what has gone, without its bytes passing through Lua.
local function send_rest(res, file, offset, count)
  local _, seconds = core.progress(res, count)
  local socket = core.socket_of(res)
  socket:settimeout(seconds)
  local sent, err, code = socket:sendfile(file, offset, count)
  socket:settimeout(nil)
  core.sent_file(res, sent or err.sent or 0)
  if sent then return true end
  return nil, err, code
end

local function send_part(res, status, v, first, count, target, folder, path)
  local ok, err, code = core.send_file(res, status, v.file, first, count, target, folder, path)
  if not ok then return nil, err, code end
  local gone = core.progress(res, 0)
  if gone == count then return true end
  return send_rest(res, v.file, first + gone, count - gone)
end

local BOUNDARY = "soquete-%x-%x"

-- Several ranges as one body (RFC 9110 section 14.6).
local function send_ranges(res, v, ranges, kind)
  local boundary = BOUNDARY:format(v.size, math.random(0))
  local heads, length = {}, 0
  for i = 1, #ranges, 2 do
    heads[i] = ("\r\n--%s\r\nContent-Type: %s\r\nContent-Range: bytes %d-%d/%d\r\n\r\n")
      :format(boundary, kind, ranges[i], ranges[i + 1], v.size)
    length = length + #heads[i] + ranges[i + 1] - ranges[i] + 1
  end
  local tail = "\r\n--" .. boundary .. "--\r\n"
  res:header("Content-Type", "multipart/byteranges; boundary=" .. boundary)
  res:header("Content-Length", length + #tail)
  res.status = 206
  for i = 1, #ranges, 2 do
    local ok, err, code = res:write(heads[i])
    if ok then ok, err, code = send_rest(res, v.file, ranges[i], ranges[i + 1] - ranges[i] + 1) end
    if not ok then return nil, err, code end
  end
  return res:write(tail)
end

local function send_range(req, res, v, kind)
  local ranges = core.ranges(req.headers.range, v.size)
  if ranges == nil then return false end
  if ranges == false then
    answer(res, 416, { ["Content-Range"] = "bytes */" .. v.size })
  elseif #ranges == 2 then
    local first, last = ranges[1], ranges[2]
    res:header("Content-Range", ("bytes %d-%d/%d"):format(first, last, v.size))
    send_part(res, 206, v, first, last - first + 1)
  else
    send_ranges(res, v, ranges, kind)
  end
  return true
end

-- --- answers ---------------------------------------------------------------------------

local function set_headers(files, res, v, kind, varies)
  res:header("Content-Type", kind)
  res:header("Last-Modified", core.date(v.modified))
  res:header("ETag", v.etag)
  res:header("Accept-Ranges", "bytes")
  if v.coding then res:header("Content-Encoding", v.coding) end
  if varies then res:header("Vary", "Accept-Encoding") end
  if files.cache_control then res:header("Cache-Control", files.cache_control) end
end

-- A target that leads to this answer each time, so that it can be kept ready.
local function target_of(req, v, varies, ready)
  if not ready or varies or not v.settled or v.size > SMALL then return nil end
  if req.method ~= "GET" or req.target:find("?", 1, true) then return nil end
  return req.target
end

local function send_file(files, req, res, path, ready)
  local kind = mime.type(path, files.types)
  local v, code, varies = open(files, req, path, kind)
  if not v then return nil, code end
  local guard <close> = v.file
  set_headers(files, res, v, kind, varies)
  local status = conditions.check(req, v)
  if status == 304 then
    res:header("Content-Type", nil)
    res:send(304)
  elseif status then
    res:header("Content-Type", nil)
    answer(res, status)
  elseif req.method == "HEAD" then
    res:header("Content-Length", v.size)
    res:send(200)
  elseif not (conditions.wants_range(req, v) and send_range(req, res, v, kind)) then
    send_part(res, 200, v, 0, v.size, target_of(req, v, varies, ready),
      files.folder, path)
  end
  return true
end

-- To the folder with its slash: relative, so that no host can come out of the path.
local function redirect(req, res, path)
  local target = core.encode(path:match("[^/]*$")) .. "/"
  if req.query_string ~= "" then target = target .. "?" .. req.query_string end
  return res:redirect("./" .. target, 301)
end

local function send_folder(files, req, res, path, ready)
  for _, name in ipairs(files.index) do
    if send_file(files, req, res, path .. name, ready) then return end
  end
  local folder = path == "" and "." or path
  local names, _, code = core.list(files.folder, folder)
  if not names then return answer(res, statuses[code] or 404) end
  if not files.listing then return answer(res, 403) end
  return require("net.http.listing").send(files, res, path, names)
end

local function serve(files, req, res, ready)
  local method = req.method
  if method ~= "GET" and method ~= "HEAD" then
    res:header("Allow", "GET, HEAD, OPTIONS")
    if method == "OPTIONS" then return res:send(204) end
    return answer(res, 405)
  end
  local path, hidden = core.path(req.rest and "/" .. req.rest or req.raw_path)
  if not path then return answer(res, hidden) end
  if hidden and not files.dotfiles then return answer(res, 404) end
  path = path:sub(2)
  if path == "" or path:sub(-1) == "/" then return send_folder(files, req, res, path, ready) end
  local done, code = send_file(files, req, res, path, ready)
  if done then return end
  if code == "EISDIR" then return redirect(req, res, path) end
  return answer(res, statuses[code] or 404)
end

Files.__call = serve

-- --- building --------------------------------------------------------------------------

local known = {
  cache_control = "string", compressed = "boolean", dotfiles = "boolean", index = "table",
  listing = "boolean", types = "table",
}

local function check(options)
  for name, value in pairs(options) do
    if not known[name] then error("files: there is no option '" .. tostring(name) .. "'", 3) end
    if type(value) ~= known[name] then
      error(("files: '%s' must be a %s, not %s"):format(name, known[name], type(value)), 3)
    end
  end
end

---A handler that serves the files beneath `root`.
function M.files(root, options)
  options = options or {}
  check(options)
  return setmetatable({
    cache_control = options.cache_control,
    compressed = options.compressed ~= false,
    dotfiles = options.dotfiles,
    folder = assert(runtime.folder(root)),
    index = options.index or { "index.html" },
    listing = options.listing,
    types = options.types,
  }, Files)
end

return M
