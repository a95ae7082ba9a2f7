-- One file as the answer to one request: which version of it, whether the client has it
-- already, which part of it is wanted, and its bytes.

local runtime = require "net.core"
local core = require "net.http.core"
local mime = require "net.http.mime"
local conditions = require "net.http.conditions"

local M = {}

local SMALL = 512 * 1024 -- bytes of a file whose answer may be kept ready
local SETTLED = 1        -- seconds after which a file's time tells its versions apart

-- What a failed open means for the client; 404 where nothing else is said.
local statuses = {
  EACCES = 403, EPERM = 403, EMFILE = 503, ENFILE = 503, ENOMEM = 503, EIO = 500, ENOSYS = 500,
}

---The status for a file that cannot be opened.
function M.status(code)
  return statuses[code] or 404
end

---An answer that only tells its status.
function M.answer(res, status, headers)
  return res:send(status, status .. " " .. core.reason(status) .. "\n", headers)
end

-- --- versions --------------------------------------------------------------------------

local codings = { { "br", ".br" }, { "gzip", ".gz" } } -- the better one first

-- The sibling that is compressed as the client likes it best; and whether there is any. One
-- that is older than the file is not the same text.
local function find_sibling(options, path, mtime, accept)
  local best, any = nil, false
  for _, coding in ipairs(codings) do
    local file, size, its_mtime = runtime.open(options.folder, path .. coding[2])
    local fresh = file and math.floor(its_mtime) >= math.floor(mtime)
    local quality = fresh and accept and core.quality(accept, coding[1]) or 0
    any = any or fresh
    if quality > (best and best.quality or 0) then
      if best then best.file:close() end
      best = { coding = coding[1], file = file, mtime = its_mtime, quality = quality, size = size }
    elseif file then
      file:close()
    end
  end
  return best, any
end

-- A file's time and size name its version. Of one that was written a moment ago they do not
-- surely do: its tag is weak (RFC 9110 section 8.8.1).
local function describe(v)
  local now = os.time()
  v.settled = math.abs(now - v.mtime) > SETTLED
  v.modified = math.min(math.floor(v.mtime), now) -- never later than the answer's Date
  v.etag = ('%s"%x-%x%s"'):format(v.settled and "" or "W/", v.size,
    math.floor(v.mtime * 1e6), v.coding and "-" .. v.coding or "")
  return v
end

local function open(options, req, path, kind)
  local file, size, mtime = runtime.open(options.folder, path)
  if not file then return nil, size, mtime end
  local v = { file = file, mtime = mtime, size = size }
  local accept = req.headers["accept-encoding"]
  if options.compressed and mime.is_text(kind) then
    local sibling, any = find_sibling(options, path, mtime, accept)
    if sibling then
      file:close()
      v = sibling
    end
    v.varies = any
  end
  -- RFC 9110 section 12.5.3: plain bytes are acceptable unless they are excluded.
  v.excluded = accept and not v.coding and core.quality(accept, "identity") == 0
  return describe(v)
end

-- --- bytes -----------------------------------------------------------------------------

-- The peer has its time for one step: when that is over, so much has to have gone.
local function send_some(res, socket, file, offset, left)
  local _, step, seconds = core.progress(res, left)
  socket:settimeout(seconds)
  local sent, err, code = socket:sendfile(file, offset, left)
  local gone = sent or err.sent or 0
  core.sent_file(res, gone)
  if code == "timeout" and gone >= step then return gone end -- and goes on
  return sent, err, code
end

-- The rest of a file behind what has gone, without its bytes passing through Lua.
local function send_rest(res, file, offset, count)
  local socket = core.socket_of(res)
  local sent, err, code
  while count > 0 do
    sent, err, code = send_some(res, socket, file, offset, count)
    if not sent then break end
    offset, count = offset + sent, count - sent
  end
  socket:settimeout(nil)
  if count == 0 then return true end
  return nil, err, code
end

-- `target`: under which the answer can be kept ready, or nil.
local function send_part(res, status, v, first, count, target, folder, path)
  local ok, err, code = core.send_file(res, status, v.file, first, count, target, folder, path)
  if not ok then return nil, err, code end
  local gone = core.progress(res, 0)
  if gone == count then return true end
  return send_rest(res, v.file, first + gone, count - gone)
end

-- Several ranges as one body (RFC 9110 section 14.6).
local function send_parts(res, v, ranges, kind)
  local boundary = ("soquete-%x-%x"):format(v.size, math.random(0))
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

local function send_ranges(res, v, ranges, kind)
  if #ranges > 2 then return send_parts(res, v, ranges, kind) end
  local first, last = ranges[1], ranges[2]
  res:header("Content-Range", ("bytes %d-%d/%d"):format(first, last, v.size))
  return send_part(res, 206, v, first, last - first + 1)
end

-- --- answers ---------------------------------------------------------------------------

-- What names the version; a 304 has these too (RFC 9110 section 15.4.5).
local function name_version(options, res, v)
  res:header("ETag", v.etag)
  res:header("Last-Modified", core.date(v.modified))
  if v.varies then res:header("Vary", "Accept-Encoding") end
  if options.cache_control then res:header("Cache-Control", options.cache_control) end
end

-- What tells about the bytes.
local function name_bytes(res, v, kind)
  res:header("Content-Type", kind)
  res:header("Accept-Ranges", "bytes")
  if v.coding then res:header("Content-Encoding", v.coding) end
end

-- Under which key an answer can be kept: when the target leads to these bytes each time, and
-- the head needs no second look at the clock.
local function key_of(req, v, key)
  if v.varies or not v.settled or v.size > SMALL or req.method ~= "GET" then return nil end
  return key
end

local function send(options, req, res, path, kind, v, key)
  if v.excluded then return M.answer(res, 406) end
  local status = conditions.check(req, v)
  if status == 412 then return M.answer(res, 412) end
  local ranges
  if not status and conditions.wants_range(req, v) then
    ranges = core.ranges(req.headers.range, v.size)
  end
  if ranges == false then
    return M.answer(res, 416, { ["Content-Range"] = "bytes */" .. v.size })
  end
  name_version(options, res, v)
  if status then return res:send(status) end
  name_bytes(res, v, kind)
  if req.method == "HEAD" then
    res:header("Content-Length", v.size)
    return res:send(200)
  end
  if ranges then return send_ranges(res, v, ranges, kind) end
  return send_part(res, 200, v, 0, v.size, key_of(req, v, key), options.folder, path)
end

---Answers with the file at `path` beneath `options.folder`: true once there is an answer;
---nil, err, code when there is no such file, and no answer yet. With `key` the answer may
---be kept ready for requests of that target.
function M.send(options, req, res, path, key)
  local kind = mime.type(path, options.types)
  local v, err, code = open(options, req, path, kind)
  if not v then return nil, err, code end
  local _ <close> = v.file
  send(options, req, res, path, kind, v, key)
  return true
end

local folders = {} -- root -> what res:file needs of it

---`res:file`: the file at `path` beneath `root` as the answer, or the status that tells why
---there is none.
function M.respond(res, root, path)
  if type(root) ~= "string" or type(path) ~= "string" then
    runtime.raise("file: a folder's path and a path beneath it are needed")
  end
  local options = folders[root]
  if not options then
    local folder, err, code = runtime.folder(root)
    if not folder then return nil, err, code end
    options = { compressed = true, folder = folder }
    folders[root] = options
  end
  local ok, err, code = M.send(options, core.request_of(res), res, path)
  if ok then return true end
  M.answer(res, M.status(code))
  return nil, err, code
end

return M
