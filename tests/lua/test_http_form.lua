-- Forms: urlencoded and multipart, fields and files, and their limits.

local T = require "harness"
local web = require "web"

local FAKE = { net = "fake" }

local URLENCODED = "Content-Type: application/x-www-form-urlencoded\r\n"
local MULTIPART = "Content-Type: multipart/form-data; boundary=\"b0\"\r\n"

local function field(name, value)
  return '--b0\r\nContent-Disposition: form-data; name="' .. name .. '"\r\n\r\n' .. value .. "\r\n"
end

local function file(name, filename, content, kind)
  return '--b0\r\nContent-Disposition: form-data; name="' .. name .. '"; filename="' .. filename
    .. '"\r\nContent-Type: ' .. (kind or "text/plain") .. "\r\n\r\n" .. content .. "\r\n"
end

local function form_site()
  return web.serve(function(req, res)
    local fields = assert(req:form())
    local list = {}
    for name, value in pairs(fields) do list[#list + 1] = name .. "=" .. value end
    table.sort(list)
    res:send(200, table.concat(list, "&"))
  end)
end

T.test("a_form_is_a_table", FAKE, function()
  local site <close> = form_site()
  T.eq(web.body(site:post("/", "a=1&b=x+y&b=%C3%A7&c", URLENCODED)), "a=1&b=ç&c=")
  T.eq(web.body(site:post("/", field("a", "1") .. file("f", "x.txt", "data") .. field("b", "x\r\ny")
    .. "--b0--\r\n", MULTIPART)), "a=1&b=x\r\ny")
end)

T.test("what_is_no_form_is_refused", FAKE, function()
  local site <close> = form_site()
  T.eq(web.status(site:post("/", "{}", "Content-Type: application/json\r\n")), 415)
  T.eq(web.status(site:post("/", "x")), 415)
  T.eq(web.status(site:get("/")), 411)
  T.eq(web.status(site:post("/", "x", "Content-Type: multipart/form-data\r\n")), 415)
  T.eq(web.status(site:post("/", "x", MULTIPART)), 400)
  T.eq(web.status(site:post("/", field("a", "1"), MULTIPART)), 400)
  T.eq(web.status(site:post("/", "--b0\r\n\r\nx\r\n--b0--\r\n", MULTIPART)), 400)
  T.eq(web.status(site:post("/", "--b0\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b0--\r\n",
    MULTIPART)), 400)
end)

T.test("parts_are_given_one_after_the_other", FAKE, function()
  local seen = {}
  local site <close> = web.serve(function(req, res)
    for part in req:parts() do
      seen[#seen + 1] = table.concat(
        { part.name, part.filename or "-", part.type or "-", part:text() }, ",")
    end
    res:send(200)
  end)
  local body = field("a", "1") .. file("f", "C:\\dir\\up/../x.txt", "data", "a/b")
    .. file("g", "", "") .. "--b0--\r\n"
  T.eq(web.status(site:post("/", body, MULTIPART)), 200)
  T.eq(table.concat(seen, " "), "a,-,-,1 f,x.txt,a/b,data g,,text/plain,")
end)

T.test("parts_that_nobody_reads_are_passed_over", FAKE, function()
  local names = {}
  local site <close> = web.serve(function(req, res)
    for part in req:parts() do
      names[#names + 1] = part.name
      if part.name == "f" then T.eq(part:read():sub(1, 1), "x") end
    end
    res:send(200)
  end)
  local body = field("a", "1") .. file("f", "x", ("x"):rep(300000)) .. field("b", "2") .. "--b0--\r\n"
  site:post("/", body, MULTIPART)
  T.eq(T.list(names), "a f b")
end)

T.test("an_upload_is_saved_whatever_its_bytes_and_cuts", FAKE, function()
  local path = os.tmpname()
  local content = ("\0\r\n--b\r\n--b1 \xff"):rep(1000)
  local sizes = {}
  local site <close> = web.serve(function(req, res)
    for part in req:parts() do sizes[#sizes + 1] = T.ok(part:save(path)) end
    res:send(200)
  end)
  local body = file("f", "x", content) .. "--b0--\r\n"
  local head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" .. MULTIPART
    .. "Content-Length: " .. #body .. "\r\n\r\n"
  for _, cut in ipairs { 1, 2, 3, 7, #body - 9, #body - 3, #body - 1 } do
    T.eq(web.status(site:ask { head .. body:sub(1, cut), body:sub(cut + 1) }), 200)
    local f <close> = io.open(path, "rb")
    T.eq(f:read("a"), content)
  end
  T.eq(sizes[1], #content)
  os.remove(path)
end)

T.test("limits_of_a_form", FAKE, function()
  local path = os.tmpname()
  os.remove(path)
  local limits, save
  local site <close> = web.serve(function(req, res)
    for part in req:parts(limits) do
      if save then assert(part:save(path, save)) end
    end
    res:send(200)
  end)
  local body = field("a", ("1"):rep(1000)) .. field("b", "2") .. "--b0--\r\n"
  T.eq(web.status(site:post("/", body, MULTIPART)), 200)
  limits = { parts = 1 }
  T.eq(web.status(site:post("/", body, MULTIPART)), 413)
  limits = { max = 1000 }
  T.eq(web.status(site:post("/", body, MULTIPART)), 413)
  limits, save = nil, 999
  T.eq(web.status(site:post("/", body, MULTIPART)), 413)
  T.eq(io.open(path), nil) -- what is not complete is removed
  T.eq(web.status(site:post("/", field(("a"):rep(9000), "1") .. "--b0--\r\n", MULTIPART)), 400)
end)

T.test("a_full_disk_is_a_failure_of_save", FAKE, function()
  local code
  local site <close> = web.serve(function(req, res)
    for part in req:parts() do
      local full <close> = io.open("/dev/full", "wb")
      local _
      _, _, code = part:save(full)
    end
    res:send(507)
  end)
  T.eq(web.status(site:post("/", file("f", "x", ("x"):rep(20000)) .. "--b0--\r\n", MULTIPART)), 507)
  T.eq(code, "ENOSPC")
end)

T.test("a_part_whose_head_is_bad_is_refused", FAKE, function()
  local site <close> = form_site()
  local part = "--b0\r\nContent-Disposition: form-data; name=a\r\nno colon\r\n\r\n1\r\n--b0--\r\n"
  T.eq(web.status(site:post("/", part, MULTIPART)), 400)
end)
