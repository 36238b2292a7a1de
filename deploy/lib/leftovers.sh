# shellcheck shell=bash
# Folders that services.sh made for other checkouts, which may be gone by now. Sourced by
# services.sh, which provides base, base_parent and say.

# Names those of this user. Whether anybody still wants what is in them, or runs something there out
# of our sight, as from a container, nobody but their owner knows: so nothing is removed.
name_leftovers() {
  local candidate
  for candidate in "$base_parent/utsavam-$EUID-"*; do
    [[ $candidate =~ /utsavam-[0-9]+-[0-9]+-[0-9]+$ && $candidate != "$base" ]] || continue
    [[ -d $candidate && ! -L $candidate && -O $candidate ]] || continue
    say "another checkout has left $candidate: rm -r it unless that is still used"
  done
}
