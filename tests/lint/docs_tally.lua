-- What the documentation's tests share: checks that are counted, files and commands.

local M = { passed = 0, failed = 0, skipped = 0 }

function M.fail(where, why)
  M.failed = M.failed + 1
  print(("FAIL %s: %s"):format(where, why))
end

function M.check(where, ok, why)
  if ok then M.passed = M.passed + 1 else M.fail(where, why) end
end

function M.skip(where, why)
  M.skipped = M.skipped + 1
  print(("skip %s: %s"):format(where, why))
end

-- Prints the counts and ends the program.
function M.finish()
  print(("%d passed, %d failed, %d skipped"):format(M.passed, M.failed, M.skipped))
  os.exit(M.failed == 0)
end

function M.read(path)
  local f = io.open(path, "rb")
  if not f then return nil end
  local text = f:read("a")
  f:close()
  return text
end

function M.write(path, text)
  local f <close> = assert(io.open(path, "wb"))
  assert(f:write(text))
end

-- Runs a shell command: what it printed on both outputs, and its status.
function M.run(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1 </dev/null"))
  local text = pipe:read("a")
  local _, _, status = pipe:close()
  return text, status
end

-- The lines that a shell command prints.
function M.list(command)
  local names = {}
  for name in M.run(command):gmatch("[^\n]+") do names[#names + 1] = name end
  return names
end

function M.lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

return M
