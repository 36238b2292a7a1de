# shellcheck shell=bash
# Python, and virtual environments with what some tool needs. Sourced, never run;
# install_with_apt comes from apt.sh.

# Recent enough, and with what makes virtual environments, which Debian has in a package of its own.
has_python() {
  python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

# Whether there is Python, at the latest after it was installed, where that is possible.
find_python() {
  ! has_python || return 0
  if ((EUID == 0)) && command -v apt-get >/dev/null; then
    install_with_apt python3-venv
  fi
  has_python
}

# Makes a virtual environment at VENV with what REQUIREMENTS lists, anew when that has changed.
install_requirements() {
  local requirements=$1 venv=$2
  ! cmp -s "$requirements" "$venv/requirements.txt" || return 0
  say "installing what $requirements lists into $venv"
  rm -rf "$venv"
  # One after the other, also where the caller looks at the outcome and errexit is off.
  python3 -m venv "$venv" &&
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
      --requirement "$requirements" &&
    cp "$requirements" "$venv/requirements.txt"
}
