# shellcheck shell=bash
# Finding the LLVM tools that understand what this rustc writes, and installing them where that is
# possible without asking. Sourced, never run; install_with_apt comes from apt.sh.

# Sets llvm_profdata and llvm_cov: rustup's, else those of the same major version as rustc's LLVM.
find_llvm() {
  local rustc=${RUSTC:-rustc} sysroot host suffix
  sysroot=$("$rustc" --print sysroot)
  host=$("$rustc" -vV | sed -n 's/^host: //p')
  llvm_major=$("$rustc" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
  llvm_profdata=$sysroot/lib/rustlib/$host/bin/llvm-profdata
  llvm_cov=$sysroot/lib/rustlib/$host/bin/llvm-cov
  [[ ! -x $llvm_profdata || ! -x $llvm_cov ]] || return 0
  for suffix in "-$llvm_major" ''; do
    llvm_profdata=$(command -v "llvm-profdata$suffix") || continue
    llvm_cov=$(command -v "llvm-cov$suffix") || continue
    [[ $("$llvm_cov" --version) != *"LLVM version $llvm_major."* ]] || return 0
  done
  return 1
}

need_llvm() {
  ! find_llvm || return 0
  if ((EUID == 0)) && command -v apt-get >/dev/null; then
    install_with_apt "llvm-$llvm_major"
    ! find_llvm || return 0
  fi
  die "llvm-profdata and llvm-cov of LLVM $llvm_major, which rustc uses, not found. Install them and run this again:
  with rustup:     rustup component add llvm-tools
  Debian, Ubuntu:  sudo apt-get install llvm-$llvm_major"
}
