# Adds up lcov's lines by crate. Set are `root`, with a slash at its end, `crates` and `lines_min`.
# Tests are not counted: neither files of theirs nor modules at the end of a file.

/^SF:/ {
  file = substr($0, 4)
  name = substr(file, length(root "crates/") + 1)
  crate = substr(name, 1, index(name, "/") - 1)
  is_tests = name ~ /\/(tests|contract)(\.rs|\/)/
  if (!is_tests) end = tests_begin(file)
}

/^DA:/ && !is_tests {
  split(substr($0, 4), line, ",")
  if (line[1] >= end) next
  lines[crate]++
  if (line[2] > 0) covered[crate]++
}

# The line where the module of tests begins, or one that no file has.
function tests_begin(path, text, number, after_cfg) {
  while ((getline text < path) > 0) {
    number++
    if (after_cfg && text ~ /^(pub[^ ]* )?mod tests \{/) break
    if (text ~ /^#\[cfg\((test|all\(test)/) after_cfg = 1
    else if (text !~ /^#\[/) after_cfg = 0
  }
  close(path)
  return after_cfg ? number : 1e9
}

END {
  count = split(crates, names, " ")
  printf "%-18s %8s %8s %8s\n", "crate", "lines", "covered", "share"
  for (i = 1; i <= count; i++) {
    crate = names[i]
    share = lines[crate] ? 100 * covered[crate] / lines[crate] : 0
    printf "%-18s %8d %8d %7.1f%%\n", crate, lines[crate], covered[crate], share
    if (share < lines_min) below = below " " crate
  }
  if (below) {
    printf "error: below %s%%:%s\n", lines_min, below > "/dev/stderr"
    exit 1
  }
}
