# shellcheck shell=bash
# Run a command in the built root: in_sandbox ROOT REPOSITORY COMMAND …
#
# The command sees the root's /usr and /etc, read only; all top-level folders of the host that are not the system's own
# (a mesh may lie anywhere), /tmp, and HOME; and is the same user as outside.

SYSTEM_FOLDERS=" bin boot dev etc lib lib32 lib64 libx32 lost+found proc run sbin sys tmp usr var venv "

in_sandbox() {
    local root=$1 repository=$2 bind=()
    shift 2
    system_folders "$root"
    user_folders "$repository"
    supervise bwrap "${bind[@]}" --die-with-parent --chdir "$(pwd -P)" \
        --setenv PATH /venv/bin:/usr/sbin:/usr/bin:/sbin:/bin --setenv PYTHONPATH "$repository/solver" \
        --setenv LC_ALL C.UTF-8 --unsetenv PYTHONHOME --unsetenv VIRTUAL_ENV --unsetenv CONDA_PREFIX \
        --unsetenv LD_LIBRARY_PATH --unsetenv LD_PRELOAD --unsetenv PETSC_DIR --unsetenv PETSC_ARCH \
        --unsetenv CC --unsetenv CFLAGS -- \
        setpriv --pdeathsig TERM env --default-signal=INT,QUIT,TERM,HUP,USR1,USR2 "$@"
}

system_folders() {
    local name
    bind+=(--ro-bind "$1/usr" /usr --ro-bind "$1/etc" /etc --ro-bind "$1/venv" /venv --tmpfs /usr/local)
    bind+=(--ro-bind "$1/var/lib/dpkg" /var/lib/dpkg --dir /run)
    for name in bin sbin lib lib64; do
        [ ! -L "$1/$name" ] || bind+=(--symlink "$(readlink "$1/$name")" "/$name")
    done
    bind+=(--dev-bind /dev /dev --proc /proc --ro-bind-try /sys /sys --bind /tmp /tmp --bind-try /var/tmp /var/tmp)
    for name in passwd group hosts resolv.conf machine-id pip.conf ssl/certs; do
        bind+=(--ro-bind-try "/etc/$name" "/etc/$name")
    done
}

# Folders that are links (/home -> /var/home) stay links. What is in use and lies in a system folder is added by itself.
user_folders() {
    local folder
    for folder in /*; do
        { [ -d "$folder" ] && [ -r "$folder" ] && [ -x "$folder" ]; } || continue
        ! in_system_folder "$folder" || continue
        if [ -L "$folder" ]; then
            bind+=(--symlink "$(readlink "$folder")" "$folder")
            folder=$(readlink -f "$folder")
        fi
        bind+=(--bind "$folder" "$folder")
    done
    for folder in "$1" "$PWD" "$HOME" "${XDG_CACHE_HOME-}" "${TMPDIR-}" "${PMIX_SERVER_TMPDIR-}" /run/media; do
        folder=$(readlink -f "$folder") || continue
        if [ -d "$folder" ] && in_system_folder "$folder"; then bind+=(--bind "$folder" "$folder"); fi
    done
}

in_system_folder() {
    local top=${1#/}
    [[ -n $top && $1 != /tmp && $1 != /tmp/* && $SYSTEM_FOLDERS == *" ${top%%/*} "* ]]
}

# bwrap stays as the parent of the command and would die of signals meant for it. So it ignores them, the command gets
# its own back (`env` above), and this shell hands on what is sent to it; INT comes to all from the terminal. Under
# Slurm nothing is handed on, since it signals every process of a step itself. Ends with the command's exit code.
supervise() {
    local signal status handed=yes
    trap '' INT QUIT HUP TERM USR1 USR2
    "$@" <&0 &
    monitor=$!
    trap 'handed=yes' INT QUIT
    for signal in HUP TERM USR1 USR2; do
        # shellcheck disable=SC2064 # this signal's name, now
        trap "handed=yes; hand_on $signal" "$signal"
    done
    while [ "$handed" = yes ]; do
        handed=no status=0
        wait "$monitor" || status=$?
    done
    exit "$status"
}

hand_on() {
    local child
    [ -z "${SLURM_PROCID-}" ] || return 0
    child=$(<"/proc/$monitor/task/$monitor/children")
    # shellcheck disable=SC2086 # its blank
    kill -s "$1" $child 2>/dev/null || true
}
