#!/usr/bin/env bash
# Build the isolated Debian 13 root that `heartwright` runs in where DOLFINx 0.9 is not installed: build.sh FOLDER
#
# The root grows in FOLDER.partial and is renamed when complete, so that an interrupted build is never used. One lock
# per cache folder: a second build waits, and finds the first one's work. Steps and times go to the terminal, all else
# to FOLDER.log. Only bubblewrap, debootstrap and wget of the host are used; nothing outside the cache is changed.
#
# shellcheck disable=SC2317 # the steps are called by name
set -euo pipefail
umask 022
PATH=$PATH:/usr/sbin:/sbin

HERE=$(dirname "$(readlink -f "$0")")
FINAL=$1
CACHE=$(dirname "$FINAL")
ROOT=$FINAL.partial
LOG=$FINAL.log
SUITE=trixie
NEED_MB=3500
ALTERNATIVES="Other ways to get DOLFINx 0.9 (docs/install.md): conda (environment/environment.yml), Docker (environment/Dockerfile),
Apptainer (environment/apptainer.def), Spack (environment/spack.md), or Debian 13 and newer by apt. The launcher uses
whichever python3 can import it."

exec 3>&2

say() { printf 'heartwright: %s\n' "$*" >&3; }

fail() {
    printf 'heartwright: %s\n' "$@" "$ALTERNATIVES" >&3
    trap - EXIT
    exit 69
}

main() {
    (umask 077 && mkdir -p "$CACHE") || fail "cannot write in $CACHE; set XDG_CACHE_HOME to a folder of yours"
    exec 9>"$CACHE/environment.lock"
    if ! flock -n 9; then
        say "another build is running; waiting for it"
        flock 9
    fi
    [ ! -d "$FINAL" ] || return 0
    remove_stale
    need_disk
    : >"$LOG"
    need_tools
    need_namespaces
    find_mirror
    build
}

build() {
    say "DOLFINx 0.9 is not installed here; building an environment of its own, once, in" "$FINAL"
    say "takes 3-5 minutes on 2 cores, 640 MB of downloads, ${NEED_MB} MB of disk while building; log: $LOG"
    trap 'unfinished $?' EXIT
    step "1/4 Debian 13 base system" base_system
    step "2/4 Debian packages" debian_packages
    step "3/4 Python packages" python_packages
    step "4/4 compiling and tidying up" tidy
    mv -T "$ROOT" "$FINAL"
    trap - EXIT
    say "ready after $SECONDS s, $(du -sm "$FINAL" | cut -f1) MB"
    name_older_ones
}

name_older_ones() {
    local other
    for other in "$CACHE"/environment-????????????; do
        [ "$other" = "$FINAL" ] || say "$other was built for another package list; remove it if no clone needs it"
    done
}

# --- what must be there -----------------------------------------------------------------------------------------

remove_stale() {
    local stale
    for stale in "$CACHE"/environment-*.partial; do
        [ -d "$stale" ] || continue
        chmod -R u+rwX "$stale" 2>/dev/null || true
        rm -rf "$stale"
    done
}

need_disk() {
    local free
    free=$(df -Pm "$CACHE" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$NEED_MB" ] || fail "too little disk for the environment: $NEED_MB MB needed, $free MB free in $CACHE" \
        "free some space, or set XDG_CACHE_HOME to a folder on a larger disk"
}

need_tools() {
    local tool missing=()
    for tool in bwrap debootstrap; do
        command -v "$tool" >/dev/null || missing+=("${tool/bwrap/bubblewrap}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || fail "missing here: ${missing[*]}" \
        "installing them takes root: ask an administrator for \`apt-get install ${missing[*]}\`"
    say "installing ${missing[*]} with apt-get (log: $LOG)"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
        >>"$LOG" 2>&1 || fail "apt-get could not install ${missing[*]}:" "$(tail -n 5 "$LOG")"
}

need_namespaces() {
    local said
    said=$(bwrap --bind / / --dev-bind /dev /dev true 2>&1) || fail "bubblewrap cannot make a sandbox here: $said" \
        "user namespaces are switched off, or this is a container without the right to make one"
}

# Debian's mirror is the one this machine already uses; asking it also shows whether there is a network.
find_mirror() {
    local uri candidates
    candidates=${HEARTWRIGHT_DEBIAN_MIRROR:-$(apt_uris)}
    [ -n "$candidates" ] || fail "no Debian mirror known here: this machine's apt has no sources" \
        "set HEARTWRIGHT_DEBIAN_MIRROR to the address of one (…/debian)"
    for uri in $candidates; do
        if [[ $(release "$uri") == *"Origin: Debian"* ]]; then
            MIRROR=$uri
            return
        fi
    done
    fail "none of these answers as a Debian mirror with Debian 13:" "$candidates" \
        "check the network (and http_proxy), or set HEARTWRIGHT_DEBIAN_MIRROR to a mirror's address (…/debian)"
}

apt_uris() {
    cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.sources \
        /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -En 's/^URIs:[[:space:]]*//p; s/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' |
        tr ' ' '\n' | grep -E '^https?:' | awk '!seen[$0]++' || true
}

release() { wget -nv -T 15 -t 2 -O - "${1%/}/dists/$SUITE/InRelease" 2>>"$LOG" || true; }

# --- the steps --------------------------------------------------------------------------------------------------

# Run a step, its output in the log. In the foreground: if this script is killed, bwrap and all in it end as well.
step() {
    TITLE=$1
    say "[$SECONDS s] $TITLE"
    printf '\n=== %s\n' "$TITLE" >>"$LOG"
    progress 9>&- &
    REPORTER=$!
    "$2" >>"$LOG" 2>&1
    kill "$REPORTER"
}

# Every 20 s, how far it is.
progress() {
    local count
    exec 7<> <(:)
    while ! read -rt 20 <&7 && kill -0 $$ 2>/dev/null; do
        count=$(grep -cE '^(Unpacking|Setting up|I: (Extracting|Unpacking|Configuring)) ' "$LOG" || true)
        say "[$SECONDS s]   $count packages unpacked or set up"
    done
}

unfinished() {
    kill "$REPORTER" 2>/dev/null || true
    if [ "$1" -ge 128 ] || [ "$1" = 0 ]; then
        say "interrupted; nothing half-built will be used"
    else
        printf '%s\n' "--- last lines of $LOG" "$(tail -n 15 "$LOG")" "---" >&3
        fail "building the environment failed in step $TITLE; start again to retry"
    fi
}

base_system() {
    mkdir -p "$ROOT"
    # `container=lxc` tells debootstrap not to insist on device files, which /dev of the host provides later.
    as_root --bind / / --dev-bind /dev /dev --proc /proc --setenv container lxc -- \
        debootstrap --foreign --variant=minbase --include=ca-certificates "$SUITE" "$ROOT" "$MIRROR"
    configure_dpkg
    in_root env container=lxc /debootstrap/debootstrap --second-stage ||
        { tail -n 30 "$ROOT/debootstrap/debootstrap.log"; return 1; }
    rm -rf "$ROOT/debootstrap"
    printf 'deb %s %s main\n' "$MIRROR" "$SUITE" >"$ROOT/etc/apt/sources.list"
}

# Nothing is synced file by file (the rename at the end is what counts), and documentation stays out.
configure_dpkg() {
    mkdir -p "$ROOT/etc/dpkg/dpkg.cfg.d" "$ROOT/etc/apt/apt.conf.d"
    cp "$HERE/dpkg.cfg" "$ROOT/etc/dpkg/dpkg.cfg.d/heartwright"
    cp "$HERE/apt.conf" "$ROOT/etc/apt/apt.conf.d/99heartwright"
    ln -s true "$ROOT/usr/bin/py3compile" # bytecode is compiled at the end, on all cores
}

# Packages of services expect to be started, and munge to make its key as a user of its own, which the root, having one
# user only, refuses. Nothing is started in the root, and the key is there already; who starts munged brings their own.
configure_services() {
    printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d"
    chmod +x "$ROOT/usr/sbin/policy-rc.d"
    mkdir -m 700 "$ROOT/etc/munge"
    head -c 1024 /dev/urandom >"$ROOT/etc/munge/munge.key"
}

debian_packages() {
    configure_services
    in_root apt-get update
    # shellcheck disable=SC2046 # a list of words
    in_root apt-get install -y $("$HERE/list.sh" debian)
    in_root apt-get clean
}

python_packages() {
    in_root python3 -m venv --system-site-packages /venv
    # shellcheck disable=SC2046 # a list of words
    in_root /venv/bin/pip install --no-cache-dir --no-input $("$HERE/list.sh" pypi)
}

# The host's own files are laid over some of /etc when the root is used; what they cover must exist.
tidy() {
    rm -rf "$ROOT"/var/lib/apt/lists/* "$ROOT"/var/cache/apt/* "$ROOT"/usr/share/{doc,locale,man}/*
    touch "$ROOT"/etc/{pip.conf,passwd,group,hosts,resolv.conf,machine-id}
    in_root python3 -m compileall -q -j 0 -x '/tests?/' /usr/lib/python3/dist-packages || true
    in_root /venv/bin/python3 -c 'import dolfinx, gmsh, myokit, pyvista; print("all there")'
}

# --- root without being root ------------------------------------------------------------------------------------

# A command as root of a sandbox with its own processes, all of which end with it. Changing owners is answered with
# "done" and not done: whoever builds owns every file, which needs no privilege and works the same for root and users.
as_root() {
    bwrap --die-with-parent --unshare-pid --unshare-ipc --unshare-uts "${IDENTITY[@]}" \
        --cap-add ALL --cap-drop CAP_SYS_ADMIN --seccomp 8 "$@" 8< <(fake_chown)
}

in_root() {
    local bind=() path
    for path in /etc/resolv.conf /etc/hosts /etc/pip.conf "$HOME/.config/pip" "$HOME/.pip" /opt; do
        [ ! -e "$path" ] || bind+=(--ro-bind "$path" "$path")
    done
    # The certificates of the host, which may know a proxy's; not while ca-certificates itself is being installed.
    [ -d "$ROOT/debootstrap" ] || [ ! -d /etc/ssl/certs ] || bind+=(--ro-bind /etc/ssl/certs /etc/ssl/certs)
    as_root --bind "$ROOT" / --dev-bind /dev /dev --proc /proc --ro-bind /sys /sys --tmpfs /tmp --tmpfs /run \
        "${bind[@]}" --setenv PATH /usr/sbin:/usr/bin:/sbin:/bin --setenv LC_ALL C.UTF-8 \
        --setenv DEBIAN_FRONTEND noninteractive --unsetenv PYTHONPATH --unsetenv PYTHONHOME \
        --unsetenv PIP_TARGET --unsetenv PIP_PREFIX --unsetenv PIP_USER --chdir / -- "$@"
}

IDENTITY=()
[ "$(id -u)" = 0 ] || IDENTITY=(--unshare-user --uid 0 --gid 0)

# The seccomp program: chown and its relatives, and setgroups, return 0 without doing anything.
fake_chown() {
    local arch calls call left
    case $(uname -m) in
        x86_64) arch=0xC000003E calls=(92 93 94 260 116) ;;
        aarch64) arch=0xC00000B7 calls=(54 55 159) ;;
        *) fail "no environment can be built for processors of type $(uname -m)" ;;
    esac
    left=${#calls[@]}
    instruction 0x20 0 0 4                     # load the architecture
    instruction 0x15 0 $((left + 1)) "$arch"   # another one: allow
    instruction 0x20 0 0 0                     # load the number of the system call
    for call in "${calls[@]}"; do
        instruction 0x15 "$left" 0 "$call"     # one of these: return 0
        left=$((left - 1))
    done
    instruction 0x06 0 0 0x7FFF0000            # allow
    instruction 0x06 0 0 0x00050000            # return 0 to the caller
}

# One instruction of the kernel's packet filter: operation, two jumps, an operand, little endian.
instruction() {
    local hex
    printf -v hex '\\x%02x' $(($1)) 0 "$2" "$3" $(($4 & 255)) $(($4 >> 8 & 255)) $(($4 >> 16 & 255)) $(($4 >> 24 & 255))
    printf '%b' "$hex"
}

main; exit
