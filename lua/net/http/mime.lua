-- The media type of a file, by the end of its name: the web's own here, all others from the
-- system's list where there is one.

local M = {}

local SYSTEM = "/etc/mime.types"

local own = {
  avif = "image/avif",
  bin = "application/octet-stream",
  css = "text/css; charset=utf-8",
  csv = "text/csv; charset=utf-8",
  gif = "image/gif",
  gz = "application/gzip",
  htm = "text/html; charset=utf-8",
  html = "text/html; charset=utf-8",
  ico = "image/vnd.microsoft.icon",
  jpeg = "image/jpeg",
  jpg = "image/jpeg",
  js = "text/javascript; charset=utf-8",
  json = "application/json",
  lua = "text/plain; charset=utf-8",
  md = "text/markdown; charset=utf-8",
  mjs = "text/javascript; charset=utf-8",
  mp3 = "audio/mpeg",
  mp4 = "video/mp4",
  ogg = "audio/ogg",
  otf = "font/otf",
  pdf = "application/pdf",
  png = "image/png",
  svg = "image/svg+xml",
  tar = "application/x-tar",
  ttf = "font/ttf",
  txt = "text/plain; charset=utf-8",
  wasm = "application/wasm",
  wav = "audio/wav",
  webm = "video/webm",
  webmanifest = "application/manifest+json",
  webp = "image/webp",
  woff = "font/woff",
  woff2 = "font/woff2",
  xhtml = "application/xhtml+xml",
  xml = "text/xml; charset=utf-8",
  zip = "application/zip",
}

local system -- read when a suffix is first asked for that is not our own

-- Lines of "type suffix suffix ...".
local function read_system()
  local types = {}
  local file = io.open(SYSTEM)
  if not file then return types end
  for line in file:lines() do
    local kind, suffixes = line:match("^(%S+/%S+)%s+([^#]+)")
    for suffix in (suffixes or ""):gmatch("%S+") do types[suffix] = types[suffix] or kind end
  end
  file:close()
  return types
end

---The media type of a path, by its last suffix; application/octet-stream where nothing is
---known. `more` has types that come before all others: suffix -> type.
function M.type(path, more)
  local suffix = path:match("[^/]%.([^./]+)$")
  if not suffix then return "application/octet-stream" end
  suffix = suffix:lower()
  local kind = more and more[suffix] or own[suffix]
  if kind then return kind end
  system = system or read_system()
  return system[suffix] or "application/octet-stream"
end

---Whether compressing such a file makes it smaller.
function M.is_text(kind)
  return kind:find("^text/") or kind:find("json") or kind:find("xml") or kind:find("wasm")
    or kind:find("manifest") or false
end

return M
