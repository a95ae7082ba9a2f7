-- The page that shows what is in a folder.

local core = require "net.http.core"

local M = {}

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local function escape(text)
  return (text:gsub("[&<>\"']", entities):gsub("%c", "?"))
end

-- Folders first, each group by name.
local function before(a, b)
  local folder_a, folder_b = a:sub(-1) == "/", b:sub(-1) == "/"
  if folder_a ~= folder_b then return folder_a end
  return a < b
end

local PAGE = [[
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>%s</title>
<style>body { font: 1rem/1.6 system-ui, sans-serif; margin: 2rem } a { text-decoration: none }</style>
</head>
<body>
<h1>%s</h1>
<ul>
%s</ul>
</body>
</html>
]]

---Answers with the names in a folder. `path` ends with a slash or is "".
function M.send(files, res, path, names)
  local lines = {}
  table.sort(names, before)
  if path ~= "" then lines[1] = '<li><a href="../">../</a></li>\n' end
  for _, name in ipairs(names) do
    if files.dotfiles or name:sub(1, 1) ~= "." then
      lines[#lines + 1] = ('<li><a href="./%s">%s</a></li>\n')
        :format(core.encode(name, true), escape(name))
    end
  end
  local title = escape("/" .. path)
  res:header("Content-Type", "text/html; charset=utf-8")
  return res:send(200, PAGE:format(title, title, table.concat(lines)))
end

return M
