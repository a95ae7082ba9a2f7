-- The tests of one page: docs_page.lua WORK_FOLDER PAGE, run by tests/lint/docs.sh.
--
-- Every link leads somewhere, and every code block runs. What `serve` gives is looked at: where
-- the port is taken, the program would end in silence. A comment before a block says how it
-- runs:
--
--   lua      (no comment)                run it; it ends with status 0, and prints what
--                                        its "-->" comments say, where it has any
--            <!-- run: status 1 -->      it ends with that status
--            <!-- run: file NAME -->     keep it as NAME, for the commands below it
--            <!-- from FILE -->          these very lines are in FILE
--            <!-- fragment -->           it only has to be Lua
--   console  <!-- run -->                run each "$ command"; the lines after it are its
--                                        output
--            <!-- run: server -->        start it; it prints "listening on ..."; SIGINT
--                                        ends it at <!-- stop --> or at the page's end
--            <!-- run: prompt -->        type the lines that begin with "> " or ">> "
--            <!-- not run: WHY -->
--   text     <!-- output -->             what the block before it printed
--
-- After "run" and "output" also: "numbers vary" (digits are not compared), "needs
-- COMMAND" (skipped where it is absent), "watchdog" (which is off otherwise). In expected output "…" stands for any text, and
-- a line of it for any lines or none.

local net = require "net"
local tally = require "docs_tally"

local check, fail, skip = tally.check, tally.fail, tally.skip
local read, write, run, lines_of = tally.read, tally.write, tally.run, tally.lines_of
local work, page_path = arg[1], arg[2]

-- The blocks of a page: { line, kind, text, mark, stop }, and its lines without them.
local function parse_page(file)
  local blocks, prose, block, mark = {}, {}, nil, nil
  for number, line in ipairs(lines_of(read(file))) do
    local fence, kind = line:match("^%s*(```)(%w*)")
    if block then
      if fence then block = nil else block.lines[#block.lines + 1] = line end
    elseif fence then
      block = { line = number, kind = kind, lines = {}, mark = mark }
      blocks[#blocks + 1], mark = block, nil
    else
      local comment = line:match("^<!%-%- (.-) %-%->$")
      if comment == "stop" then
        blocks[#blocks + 1] = { line = number, stop = true, lines = {} }
      elseif comment then
        mark = comment
      elseif line ~= "" then
        mark = nil
      end
      prose[#prose + 1] = line
    end
  end
  return blocks, prose
end

-- "run: status 1, numbers vary" -> how, { status = "1", numbers = "vary" }
local function parse_mark(mark)
  if not mark then return nil, {} end
  local how, rest = mark:match("^(%l+):? ?(.*)$")
  local words = {}
  if how ~= "run" and how ~= "output" then return how, words, rest end
  for part in rest:gmatch("[^,]+") do
    local word, value = part:match("^%s*(%S+)%s*(.*)$")
    words[word] = value
  end
  return how, words
end

local function normal(text, words)
  text = ("\n" .. text):gsub("[ \t\r]+\n", "\n"):gsub("%s*$", ""):sub(2)
  return words.numbers and text:gsub("%d+", "#") or text
end

-- True when `got` is `want`, whose "…" match anything.
local function same(want, got, words)
  want, got = normal(want, words), normal(got, words)
  local pattern = want:gsub("\n…\n", "\n…"):gsub("\n…$", "…") -- such a line may be none
  pattern = pattern:gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0"):gsub("…", ".-")
  return got:find("^" .. pattern .. "$") ~= nil, want, got
end

local function check_output(where, want, got, words)
  local ok, w, g = same(want, got, words)
  check(where, ok, ("expected:\n%s\ngot:\n%s"):format(w, g))
end

local page = {} -- the state of the page that is being checked

local function shell(command, words)
  local before = words and words.watchdog and "unset SOQUETE_WATCHDOG\n" or ""
  write(page.folder .. "/command.sh", before .. command .. "\n")
  return run(("cd %s && timeout -k 1 60 sh command.sh"):format(page.folder))
end

local function wait_for(seconds, condition)
  local limit = net.now() + seconds
  while not condition() do
    if net.now() > limit then return false end
    net.sleep(0.005)
  end
  return true
end

local function start_server(where, command, want, words)
  page.count = page.count + 1
  local base = ("%s/server-%d"):format(page.folder, page.count)
  -- A shell starts what runs in the background with SIGINT ignored: a terminal does not.
  local script = "echo $$ >%s.pid\nexec env --default-signal=INT %s\n"
  write(base .. ".sh", script:format(base, command))
  local start = "cd %s && { sh %s.sh </dev/null >%s.out 2>&1; echo $? >%s.status; } &"
  os.execute(start:format(page.folder, base, base, base))
  local function said() return read(base .. ".out") or "" end
  local function ended() return read(base .. ".status") end
  local told = wait_for(10, function() return said():find("listening on") or ended() end)
  if not told or ended() then return fail(where, "the server did not start: " .. said()) end
  local server = { where = where, base = base, want = want, words = words }
  page.servers[#page.servers + 1] = server
end

local function stop_servers()
  for _, server in ipairs(page.servers) do
    local pid = (read(server.base .. ".pid") or ""):match("%d+")
    local function ended() return (read(server.base .. ".status") or "") ~= "" end
    check(server.where, not ended(), "it ended before SIGINT")
    run("kill -INT " .. pid)
    if wait_for(5, ended) then
      local status = tonumber(read(server.base .. ".status"))
      local ended_well = status == 130 or status == 0 -- 0: it took the signal and stopped
      check(server.where, ended_well, "SIGINT ended it with " .. tostring(status))
    else
      run("kill -KILL " .. pid)
      fail(server.where, "SIGINT did not end it")
    end
    check_output(server.where, server.want, read(server.base .. ".out"), server.words)
  end
  page.servers = {}
end

-- The commands of a console block with the output shown after each.
local function commands_of(block)
  local commands = {}
  for _, line in ipairs(block.lines) do
    local command = line:match("^%$ (.*)$")
    local last = commands[#commands]
    if command then
      commands[#commands + 1] = { text = command, want = {} }
    elseif last and last.text:find("\\$") then
      last.text = last.text .. "\n" .. line
    elseif last then
      last.want[#last.want + 1] = line
    end
  end
  return commands
end

local function run_commands(where, block, words)
  for _, command in ipairs(commands_of(block)) do
    local want = table.concat(command.want, "\n")
    if words.server then
      start_server(where, command.text, want, words)
    elseif command.text == "echo $?" then
      check_output(where, want, tostring(page.status), words)
    else
      page.output, page.status = shell(command.text, words)
      check_output(where .. " $ " .. command.text, want, page.output, words)
    end
  end
end

-- Standard output shows the prompts but not what was typed after them.
local function run_prompt(where, block, words)
  local typed, want = {}, {}
  for _, line in ipairs(block.lines) do
    local prompt, text = line:match("^(>>? )(.*)$")
    if prompt then
      typed[#typed + 1] = text .. "\n"
      want[#want + 1] = prompt
    else
      want[#want + 1] = line .. "\n"
    end
  end
  write(page.folder .. "/typed", table.concat(typed))
  local got = shell("soquete <typed")
  check_output(where, "…" .. table.concat(want) .. "> ", got, words)
end

local function run_lua(where, block, words, name)
  local text = table.concat(block.lines, "\n") .. "\n"
  name = name or "example.lua"
  write(page.folder .. "/" .. name, text)
  page.output, page.status = shell("soquete " .. name, words)
  local status = tonumber(words.status or 0)
  check(where, page.status == status, ("status %s:\n%s"):format(page.status, page.output))
  if not text:find("%-%->") then return end
  local want = {}
  for line in text:gmatch("%-%-> ?([^\n]*)") do want[#want + 1] = line end
  check_output(where, table.concat(want, "\n"), page.output, words)
end

local kinds = {}

function kinds.lua(where, block, how, words, rest)
  local text = table.concat(block.lines, "\n")
  local dropped = ("\n" .. text):match("\n%s*([%w.]+%.serve%b())")
  check(where, not dropped, "nobody looks at what this gives: " .. tostring(dropped))
  if how == "from" then
    local source = read(rest)
    return check(where, source and ("\n" .. source):find("\n" .. text .. "\n", 1, true),
      rest .. " has other lines")
  elseif how == "fragment" then
    local ok, message = load(text, "=fragment")
    return check(where, ok, message)
  elseif words.file then
    page.files[words.file] = where
    write(page.folder .. "/" .. words.file, text .. "\n")
    return check(where, load(text))
  end
  run_lua(where, block, words)
end

function kinds.console(where, block, how, words)
  if how == "not" then return end
  if how ~= "run" then return fail(where, "a console block says run or not run") end
  for _, line in ipairs(block.lines) do
    for name in pairs(page.files) do
      if line:find(name, 1, true) then page.files[name] = nil end
    end
  end
  if words.prompt then return run_prompt(where, block, words) end
  run_commands(where, block, words)
end

function kinds.text(where, block, how, words)
  if how ~= "output" then return end
  check_output(where, table.concat(block.lines, "\n"), page.output, words)
end

local function absent(words)
  if not words.needs then return false end
  local _, status = run("command -v " .. words.needs)
  return status ~= 0
end

local function check_blocks(blocks)
  local folder = work .. "/" .. page_path:gsub("/", "-")
  page = { folder = folder, files = {}, servers = {}, count = 0 }
  local prepare = "mkdir -p F/build && ln -s $PWD/scripts F/scripts && " ..
    "ln -s $(command -v soquete) F/build/soquete"
  run((prepare:gsub("F", folder)))
  for _, block in ipairs(blocks) do
    local where = page_path .. ":" .. block.line
    local how, words, rest = parse_mark(block.mark)
    if block.stop then
      stop_servers()
    elseif absent(words) then
      skip(where, "there is no " .. words.needs)
    elseif kinds[block.kind] then
      kinds[block.kind](where, block, how, words, rest)
    end
  end
  stop_servers()
  for name, where in pairs(page.files) do fail(where, "no command runs " .. name) end
end

-- --- links ---------------------------------------------------------------------------

-- The anchor that GitHub and most renderers make of a heading.
local function slug(heading)
  heading = heading:gsub("%[(.-)%]%b()", "%1"):gsub("`", "")
  heading = heading:gsub("[A-Z]", string.lower):gsub("[!-,./:-@%[%]^{|}~]", "")
  return (heading:gsub(" ", "-"))
end

local slugs = {}

local function slugs_of(path)
  if slugs[path] then return slugs[path] end
  local found = {}
  local _, prose = parse_page(path)
  for _, line in ipairs(prose) do
    local heading = line:match("^#+ (.*)$")
    if heading then found[slug(heading)] = true end
  end
  slugs[path] = found
  return found
end

local function exists(path)
  return os.rename(path, path) ~= nil
end

local function plain(path)
  local count
  repeat path, count = path:gsub("[^/]+/%.%./", "", 1) until count == 0
  return (path:gsub("^%./", ""))
end

local function check_links(prose)
  local folder = page_path:match("^(.*/)") or ""
  for _, line in ipairs(prose) do
    for target in line:gsub("`[^`]*`", ""):gmatch("%]%(([^)]*)%)") do
      if not target:find("^https?:") then
        local file, anchor = target:match("^([^#]*)#?(.*)$")
        local full = file == "" and page_path or plain(folder .. file)
        check(page_path, exists(full), "no file for the link " .. target)
        if anchor ~= "" and exists(full) then
          check(page_path, slugs_of(full)[anchor], "no heading for the link " .. target)
        end
      end
    end
  end
end

local blocks, prose = parse_page(page_path)
check_links(prose)
check_blocks(blocks)
tally.finish()
