std = "lua54"
max_line_length = false -- counted in bytes; .editorconfig says 90 columns
-- The runtime adds one function to Lua's own tables.
read_globals = { utf8 = { fields = { "upper" } } }
-- It replaces functions of Lua's own by ones that can wait.
files["lua/net/boot.lua"] = { globals = { "require", "dofile", "io", "os", "package" } }
files["lua/net/require.lua"] = {
  read_globals = { package = { fields = { "embedded", "overrides" }, other_fields = true } },
}
-- A test keeps values alive, closes them by scope, and breaks out of loops at once.
for _, folder in ipairs { "tests/lua", "tests/regress" } do
  files[folder] = { ignore = { "311", "211", "231", "241", "331", "512", "581" } }
end
