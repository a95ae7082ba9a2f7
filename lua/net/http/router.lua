-- The router: a path and a method find their handler. The routes are a tree of segments;
-- at each a literal is more specific than `:name`, and that more than `*`.

local callable = require "net.callable"
local runtime = require "net.core"
local core = require "net.http.core"

local M = {}

local find_route = core.find_route

-- --- patterns --------------------------------------------------------------------------

local function complain(pattern, text)
  error(("router: \"%s\": %s"):format(pattern, text), 0)
end

-- One segment of a pattern: { kind, text }.
local function parse_segment(pattern, text, is_last)
  if text:sub(1, 1) == "*" then
    if not is_last then complain(pattern, "'*' stands for the rest and comes last") end
    return { kind = "rest", text = text == "*" and "*" or text:sub(2) }
  end
  if text:sub(1, 1) == ":" then
    if #text == 1 then complain(pattern, "':' needs a name") end
    return { kind = "name", text = text:sub(2) }
  end
  local literal = core.decode(text)
  if not literal then complain(pattern, "a '%' without two hexadecimal digits") end
  return { kind = "literal", text = literal }
end

local function segments_of(path)
  local list = {}
  for text in (path:sub(2) .. "/"):gmatch("([^/]*)/") do list[#list + 1] = text end
  return list
end

-- `ready`, whether an answer may be kept ready for its target, is for handlers of ours
-- alone: any other may answer differently each time.
local function is_ready(handler)
  local meta = getmetatable(handler)
  return type(meta) == "table" and meta.ready == true
end

local function parse(pattern, handler)
  if type(pattern) ~= "string" then complain(tostring(pattern), "a route is a text") end
  local method, path = pattern:match("^(%S+) +(/.*)$")
  path = path or pattern
  if path:sub(1, 1) ~= "/" or path:find("[%s?#]") then
    complain(pattern, "it is \"/path\" or \"METHOD /path\"")
  end
  if method and not core.is_token(method) then complain(pattern, "the method is no token") end
  if method and method ~= method:upper() then
    complain(pattern, "methods are written in capitals: " .. method:upper())
  end
  local route = {
    handler = handler, method = method, pattern = pattern, ready = is_ready(handler), segments = {},
  }
  local texts, seen = segments_of(path), {}
  for i, text in ipairs(texts) do
    local segment = parse_segment(pattern, text, i == #texts)
    if segment.kind ~= "literal" then
      if seen[segment.text] then complain(pattern, "two names are the same") end
      seen[segment.text] = true
    end
    route.segments[i] = segment
  end
  return route
end

-- --- ambiguity -------------------------------------------------------------------------

-- How one segment's set of texts lies to another's: "same" "in" "over" "apart".
local function compare_segments(a, b)
  if a.kind == "literal" and b.kind == "literal" then
    return a.text == b.text and "same" or "apart"
  end
  if a.kind == b.kind then return "same" end
  if a.kind == "literal" then return a.text ~= "" and "in" or "apart" end
  return b.text ~= "" and "over" or "apart"
end

-- How two patterns whose sets of paths meet lie to each other: whether the first is inside
-- the second at some segment, and over it at some. nil: no path matches both.
local function compare(a, b)
  local inside, over = false, false
  for i = 1, math.max(#a, #b) do
    local x, y = a[i], b[i]
    if not x or not y then return nil end
    if x.kind == "rest" or y.kind == "rest" then
      return inside or x.kind ~= "rest", over or y.kind ~= "rest"
    end
    local relation = compare_segments(x, y)
    if relation == "apart" then return nil end
    inside = inside or relation == "in"
    over = over or relation == "over"
  end
  return inside, over
end

-- A method is more specific than none, and HEAD than GET, which answers it too.
local function is_ambiguous(a, b)
  local inside, over = compare(a.segments, b.segments)
  if inside == nil then return false end
  if a.method == b.method then return inside == over end
  local meet = not a.method or not b.method
    or (a.method == "HEAD" and b.method == "GET") or (a.method == "GET" and b.method == "HEAD")
  return meet and inside and over
end

local function check_ambiguity(routes)
  for i, a in ipairs(routes) do
    for j = 1, i - 1 do
      local b = routes[j]
      if is_ambiguous(a, b) then
        error(("router: \"%s\" and \"%s\" match the same, and neither is more specific")
          :format(b.pattern, a.pattern), 0)
      end
    end
  end
end

-- --- the tree --------------------------------------------------------------------------

local function new_node()
  return { literals = {} }
end

local function leaf_of(node, key)
  node[key] = node[key] or { methods = {}, names = {} }
  return node[key]
end

local function insert(root, route)
  local node, key = root, "leaf"
  for _, segment in ipairs(route.segments) do
    if segment.kind == "rest" then
      key = "rest"
    elseif segment.kind == "name" then
      node.name = node.name or new_node()
      node = node.name
    else
      node.literals[segment.text] = node.literals[segment.text] or new_node()
      node = node.literals[segment.text]
    end
  end
  leaf_of(node, key).methods[route.method or "*"] = route
end

local function find_method(leaf, method)
  local methods = leaf.methods
  return methods[method] or (method == "HEAD" and methods.GET) or methods["*"]
end

local function note_methods(leaf, allowed)
  for name in pairs(leaf.methods) do allowed[name] = true end
end

-- The most specific route for the segments from `i` on; else nil, with the methods that
-- the path has noted in `allowed`.
local function walk(node, segments, i, method, allowed)
  if i > #segments then
    local leaf = node.leaf
    if not leaf then return nil end
    note_methods(leaf, allowed)
    return find_method(leaf, method)
  end
  local text = segments[i]
  local literal = node.literals[text]
  local route = literal and walk(literal, segments, i + 1, method, allowed)
  if not route and node.name and text ~= "" then
    route = walk(node.name, segments, i + 1, method, allowed)
  end
  if not route and node.rest then
    note_methods(node.rest, allowed)
    route = find_method(node.rest, method)
  end
  return route
end

-- --- requests --------------------------------------------------------------------------

local implemented = { -- RFC 9110 section 9, RFC 5789
  CONNECT = true, DELETE = true, GET = true, HEAD = true, OPTIONS = true, PATCH = true,
  POST = true, PUT = true, TRACE = true,
}

local function allow_of(allowed)
  if allowed["*"] then
    for _, name in ipairs { "DELETE", "GET", "PATCH", "POST", "PUT" } do allowed[name] = true end
  end
  allowed["*"] = nil
  allowed.OPTIONS = true
  if allowed.GET then allowed.HEAD = true end
  local list = {}
  for name in pairs(allowed) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, ", ")
end

local function answer(res, status)
  return res:send(status, status .. " " .. core.reason(status) .. "\n")
end

-- What the router says where no route answers.
local function no_route(router, req, res, allowed)
  local method = req.method
  if next(allowed) then
    if not implemented[method] and not router.methods[method] then return answer(res, 501) end
    res:header("Allow", allow_of(allowed))
    if method == "OPTIONS" then return res:send(204) end
    return answer(res, 405)
  end
  return answer(res, 404)
end

local function decode_all(segments)
  for i, text in ipairs(segments) do
    if text:find("%", 1, true) then
      segments[i] = core.decode(text)
      if not segments[i] then return nil end
    end
  end
  return segments
end

-- Gives the request what the route's names stand for. `req.rest` is the raw remainder of
-- the path that '*' stands for: a router or files below it begin there.
local function give_names(req, route, segments, raw)
  local params = req.params or {}
  for i, segment in ipairs(route.segments) do
    if segment.kind == "name" then
      params[segment.text] = segments[i]
    elseif segment.kind == "rest" then
      params[segment.text] = table.concat(segments, "/", i)
      req.rest = table.concat(raw, "/", i)
    end
  end
  req.params = params
end

-- "/static" for a route "/static/*": the folder's name lacks its slash.
local function is_folder(router, segments, method)
  local longer = table.move(segments, 1, #segments, 1, { [#segments + 1] = "" })
  local route = walk(router.root, longer, 1, method, {})
  return route and route.segments[#route.segments].kind == "rest" and #segments > 0
end

local function redirect_to_folder(req, res, segments)
  local parts = {}
  for i, text in ipairs(segments) do parts[i] = core.encode(text) end
  local target = parts[#parts] .. "/" -- relative: it holds below any mount
  if parts[#parts]:find(":", 1, true) then target = "./" .. target end
  local query = req.query_string
  return res:redirect(target .. (query ~= "" and "?" .. query or ""), 308)
end

local function call(route, req, res, ready)
  if ready and route.ready then return route.handler(req, res, true) end
  return route.handler(req, res)
end

local function slow(router, req, res, path, ready)
  local raw = segments_of(path)
  local segments = decode_all(segments_of(path))
  if not segments then return answer(res, 400) end
  local allowed = {}
  local route = walk(router.root, segments, 1, req.method, allowed)
  if route then
    give_names(req, route, segments, raw)
    return call(route, req, res, ready)
  end
  if not next(allowed) and is_folder(router, segments, req.method) then
    return redirect_to_folder(req, res, segments)
  end
  return no_route(router, req, res, allowed)
end

local function all_methods(router)
  local allowed = {}
  for _, route in ipairs(router.routes) do allowed[route.method or "*"] = true end
  return allowed
end

local Router = { ready = true }
Router.__name = "net.http.router"

-- For a server: what `find_route` looks into.
function Router.fixed_routes(router)
  return router.fixed
end

function Router:__call(req, res, ready)
  local route = find_route(self.fixed, req)
  if route then -- what `call` does, without the call
    if ready and route[2] then return route[1](req, res, true) end
    return route[1](req, res)
  end
  local rest = req.rest
  local path = rest and "/" .. rest or req.raw_path or "" -- CONNECT has no path
  if path:sub(1, 1) ~= "/" then -- OPTIONS *, CONNECT
    return no_route(self, req, res, all_methods(self))
  end
  return slow(self, req, res, path, ready)
end

-- --- building --------------------------------------------------------------------------

-- The path of a route that is literal and needs no decoding.
local function fixed_path(route)
  local texts = {}
  for i, segment in ipairs(route.segments) do
    if segment.kind ~= "literal" then return nil end
    texts[i] = core.encode(segment.text)
    if texts[i] ~= segment.text then return nil end
  end
  return "/" .. table.concat(texts, "/")
end

-- Routes with such a path are found at once, under "METHOD /path": handler, ready.
local function fixed_routes(routes)
  local leaves, fixed = {}, {}
  for _, route in ipairs(routes) do
    local path = fixed_path(route)
    if path then leaf_of(leaves, path).methods[route.method or "*"] = route end
  end
  for path, leaf in pairs(leaves) do
    for method, route in pairs(leaf.methods) do
      fixed[method .. " " .. path] = { route.handler, route.ready }
    end
    for method in pairs(implemented) do
      local route = find_method(leaf, method)
      fixed[method .. " " .. path] = route and { route.handler, route.ready } or nil
    end
  end
  return fixed
end

---A handler that chooses by method and path: `{["GET /users/:id"] = handler, …}`.
function M.router(routes)
  if type(routes) ~= "table" then runtime.raise("router: a table of routes is needed") end
  local router = setmetatable({ methods = {}, root = new_node(), routes = {} }, Router)
  for pattern, handler in pairs(routes) do
    local ok, route = pcall(parse, pattern, handler)
    if not ok then runtime.raise(route) end
    if not callable(handler) then
      runtime.raise(("router: \"%s\": the handler must be a function"):format(pattern))
    end
    router.routes[#router.routes + 1] = route
  end
  table.sort(router.routes, function(a, b) return a.pattern < b.pattern end)
  local ok, message = pcall(check_ambiguity, router.routes)
  if not ok then runtime.raise(message) end
  for _, route in ipairs(router.routes) do
    insert(router.root, route)
    if route.method then router.methods[route.method] = true end
  end
  router.fixed = fixed_routes(router.routes)
  return router
end

return M
